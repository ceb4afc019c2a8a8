"""Who may act, and their profiles: remembered for a moment, in every worker."""

import asyncio
import time
from collections import OrderedDict
from functools import partial
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
        self._looking: dict[UUID, asyncio.Task[Profile | None]] = {}

    async def require(self, user_id: UUID) -> Profile:
        """The profile of a user who may act. Who asks at the same time shares one look-up.

        Raises: `InvalidToken` for an unknown or disabled user, `ServiceUnavailable`.
        """
        now = time.monotonic()
        until, profile = self._known.get(user_id, (0.0, None))
        if profile is not None and until > now:
            return profile
        look_up = self._looking.get(user_id)
        if look_up is None:
            look_up = self._looking[user_id] = asyncio.create_task(self._look_up(user_id))
            look_up.add_done_callback(partial(self._arrived, user_id, now))
        profile = await asyncio.shield(look_up)  # who leaves does not take it from the others
        if profile is None:
            raise InvalidToken(cause="user is unknown or disabled")
        return profile

    def forget(self, user_id: UUID) -> None:
        """The user has changed, here or in another worker; what is being read may be older."""
        self._known.pop(user_id, None)
        self._looking.pop(user_id, None)

    def _arrived(
        self, user_id: UUID, asked_at: float, look_up: asyncio.Task[Profile | None]
    ) -> None:
        is_current = self._looking.get(user_id) is look_up
        if is_current:
            del self._looking[user_id]
        profile = None if look_up.cancelled() or look_up.exception() else look_up.result()
        if not is_current or profile is None:
            return
        self._known[user_id] = (asked_at + self.REMEMBERED_SECONDS, profile)
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
