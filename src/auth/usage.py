"""Counts what people and customers do that costs: the `CountUse` port, in Redis."""

import secrets
import time
from collections.abc import MutableMapping
from typing import Final

from src.auth.limits import RateLimits, admit
from src.auth.store import keys
from src.core.errors import LimitReached, ServiceUnavailable
from src.core.usage import Limit

LOOK_AGAIN_SECONDS: Final = 1.0


class Usage:
    """One count over all workers. While Redis is away nothing is counted.

    Unlike a guess at a password, a message more does no harm, and whoever is signed in must not
    need Redis for everything that they do.
    """

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._ask_after = 0.0

    async def __call__(
        self,
        limit: Limit,
        *,
        owner: str,
        headers: MutableMapping[str, str],
    ) -> None:
        """Raises: `LimitReached`."""
        store = self._limits.store
        if store is None or not self._may_ask():
            return
        counted = {keys.uses(self._limits.hashed(owner), limit.name): limit}
        try:
            decision = await store.take(secrets.token_hex(8), counted)
        except ServiceUnavailable:
            self._ask_after = time.monotonic() + LOOK_AGAIN_SECONDS
            return
        self._ask_after = 0.0
        admit(counted, decision, headers, refusal=LimitReached)

    def _may_ask(self) -> bool:
        """While Redis is away, one asks each second whether it is back, and no other waits."""
        now = time.monotonic()
        if now < self._ask_after:
            return False
        if self._ask_after:
            self._ask_after = now + LOOK_AGAIN_SECONDS
        return True
