"""Sessions: open, refresh, end. Rules in docs/adr/0002-rotation-and-grace.md."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.access_tokens import AccessTokens
from src.auth.errors import InvalidRefreshToken, RefreshTokenReused
from src.auth.key_ring import SigningKey, TokenRejected
from src.auth.models import User
from src.auth.refresh_tokens import (
    Link,
    PresentedRefreshToken,
    RefreshTokens,
    first_link,
    from_milliseconds,
    idempotency_key_hash,
)
from src.auth.schemas import Profile, TokenResponse
from src.auth.store import users
from src.auth.store.sessions import SessionStore, Verdict
from src.core.clock import Clock
from src.core.errors import InvalidToken
from src.core.logging import log_event


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Where a request comes from, as a person would recognise it."""

    device: str
    address: str


@dataclass(frozen=True, slots=True)
class LogoutCredential:
    """One of the two: what names the session to end."""

    refresh_token: str | None = None
    access_token: str | None = None


class Sessions:
    """Opens, continues and ends sessions. Methods raise `ServiceUnavailable` when Redis is away."""

    def __init__(
        self,
        *,
        store: SessionStore,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        clock: Clock,
    ) -> None:
        self._store = store
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._clock = clock

    async def open(self, user: User, client: ClientInfo) -> TokenResponse:
        """A new session of a user who has just proved who they are."""
        link = first_link(user_id=user.id)
        opened = await self._store.issue(
            user_id=user.id,
            session_id=link.session_id,
            jti_hash=link.jti_hash,
            device=client.device,
            address=client.address,
        )
        for session_id in opened.ended_by_cap:
            log_event("session-ended", cause="cap", user_id=str(user.id), session_id=session_id)
        return self._grant(
            user,
            link,
            key=self._refresh_tokens.active_key,
            issued_at=from_milliseconds(opened.issued_at_ms),
            expires_at=from_milliseconds(opened.expires_at_ms),
        )

    async def refresh(
        self,
        db: AsyncSession,
        presented: str,
        *,
        idempotency_key: str | None,
    ) -> TokenResponse:
        """Exchange a refresh token for its successor (RFC 6749 §6, RFC 9700 §4.14.2).

        The user is loaded first: a failing database never burns a token.
        Raises: `InvalidRefreshToken`, `RefreshTokenReused`.
        """
        parsed = self._parse(presented)
        user = await users.by_id(db, parsed.link.user_id)
        if user is None or not user.is_active:
            raise InvalidRefreshToken(cause="user is unknown or disabled")
        # Hands the connection back: while Redis is frozen, refreshes must not hold what every
        # other route needs.
        await db.commit()
        rotation = await self._store.rotate(
            parsed,
            key_hash=idempotency_key_hash(idempotency_key) if idempotency_key else "",
        )
        if not rotation.granted:
            _log_refusal(parsed.link, rotation.verdict)
            if rotation.verdict is Verdict.REUSE:
                raise RefreshTokenReused(cause=rotation.verdict)
            raise InvalidRefreshToken(cause=rotation.verdict)
        return self._grant(
            user,
            parsed.successor,
            key=parsed.key,
            issued_at=from_milliseconds(rotation.issued_at_ms),
            expires_at=from_milliseconds(rotation.expires_at_ms),
        )

    async def end(self, *, user_id: UUID, session_id: str) -> None:
        """Log out of one session; ending it twice is no error."""
        if await self._store.end(user_id=user_id, session_id=session_id):
            log_event("session-ended", cause="logout", user_id=str(user_id), session_id=session_id)

    async def log_out(self, credential: LogoutCredential) -> None:
        """End the credential's session. Raises: `InvalidToken` for an access token that is none."""
        if credential.refresh_token is not None:
            await self.end_by_refresh_token(credential.refresh_token)
            return
        try:
            claims = self._access_tokens.verify(credential.access_token or "")
        except TokenRejected as verdict:
            raise InvalidToken(cause=str(verdict)) from verdict
        await self.end(user_id=claims.user_id, session_id=claims.session_id)

    async def end_by_refresh_token(self, presented: str) -> None:
        """Log out of a refresh token's session: of any generation, even an expired one.

        What is no token of ours names no session, so there is nothing to end.
        """
        try:
            link = self._refresh_tokens.parse(presented, allow_expired=True).link
        except TokenRejected:
            return
        await self.end(user_id=link.user_id, session_id=link.session_id)

    async def end_all(self, *, user_id: UUID, cause: str) -> None:
        await self._store.end_all(user_id=user_id)
        log_event("sessions-ended", cause=cause, user_id=str(user_id))

    def _parse(self, presented: str) -> PresentedRefreshToken:
        try:
            return self._refresh_tokens.parse(presented)
        except TokenRejected as verdict:
            raise InvalidRefreshToken(cause=str(verdict)) from verdict

    def _grant(
        self,
        user: User,
        link: Link,
        *,
        key: SigningKey,
        issued_at: datetime,
        expires_at: datetime,
    ) -> TokenResponse:
        access_token = self._access_tokens.mint(
            user_id=user.id,
            session_id=link.session_id,
            roles=user.roles,
            not_after=expires_at,
        )
        refresh_token = self._refresh_tokens.encode(
            link,
            key=key,
            issued_at=issued_at,
            expires_at=expires_at,
        )
        remaining = int(expires_at.timestamp()) - int(self._clock().timestamp())
        return TokenResponse(
            access_token=access_token.text,
            refresh_token=refresh_token,
            expires_in=access_token.expires_in,
            refresh_expires_in=max(0, remaining),
            user=Profile.model_validate(user),
        )


def _log_refusal(link: Link, verdict: Verdict) -> None:
    """AHEAD hints at a Redis that was rolled back, FORGED at a leaked signing key."""
    log_event(
        "refresh-refused",
        cause=verdict,
        user_id=str(link.user_id),
        session_id=link.session_id,
        generation=link.generation,
    )
