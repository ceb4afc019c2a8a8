"""Whom a token of a Better Auth server speaks for, by the server's own tables."""

import hashlib
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from src.core.clock import Clock
from src.core.errors import Problem
from src.core.logging import log_event
from src.core.secret_strength import weakness_of
from src.core.settings import Settings
from src.issuers.better_auth_models import (
    ActiveSession,
    BetterAuthIdentity,
    BetterAuthUser,
    BetterAuthUserNotFound,
    InvalidBetterAuthToken,
    Method,
    NoActiveSessions,
)
from src.issuers.better_auth_store import (
    BetterAuthStore,
    Found,
    Reader,
    build_reading_engine,
)
from src.issuers.better_auth_tokens import BetterAuthTokens, Named, Rules
from src.issuers.compact import TokenRefused
from src.issuers.jwks import JwksClient, check_jwks_url
from src.issuers.keys import PublishedKeys

__all__ = [
    "ActiveSession",
    "BetterAuth",
    "BetterAuthIdentity",
    "BetterAuthUser",
    "BetterAuthUserNotFound",
    "InvalidBetterAuthToken",
    "Method",
    "NoActiveSessions",
    "trusting_better_auth",
]

JWKS_PATH: Final = "/api/auth/jwks"
DIGEST_CHARACTERS: Final = 12  # of a token's SHA-256: enough to find two attempts with one token
FIRST_SERVER_STATUS: Final = 500


class BetterAuth:
    """Resolves bearer tokens: session tokens raw, signed or percent-encoded, and JWTs."""

    def __init__(self, tokens: BetterAuthTokens, store: BetterAuthStore, *, clock: Clock) -> None:
        self._tokens = tokens
        self._store = store
        self._clock = clock

    async def resolve(self, token: str) -> BetterAuthIdentity:
        """The identity behind a token; nothing is remembered from one call to the next.

        Raises: `InvalidBetterAuthToken`; `BetterAuthUserNotFound` and `NoActiveSessions` for a JWT
        that is good by itself; `ServiceUnavailable` when that cannot be told.
        """
        with _logged(token) as attempt:
            named = await self._tokens.read(token)
            attempt.method = named.method
            async with self._store.reading() as reader:
                if named.by == "session token":
                    return await self._by_session(reader, named, attempt)
                return await self._by_user(reader, named, attempt)

    async def still_accepts(self, identity: BetterAuthIdentity) -> bool:
        """Whether somebody who was resolved a while ago is signed in still.

        With `identity.session` it is that session that counts, else any session of the user.
        Raises: `ServiceUnavailable`.
        """
        async with self._store.reading() as reader:
            if identity.session is None:
                return bool(self._active(await reader.by_user_id(identity.user.id)))
            found = await reader.by_session_id(identity.session.id)
            return found is not None and bool(self._active([found]))

    async def _by_session(
        self, reader: Reader, named: Named, attempt: "_Attempt"
    ) -> BetterAuthIdentity:
        """A token whose session is over is refused, whatever other sessions its user has."""
        found = await reader.by_session_token(named.value)
        if found is None or not self._active([found]):
            raise TokenRefused("its session is unknown or over")
        if found.user is None:
            raise BetterAuthUserNotFound(cause="session without its user")
        attempt.user_id = found.user.id
        sessions = self._active(await reader.by_user_id(found.user.id))
        if not sessions:
            raise TokenRefused("its session ended just now")
        return BetterAuthIdentity(found.user, sessions, found.session, named.method)

    async def _by_user(
        self, reader: Reader, named: Named, attempt: "_Attempt"
    ) -> BetterAuthIdentity:
        by_id = named.by == "user id"
        rows = await (reader.by_user_id if by_id else reader.by_email)(named.value)
        if not rows or rows[0].user is None:
            raise BetterAuthUserNotFound(cause=f"no user has this {named.by}")
        user = rows[0].user
        attempt.user_id = user.id
        sessions = self._active(rows)
        if not sessions:
            raise NoActiveSessions(cause="every session is over")
        return BetterAuthIdentity(user, sessions, None, named.method)

    def _active(self, rows: Iterable[Found]) -> Sequence[ActiveSession]:
        now = self._clock()
        return tuple(row.session for row in rows if row.session and row.session.expires_at > now)


@asynccontextmanager
async def trusting_better_auth(
    settings: Settings, engine: AsyncEngine, clock: Clock
) -> AsyncIterator[BetterAuth | None]:
    """Better Auth as the settings describe it, None without any of its keys.

    `engine` is that of DATABASE_URL, which is shared when Better Auth's tables are there.
    """
    secret, jwks_url = settings.BETTER_AUTH_SECRET, _jwks_url(settings)
    if secret is None and settings.BETTER_AUTH_JWKS_URL is None:
        yield None
        return
    if secret is not None:
        _warn_of_weakness(secret.get_secret_value())
    rules = Rules(
        secret=secret.get_secret_value().encode() if secret else None,
        issuer=settings.BETTER_AUTH_ISSUER,
        audience=settings.BETTER_AUTH_AUDIENCE,
        require_sub=settings.BETTER_AUTH_REQUIRE_SUB,
    )
    async with AsyncExitStack() as stack:
        keys = PublishedKeys(JwksClient(jwks_url)) if jwks_url else None
        if keys:
            stack.push_async_callback(keys.aclose)
        database_url = settings.BETTER_AUTH_DATABASE_URL
        if database_url and database_url != settings.DATABASE_URL:
            engine = build_reading_engine(database_url)
            stack.push_async_callback(engine.dispose)
        tokens = BetterAuthTokens(rules, keys=keys, clock=clock)
        yield BetterAuth(tokens, BetterAuthStore(engine), clock=clock)


def _jwks_url(settings: Settings) -> str | None:
    """Where Better Auth publishes its keys; None when no safe address is known."""
    if settings.BETTER_AUTH_JWKS_URL or settings.BETTER_AUTH_ISSUER is None:
        return settings.BETTER_AUTH_JWKS_URL
    url = settings.BETTER_AUTH_ISSUER.rstrip("/") + JWKS_PATH
    try:
        check_jwks_url(url)
    except ValueError as error:  # session tokens and HS256 work without
        log_event(
            "better-auth-keys-not-fetched",
            level=logging.WARNING,
            reason=f"BETTER_AUTH_ISSUER {error}; or set BETTER_AUTH_JWKS_URL",
        )
        return None
    return url


def _warn_of_weakness(secret: str) -> None:
    """Better Auth's development servers have such secrets; in production the settings refuse."""
    weakness = weakness_of(secret)
    if weakness:
        log_event(
            "better-auth-secret-is-weak",
            level=logging.WARNING,
            reason=f"BETTER_AUTH_SECRET {weakness}",
        )


@dataclass(slots=True)
class _Attempt:
    """What the log says of one token, which it never contains."""

    token_sha256: str
    method: Method | None = None
    user_id: str | None = None

    def log(self, outcome: str, reason: str | None = None) -> None:
        log_event(
            "better-auth-identity",
            outcome=outcome,
            reason=reason,
            method=self.method,
            user_id=self.user_id,
            token_sha256=self.token_sha256,
        )


@contextmanager
def _logged(token: str) -> Iterator[_Attempt]:
    """Logs one attempt. Raises: `InvalidBetterAuthToken` for a `TokenRefused` of the block."""
    digest = hashlib.sha256(token.encode(errors="backslashreplace")).hexdigest()
    attempt = _Attempt(digest[:DIGEST_CHARACTERS])
    try:
        yield attempt
    except TokenRefused as verdict:
        attempt.log("refused", str(verdict))
        raise InvalidBetterAuthToken(cause=str(verdict)) from verdict
    except Problem as problem:
        outcome = "refused" if problem.status < FIRST_SERVER_STATUS else "unavailable"
        attempt.log(outcome, problem.cause)
        raise
    attempt.log("accepted")
