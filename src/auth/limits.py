"""Limits on guessing passwords and on signing up, per address. See docs/limits.md."""

import hmac
import math
import secrets
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from src.auth.audit import Event, note
from src.auth.errors import (
    EmailTaken,
    InvalidCredentials,
    TooManyRequests,
    UsernameTaken,
    WrongPassword,
)
from src.auth.store import keys
from src.auth.store.rate_limits import Decision, RateLimitStore
from src.core.addresses import counted_as
from src.core.errors import LimitReached, ServiceUnavailable
from src.core.usage import Limit

GUESSES_AT_ACCOUNT: Final = Limit("login", 10, timedelta(minutes=15))
GUESSES_FROM_ADDRESS: Final = Limit("login-address", 100, timedelta(minutes=15))
SIGNUPS_FROM_ADDRESS: Final = Limit("signup", 20, timedelta(hours=1))

HASH_CHARACTERS: Final = 32  # 128 bits


class RateLimits:
    """What all requests share: the store (None: nothing is limited) and the key of the hashes."""

    def __init__(self, store: RateLimitStore | None, *, secret: str) -> None:
        self.store = store
        # A key of its own: nothing that is hashed here can ever pass for a signature.
        self._key = hmac.digest(secret.encode(), b"latchkey rate limits", "sha256")

    def hashed(self, text: str) -> str:
        """A pseudonym of an address or an e-mail: Redis and its copies never see either."""
        message = text.encode(errors="surrogatepass")
        return hmac.digest(self._key, message, "sha256").hex()[:HASH_CHARACTERS]


class Attempts:
    """The attempts of one request. Each is counted before it is made, so that none slips through.

    `headers` takes what the answer, of whatever status, says about the limits.
    Source: draft-ietf-httpapi-ratelimit-headers-11.
    """

    def __init__(
        self,
        limits: RateLimits,
        *,
        address: str,
        headers: MutableMapping[str, str],
    ) -> None:
        self._limits = limits
        self._address = limits.hashed(counted_as(address))
        self._headers = headers

    def guess(self, account: str) -> AbstractAsyncContextManager[None]:
        """Around the check of the password of `account`: an e-mail's key, whether known or not.

        Only a wrong password counts; what ends otherwise is given back.
        Raises: `TooManyRequests`, `ServiceUnavailable`.
        """
        at_account = keys.guesses_at_account(self._address, self._limits.hashed(account))
        return self._counted(
            {at_account: GUESSES_AT_ACCOUNT, keys.guesses(self._address): GUESSES_FROM_ADDRESS},
            spent_by=(InvalidCredentials, WrongPassword),
            spent_by_success=False,
        )

    def sign_up(self) -> AbstractAsyncContextManager[None]:
        """Around a sign-up. It counts when it succeeds, and when it tells that a name is taken.

        Raises: `TooManyRequests`, `ServiceUnavailable`.
        """
        return self._counted(
            {keys.signups(self._address): SIGNUPS_FROM_ADDRESS},
            spent_by=(EmailTaken, UsernameTaken),
            spent_by_success=True,
        )

    async def count_wrong_client(self) -> None:
        """After a wrong client secret. A right one is never refused: nobody guesses 256 bits.

        Raises: `TooManyRequests`, `ServiceUnavailable`.
        """
        if self._limits.store is not None:
            limits = {keys.guesses(self._address): GUESSES_FROM_ADDRESS}
            self._admit(limits, await self._limits.store.take(secrets.token_hex(8), limits))

    @asynccontextmanager
    async def _counted(
        self,
        limits: Mapping[str, Limit],
        *,
        spent_by: tuple[type[Exception], ...],
        spent_by_success: bool,
    ) -> AsyncIterator[None]:
        """A block that is entered when there is room; a request that is cancelled in it counts."""
        store = self._limits.store
        if store is None:
            yield
            return
        attempt_id = secrets.token_hex(8)
        self._admit(limits, await store.take(attempt_id, limits))
        try:
            yield
        except spent_by:
            raise
        except Exception:
            with suppress(ServiceUnavailable):  # what failed first is what there is to tell
                announce(limits, await store.give_back(attempt_id, limits), self._headers)
            raise
        if not spent_by_success:
            announce(limits, await store.give_back(attempt_id, limits), self._headers)

    def _admit(self, limits: Mapping[str, Limit], decision: Decision) -> None:
        """Raises: `TooManyRequests`."""
        admit(limits, decision, self._headers, refusal=TooManyRequests)


def admit(
    limits: Mapping[str, Limit],
    decision: Decision,
    headers: MutableMapping[str, str],
    *,
    refusal: type[LimitReached],
) -> None:
    """Announce where the limits stand. Raises: the refusal, where one of them is used up."""
    announce(limits, decision, headers)
    if decision.admitted:
        return
    used_up = {
        limit.name: standing.more_in_ms
        for limit, standing in zip(limits.values(), decision.standings, strict=True)
        if not standing.remaining
    }
    note(Event.LIMIT_REACHED, limits=[*used_up])
    raise refusal(headers={"Retry-After": str(_seconds(max(used_up.values())))})


def announce(
    limits: Mapping[str, Limit],
    decision: Decision,
    headers: MutableMapping[str, str],
) -> None:
    standings = zip(limits.values(), decision.standings, strict=True)
    headers["RateLimit-Policy"] = ", ".join(
        f'"{limit.name}";q={limit.quota};w={int(limit.window.total_seconds())}'
        for limit in limits.values()
    )
    headers["RateLimit"] = ", ".join(
        f'"{limit.name}";r={standing.remaining};t={_seconds(standing.more_in_ms)}'
        for limit, standing in standings
    )


def _seconds(milliseconds: int) -> int:
    """Rounded up: who waits as long finds that there is room."""
    return math.ceil(milliseconds / 1000)
