"""How often somebody may do what costs. Features depend on this port and know of no counters.

`app.py` plugs an implementation of `CountUse` into the lifespan state.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from fastapi import Depends, Request

from src.core.identity import CurrentUserId


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `quota` uses in any `window`, under the name that clients see."""

    name: str
    quota: int
    window: timedelta


class CountUse(Protocol):
    """Counts one use of an owner's, who has the limit to themselves.

    `headers` takes what the answer, of whatever status, says of it. Raises: `LimitReached`.
    """

    async def __call__(
        self,
        limit: Limit,
        *,
        owner: str,
        headers: MutableMapping[str, str],
    ) -> None: ...


async def count_use(request: Request, limit: Limit, *, owner: str) -> None:
    """Raises: `LimitReached`."""
    count: CountUse = request.state.count_use
    await count(limit, owner=owner, headers=request.state.response_headers)


def limited(limit: Limit) -> Any:  # noqa: ANN401 - as FastAPI types its dependencies
    """For a route's `dependencies`: what the signed-in person asks of it counts."""

    async def count(request: Request, user_id: CurrentUserId) -> None:
        await count_use(request, limit, owner=str(user_id))

    return Depends(count)
