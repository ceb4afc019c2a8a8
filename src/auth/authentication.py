"""Log in, and tell whom an access token speaks for."""

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.access_tokens import AccessTokens
from src.auth.audit import Event, note
from src.auth.emails import parse_email
from src.auth.errors import InvalidCredentials
from src.auth.key_ring import TokenRejected
from src.auth.known_users import KnownUsers
from src.auth.limits import Attempts
from src.auth.logouts import LogoutCredential
from src.auth.models import User
from src.auth.passwords import PasswordHasher
from src.auth.revocations import Revocations
from src.auth.schemas import LoginRequest, TokenResponse
from src.auth.sessions import ClientInfo, Sessions
from src.auth.store import users
from src.core.clock import Clock
from src.core.errors import InvalidToken
from src.core.identity import Identity


class LogIn:
    """Checks a password and opens a session."""

    def __init__(
        self,
        db: AsyncSession,
        *,
        hasher: PasswordHasher,
        sessions: Sessions,
        attempts: Attempts,
        clock: Clock,
    ) -> None:
        self._db = db
        self._hasher = hasher
        self._sessions = sessions
        self._attempts = attempts
        self._clock = clock

    async def __call__(self, request: LoginRequest, client: ClientInfo) -> TokenResponse:
        """A session for who knows the password.

        Raises: `InvalidCredentials`, the same in bytes and time whatever was wrong;
        `TooManyRequests`, the same whether there is such an account or not.
        """
        email_key = _email_key(request.email)
        async with self._attempts.guess(email_key):
            user = await self._verified(email_key, request.password)
        new_hash = verified_hash = user.password_hash
        if self._hasher.needs_rehash(verified_hash):
            new_hash = await self._hasher.hash(request.password)
        opened = await self._sessions.open(user, client)
        # After the session is open: a change of password or roles or a disabling in between is seen
        # here, and one that comes later ends the session itself.
        if not await users.record_login(
            self._db,
            user.id,
            verified_hash=verified_hash,
            granted_roles=user.roles,
            new_hash=new_hash,
            at=self._clock(),
        ):
            await self._sessions.log_out(
                LogoutCredential(refresh_token=opened.tokens.refresh_token)
            )
            raise InvalidCredentials(cause="the account changed in the meantime")
        await self._db.commit()
        note(
            Event.LOGGED_IN,
            user_id=user.id,
            actor_id=user.id,
            session_id=opened.id,
        )
        return opened.tokens

    async def _verified(self, email_key: str, password: str) -> User:
        user = await users.by_email_key(self._db, email_key)
        await self._db.commit()  # hands the connection back while the password is checked
        verified_hash = user.password_hash if user and user.is_active else None
        matches = await self._hasher.verify(password, verified_hash)
        if not (user and verified_hash and matches):
            note(Event.LOGIN_FAILED, user_id=user.id if user else None)
            raise InvalidCredentials
        return user


def _email_key(email: str) -> str:
    """The normal form; for no address nobody's, asked for all the same so that it takes as long."""
    try:
        return parse_email(email).key
    except ValueError:
        return ""


class TokenAuthentication:
    """The `Authenticate` port for our own access tokens. No Redis call."""

    def __init__(
        self,
        access_tokens: AccessTokens,
        revocations: Revocations,
        known_users: KnownUsers,
    ) -> None:
        self._access_tokens = access_tokens
        self._revocations = revocations
        self._known_users = known_users

    async def __call__(self, access_token: str) -> Identity:
        """Raises: `InvalidToken`, `ServiceUnavailable`."""
        try:
            claims = self._access_tokens.verify(access_token)
        except TokenRejected as verdict:
            raise InvalidToken(cause=str(verdict)) from verdict
        if self._revocations.refuses(claims):
            raise InvalidToken(cause="revoked")
        await self._known_users.require(claims.user_id)
        return Identity(
            user_id=claims.user_id,
            session_id=claims.session_id,
            roles=claims.roles,
            issued_at=claims.issued_at,
            expires_at=claims.expires_at,
        )

    async def still_accepts(self, identity: Identity) -> bool:
        """The `StillSignedIn` port. Raises: `ServiceUnavailable`."""
        if self._revocations.refuses(identity):
            return False
        try:
            await self._known_users.require(identity.user_id)
        except InvalidToken:
            return False
        return True
