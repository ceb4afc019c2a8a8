"""Sessions: open, refresh, end. Rules in docs/adr/0002-rotation-and-grace.md."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from src.auth.access_tokens import AccessTokens
from src.auth.errors import InvalidRefreshToken, RefreshTokenReused, SessionNotFound
from src.auth.key_ring import SigningKey, TokenRejected
from src.auth.known_users import KnownUsers
from src.auth.logouts import LogoutCredential, LogoutScope
from src.auth.models import User
from src.auth.refresh_tokens import (
    Link,
    PresentedRefreshToken,
    RefreshTokens,
    first_link,
    from_milliseconds,
    idempotency_key_hash,
)
from src.auth.revocations import RevocationFeed
from src.auth.schemas import Profile, SessionView, TokenResponse
from src.auth.session_history import note_ended, note_refusal
from src.auth.store.sessions import CAP, LiveSession, SessionStore, Verdict
from src.core.clock import Clock
from src.core.errors import InvalidToken
from src.core.metrics import metrics

REVOKED: Final = "revoked-by-client"


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Where a request comes from, as a person would recognise it."""

    device: str
    address: str


class OpenedSession(NamedTuple):
    """A session that begins, and what its owner gets."""

    id: str
    tokens: TokenResponse


class Sessions:
    """Opens, continues and ends sessions. Methods raise `ServiceUnavailable` when Redis is away."""

    def __init__(
        self,
        *,
        store: SessionStore,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        feed: RevocationFeed,
        known_users: KnownUsers,
        clock: Clock,
    ) -> None:
        self._store = store
        self._feed = feed
        self._known_users = known_users
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._clock = clock

    async def open(self, user: User, client: ClientInfo) -> OpenedSession:
        """A new session of a user who has just proved who they are."""
        link = first_link(user_id=user.id)
        opened = await self._store.issue(
            user_id=user.id,
            session_id=link.session_id,
            jti_hash=link.jti_hash,
            device=client.device,
            address=client.address,
        )
        await self._tell_of(opened.ended_by_cap, user_id=user.id, cause=CAP)
        tokens = self._grant(
            user,
            link,
            key=self._refresh_tokens.active_key,
            issued_at=from_milliseconds(opened.issued_at_ms),
            expires_at=from_milliseconds(opened.expires_at_ms),
        )
        return OpenedSession(link.session_id, tokens)

    async def refresh(self, presented: str, *, idempotency_key: str | None) -> TokenResponse:
        """Exchange a refresh token for its successor (RFC 6749 §6, RFC 9700 §4.14.2).

        The user is loaded first: a failing database never burns a token.
        Raises: `InvalidRefreshToken`, `RefreshTokenReused`.
        """
        try:
            verdict, response = await self._exchange(presented, idempotency_key)
        except Exception as error:
            metrics().refreshed(_refused_as(error))
            raise
        metrics().refreshed(verdict.lower())
        return response

    async def _exchange(
        self, presented: str, idempotency_key: str | None
    ) -> tuple[Verdict, TokenResponse]:
        parsed = self._parse(presented)
        try:
            user = await self._known_users.require(parsed.link.user_id)
        except InvalidToken as verdict:
            raise InvalidRefreshToken(cause=verdict.cause) from verdict
        rotation = await self._store.rotate(
            parsed,
            key_hash=idempotency_key_hash(idempotency_key) if idempotency_key else "",
        )
        if not rotation.granted:
            untold = self._feed.untold([parsed.link.session_id])
            note_refusal(parsed.link, rotation.verdict, is_news=bool(untold))
            if rotation.verdict.ended_a_live_session:
                await self._feed.publish(untold)
            if rotation.verdict is Verdict.REUSE:
                raise RefreshTokenReused(cause=rotation.verdict)
            raise InvalidRefreshToken(cause=rotation.verdict)
        return rotation.verdict, self._grant(
            user,
            parsed.successor,
            key=parsed.key,
            issued_at=from_milliseconds(rotation.issued_at_ms),
            expires_at=from_milliseconds(rotation.expires_at_ms),
        )

    async def list_live(self, *, user_id: UUID, current: str | None = None) -> list[SessionView]:
        """A user's sessions, the most recently used first; `current` is the caller's own."""
        live = await self._store.live(user_id=user_id)
        return [_view(session, current=session.session_id == current) for session in live]

    async def gone(self, session_ids: Sequence[str], *, user_id: UUID) -> list[str]:
        """Those of a user's sessions that are not alive."""
        live = await self._store.live_ids(user_id=user_id, at=self._clock())
        return [session_id for session_id in session_ids if session_id not in live]

    async def end(self, *, user_id: UUID, session_id: str, cause: str) -> None:
        """End one session, if it lives. Its access tokens are refused in any case."""
        if await self._store.end(user_id=user_id, session_id=session_id):
            await self._tell_of([session_id], user_id=user_id, cause=cause)
        else:
            await self._feed.publish(self._feed.untold([session_id]))

    async def end_own(
        self,
        *,
        user_id: UUID,
        session_id: str,
        cause: str = "ended-by-owner",
    ) -> None:
        """End one of the user's own sessions by its id. Raises: `SessionNotFound`."""
        ended = await self._store.end(user_id=user_id, session_id=session_id)
        if not (ended and await self._tell_of([session_id], user_id=user_id, cause=cause)):
            raise SessionNotFound

    async def log_out(self, credential: LogoutCredential) -> None:
        """End the credential's session, all others of its user, or all of them.

        A refresh token of any generation will do, even an expired one; what is no token of ours
        names no session, so there is nothing to end. Beyond its own session a credential ends
        others only while its session lives: an old stolen token logs nobody out.
        Raises: `InvalidToken` for an access token that is none.
        """
        named = self._named_session(credential)
        if named is None:
            return
        user_id, session_id = named
        scope = credential.scope
        if scope is LogoutScope.LOCAL:
            await self.end(user_id=user_id, session_id=session_id, cause="logout")
            return
        keep = session_id if scope is LogoutScope.OTHERS else ""
        cause = f"logout-{scope}"
        ended = await self._store.end_all(
            user_id=user_id,
            cause=cause,
            only_if_alive=session_id,
            keep=keep,
        )
        await self._tell_of(ended, user_id=user_id, cause=cause)

    async def revoke(self, presented: str, *, cause: str = REVOKED) -> bool:
        """End the session that an access or a refresh token names; False for any other text."""
        credentials = (
            LogoutCredential(refresh_token=presented),
            LogoutCredential(access_token=presented),
        )
        for credential in credentials:
            with suppress(InvalidToken):
                named = self._named_session(credential)
                if named is not None:
                    user_id, session_id = named
                    await self.end(user_id=user_id, session_id=session_id, cause=cause)
                    return True
        return False

    async def end_all(self, *, user_id: UUID, cause: str) -> None:
        """End every session of a user and refuse all tokens issued until now."""
        ended = await self._store.end_all(user_id=user_id, cause=cause)
        await self._tell_of(ended, user_id=user_id, cause=cause, refuse_all=True)

    async def tell_changed(self, user_id: UUID) -> None:
        """A user's profile was changed, and that is committed: no worker goes by the old one."""
        await self._feed.publish_change(user_id)

    async def _tell_of(
        self,
        ended: Sequence[str],
        *,
        user_id: UUID,
        cause: str,
        refuse_all: bool = False,
    ) -> bool:
        """Tell the history and the workers of sessions that ended; whether there was news.

        The store names them again for a while, as its answer may get lost. The history comes first:
        it is written even if what follows fails, and the next attempt makes up for the rest.
        """
        untold = self._feed.untold(ended)
        note_ended(untold, user_id=user_id, cause=cause)
        await self._feed.publish(untold, user_id=user_id if refuse_all else None)
        return bool(untold)

    def _named_session(self, credential: LogoutCredential) -> tuple[UUID, str] | None:
        if credential.refresh_token is not None:
            try:
                link = self._refresh_tokens.parse(credential.refresh_token, allow_expired=True).link
            except TokenRejected:
                return None
            return link.user_id, link.session_id
        try:
            claims = self._access_tokens.verify(credential.access_token or "")
        except TokenRejected as verdict:
            raise InvalidToken(cause=str(verdict)) from verdict
        return claims.user_id, claims.session_id

    def _parse(self, presented: str) -> PresentedRefreshToken:
        try:
            return self._refresh_tokens.parse(presented)
        except TokenRejected as verdict:
            raise InvalidRefreshToken(cause=str(verdict)) from verdict

    def _grant(
        self,
        user: User | Profile,
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
            user=user if isinstance(user, Profile) else Profile.model_validate(user),
        )


def _refused_as(error: Exception) -> str:
    """In one word: the verdict, "invalid" for what is no token, "unavailable" for all else."""
    if not isinstance(error, InvalidRefreshToken | RefreshTokenReused):
        return "unavailable"
    return error.cause.lower() if isinstance(error.cause, Verdict) else "invalid"


def _view(session: LiveSession, *, current: bool) -> SessionView:
    return SessionView(
        id=session.session_id,
        created_at=from_milliseconds(session.logged_in_at_ms),
        last_used_at=from_milliseconds(session.last_used_at_ms),
        expires_at=from_milliseconds(session.expires_at_ms),
        ip=session.address,
        device=session.device,
        current=current,
    )
