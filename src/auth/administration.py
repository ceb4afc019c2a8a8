"""Administration: see accounts, give and take roles, disable and enable, end sessions."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.errors import LastAdministrator, UserNotFound
from src.auth.models import ADMIN, User
from src.auth.schemas import AccountList, AccountView, UserChange
from src.auth.sessions import Sessions
from src.auth.store import users
from src.core.logging import log_event


class Administration:
    """What one administrator, `actor`, does with other people's accounts.

    `actor` is their user id, or what else tells in the logs who it was.
    """

    def __init__(self, db: AsyncSession, *, sessions: Sessions, actor: str) -> None:
        self._db = db
        self._sessions = sessions
        self._actor = actor

    async def list_users(
        self,
        *,
        email_prefix: str,
        after: UUID | None,
        limit: int,
    ) -> AccountList:
        """A page of at most `limit` accounts whose normalised e-mail begins with the prefix."""
        found = await users.page(
            self._db,
            email_prefix=email_prefix,
            after=after,
            limit=limit + 1,  # one more tells whether there is a next page
        )
        page = found[:limit]
        return AccountList(
            users=[AccountView.model_validate(user) for user in page],
            next_cursor=page[-1].id if len(found) > limit else None,
        )

    async def user(self, user_id: UUID) -> User:
        """Raises: `UserNotFound`."""
        user = await users.by_id(self._db, user_id)
        if user is None:
            raise UserNotFound
        return user

    async def change(self, user_id: UUID, change: UserChange) -> User:
        """Set roles and whether the account is active. What takes effect ends all its sessions.

        Raises: `UserNotFound`, `LastAdministrator`.
        """
        locked = await users.lock_with_administrators(self._db, user_id)
        user = next((each for each in locked if each.id == user_id), None)
        if user is None:
            raise UserNotFound
        before = set(user.roles), user.is_active
        was_administrator = _administers(user)
        user.roles = user.roles if change.roles is None else change.roles
        user.is_active = user.is_active if change.is_active is None else change.is_active
        if was_administrator and not _administers(user) and len(locked) == 1:
            raise LastAdministrator
        await self._db.flush()
        if before != (set(user.roles), user.is_active):
            # Before the commit: when Redis is away, nothing has changed. The row stays locked until
            # then, so that a log-in of this moment waits and finds it changed.
            cause = "role-change" if user.is_active else "disabled"
            await self._sessions.end_all(user_id=user_id, cause=cause)
            await self._db.commit()
            log_event(
                "user-changed",
                actor=self._actor,
                user_id=str(user_id),
                roles=user.roles,
                is_active=user.is_active,
            )
        return user

    async def end_sessions(self, user_id: UUID) -> None:
        """Raises: `UserNotFound`."""
        await self.user(user_id)
        await self._sessions.end_all(user_id=user_id, cause="ended-by-administrator")
        log_event("user-sessions-ended", actor=self._actor, user_id=str(user_id))


def _administers(user: User) -> bool:
    return user.is_active and ADMIN in user.roles
