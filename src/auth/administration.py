"""Administration: see accounts, give and take roles, disable and enable, end sessions."""

from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.audit import Event, note
from src.auth.errors import LastAdministrator, UserNotFound
from src.auth.models import ADMIN, User
from src.auth.schemas import AccountList, AccountView, UserChange
from src.auth.sessions import Sessions
from src.auth.store import users


class Administration:
    """What an administrator does with other people's accounts.

    `actor_id` is their user id; None for whoever has the command line.
    """

    def __init__(self, db: AsyncSession, *, sessions: Sessions, actor_id: UUID | None) -> None:
        self._db = db
        self._sessions = sessions
        self._actor_id = actor_id

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
        before = (set(user.roles), user.is_active)
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
            await self._sessions.tell_changed(user_id)
            note(
                Event.USER_CHANGED,
                user_id=user_id,
                actor_id=self._actor_id,
                roles=user.roles,
                is_active=user.is_active,
            )
        return user

    async def reset_password(self, user_id: UUID, password_hash: str) -> None:
        """Put another password's hash in the place of one that was forgotten; all sessions end.

        Raises: `UserNotFound`.
        """
        # Locked until the commit: a log-in with the old password waits, and finds it changed.
        locked = await users.lock_with_administrators(self._db, user_id)
        user = next((each for each in locked if each.id == user_id), None)
        if user is None:
            raise UserNotFound
        user.password_hash = password_hash
        await self._db.flush()
        await self._sessions.end_all(user_id=user_id, cause="password-reset")
        await self._db.commit()
        note(Event.PASSWORD_RESET, user_id=user_id, actor_id=self._actor_id)

    async def end_sessions(self, user_id: UUID) -> None:
        """Raises: `UserNotFound`."""
        await self.user(user_id)
        await self._sessions.end_all(user_id=user_id, cause="ended-by-administrator")
        note(Event.USER_SESSIONS_ENDED, user_id=user_id, actor_id=self._actor_id)

    async def end_session(self, user_id: UUID, session_id: str) -> None:
        """Raises: `SessionNotFound` for one that has ended or is not theirs."""
        await self._sessions.end_own(
            user_id=user_id,
            session_id=session_id,
            cause="ended-by-administrator",
        )


def _administers(user: User) -> bool:
    return user.is_active and ADMIN in user.roles
