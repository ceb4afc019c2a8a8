"""Accounts: sign up, profile, change of password."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.audit import Event, note
from src.auth.emails import Email, parse_email
from src.auth.errors import EmailTaken, UsernameTaken, WrongPassword
from src.auth.limits import Attempts
from src.auth.models import User
from src.auth.password_policy import require_strong
from src.auth.passwords import PasswordHasher
from src.auth.schemas import PasswordChange, ProfileChange, SignupRequest, TokenResponse
from src.auth.sessions import ClientInfo, Sessions
from src.auth.store import users
from src.core.errors import InvalidToken


async def create_user(
    db: AsyncSession,
    hasher: PasswordHasher,
    *,
    minimum_length: int,
    email: str,
    password: str,
    username: str | None = None,
    roles: Sequence[str] = ("user",),
) -> User:
    """Add a user to the unit of work; the caller commits.

    Raises: ValueError for what is no e-mail, `WeakPassword`, `EmailTaken`, `UsernameTaken`.
    """
    address = parse_email(email)
    require_strong(
        password,
        minimum=minimum_length,
        email=address.key,
        username=username,
        pointer="/password",
    )
    if await users.by_email_key(db, address.key):
        raise EmailTaken
    await db.commit()  # hands the connection back while the password is hashed
    password_hash = await hasher.hash(password)
    user = User(
        email=address.display,
        email_key=address.key,
        username=username,
        username_key=_username_key(username),
        password_hash=password_hash,
        roles=list(roles),
    )
    db.add(user)
    await _flush_unique(db, address)
    return user


class Accounts:
    """What people do with their own account."""

    def __init__(
        self,
        db: AsyncSession,
        *,
        hasher: PasswordHasher,
        sessions: Sessions,
        attempts: Attempts,
        minimum_length: int,
    ) -> None:
        self._db = db
        self._hasher = hasher
        self._sessions = sessions
        self._attempts = attempts
        self._minimum_length = minimum_length

    async def sign_up(self, request: SignupRequest, client: ClientInfo) -> TokenResponse:
        """A new account with its first session. Nothing is kept when Redis or SQL fails.

        Raises: `WeakPassword`, `EmailTaken`, `UsernameTaken`, `TooManyRequests`.
        """
        async with self._attempts.sign_up():
            user = await create_user(
                self._db,
                self._hasher,
                minimum_length=self._minimum_length,
                email=request.email,
                password=request.password,
                username=request.username,
            )
            # Before the commit: when Redis is away, the account is not there either.
            opened = await self._sessions.open(user, client)
            await self._db.commit()
        note(
            Event.SIGNED_UP,
            user_id=user.id,
            actor_id=user.id,
            session_id=opened.id,
        )
        return opened.tokens

    async def profile(self, user_id: UUID) -> User:
        """Raises: `InvalidToken` when the account is gone or disabled."""
        user = await users.by_id(self._db, user_id)
        if user is None or not user.is_active:
            raise InvalidToken(cause="user is unknown or disabled")
        return user

    async def change_profile(self, user_id: UUID, change: ProfileChange) -> User:
        """Raises: `UsernameTaken`."""
        user = await self.profile(user_id)
        if "username" in change.model_fields_set:
            user.username = change.username
            user.username_key = _username_key(change.username)
            self._db.add(user)
            await _flush_unique(self._db, None)
            await self._db.commit()
            await self._sessions.tell_changed(user_id)
        return user

    async def change_password(
        self,
        user_id: UUID,
        change: PasswordChange,
        client: ClientInfo,
    ) -> TokenResponse:
        """Set a new password, end every session and open a fresh one.

        Raises: `WrongPassword`, `WeakPassword`, `TooManyRequests`.
        """
        user = await self.profile(user_id)
        verified_hash = user.password_hash
        await self._db.commit()  # hands the connection back while passwords are hashed
        await self._require_password(user, change.current_password)
        new_hash = await self._hash_new_password(user, change.new_password)
        # The row stays locked until the commit: a log-in that verified the old password waits here
        # and then finds the hash changed; one that came first is ended by end_all.
        if not await users.replace_password_hash(
            self._db,
            user_id,
            verified_hash=verified_hash,
            new_hash=new_hash,
        ):
            raise WrongPassword(cause="the password changed in the meantime")
        await self._db.refresh(user)  # the roles may have changed while passwords were hashed
        await self._sessions.end_all(user_id=user_id, cause="password-change")
        opened = await self._sessions.open(user, client)
        await self._db.commit()
        note(
            Event.PASSWORD_CHANGED,
            user_id=user_id,
            actor_id=user_id,
            session_id=opened.id,
        )
        return opened.tokens

    async def _require_password(self, user: User, password: str) -> None:
        async with self._attempts.guess(user.email_key):
            if not await self._hasher.verify(password, user.password_hash):
                note(Event.PASSWORD_REFUSED, user_id=user.id)
                raise WrongPassword

    async def _hash_new_password(self, user: User, password: str) -> str:
        require_strong(
            password,
            minimum=self._minimum_length,
            email=user.email_key,
            username=user.username,
            pointer="/new_password",
        )
        return await self._hasher.hash(password)


def _username_key(username: str | None) -> str | None:
    return username.lower() if username else None


async def _flush_unique(db: AsyncSession, email: Email | None) -> None:
    """Raises: `EmailTaken` or `UsernameTaken` as the unique indexes decide."""
    try:
        await db.flush()
    except IntegrityError as error:
        await db.rollback()
        if email and await users.by_email_key(db, email.key):
            raise EmailTaken from error
        raise UsernameTaken from error
