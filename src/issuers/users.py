"""The local user of every subject that a trusted issuer has vouched for."""

from collections import OrderedDict
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from src.core.db import SessionMaker, unit_of_work
from src.core.logging import log_event
from src.issuers import store

MOST_REMEMBERED: Final = 10_000


class AddUser(Protocol):
    """Adds a user who has no password to the unit of work; the caller commits."""

    async def __call__(self, db: AsyncSession, *, issuer: str) -> UUID: ...


class ExternalUsers:
    """Which user an identity is; one that is new becomes a user at first sight.

    An identity keeps its user for as long as the user is there, so it is remembered until
    `forget`. Bounded: the least recently asked-for are forgotten.
    """

    def __init__(self, sessionmaker: SessionMaker, add_user: AddUser) -> None:
        self._sessionmaker = sessionmaker
        self._add_user = add_user
        self._known: OrderedDict[tuple[str, str], UUID] = OrderedDict()

    async def user_of(self, issuer: str, subject: str) -> UUID:
        """Raises: `ServiceUnavailable`."""
        identity = (issuer, subject)
        user_id = self._known.get(identity)
        if user_id is None:
            user_id = await self._look_up(*identity) or await self._add(*identity)
            self._known[identity] = user_id
        self._known.move_to_end(identity)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return user_id

    def forget(self, issuer: str, subject: str) -> None:
        self._known.pop((issuer, subject), None)

    async def _look_up(self, issuer: str, subject: str) -> UUID | None:
        async with unit_of_work(self._sessionmaker) as db:
            return await store.user_of(db, issuer, subject)

    async def _add(self, issuer: str, subject: str) -> UUID:
        """The user and the identity together, or those of another request that was faster."""
        try:
            async with unit_of_work(self._sessionmaker) as db:
                user_id = await self._add_user(db, issuer=issuer)
                await store.add(db, issuer, subject, user_id=user_id)
        except IntegrityError:
            added_meanwhile = await self._look_up(issuer, subject)
            if added_meanwhile is None:
                raise
            return added_meanwhile
        log_event("external-user-added", issuer=issuer, user_id=str(user_id))
        return user_id
