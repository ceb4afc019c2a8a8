"""Who may act, and their profiles: remembered for a moment, in every worker."""

import time
from collections import OrderedDict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from src.auth.schemas import Profile
from src.auth.store import users
from src.core.db import is_outage
from src.core.errors import InvalidToken, ServiceUnavailable


class KnownUsers:
    """Profiles of active users, remembered for a second: whatever changes them holds by then.

    What is changed through a worker is forgotten by all at once (`RevocationFeed`). Bounded: the
    least recently looked-up are forgotten.
    """

    REMEMBERED_SECONDS = 1.0
    MOST_REMEMBERED = 10_000

    def __init__(self, engine: AsyncEngine) -> None:
        # One statement a look-up: no transaction has to be begun and ended for it.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._known: OrderedDict[UUID, tuple[float, Profile]] = OrderedDict()
        self._changes = 0

    async def require(self, user_id: UUID) -> Profile:
        """The profile of a user who may act.

        Raises: `InvalidToken` for an unknown or disabled user, `ServiceUnavailable`.
        """
        now = time.monotonic()
        until, profile = self._known.get(user_id, (0.0, None))
        if profile is not None and until > now:
            return profile
        changes = self._changes
        profile = await self._look_up(user_id)
        if profile is None:
            self._known.pop(user_id, None)
            raise InvalidToken(cause="user is unknown or disabled")
        if changes == self._changes:  # or else this may be what they were before the change
            self._remember(user_id, now + self.REMEMBERED_SECONDS, profile)
        return profile

    def forget(self, user_id: UUID) -> None:
        """The user has changed, here or in another worker."""
        self._changes += 1
        self._known.pop(user_id, None)

    def _remember(self, user_id: UUID, until: float, profile: Profile) -> None:
        self._known[user_id] = (until, profile)
        self._known.move_to_end(user_id)
        if len(self._known) > self.MOST_REMEMBERED:
            self._known.popitem(last=False)

    async def _look_up(self, user_id: UUID) -> Profile | None:
        try:
            async with self._engine.connect() as connection:
                return await users.active_profile(connection, user_id)
        except Exception as error:
            if is_outage(error):
                raise ServiceUnavailable(cause=f"database: {type(error).__name__}") from error
            raise
