"""What service clients ask about tokens, and that they end the sessions of some."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from src.auth.key_ring import TokenRejected
from src.auth.oauth_errors import UnsupportedTokenType
from src.auth.refresh_tokens import RefreshTokens, from_milliseconds
from src.auth.schemas import Introspection
from src.auth.service_tokens import ServiceTokens
from src.auth.sessions import Sessions
from src.auth.store.sessions import SessionStore
from src.core.errors import InvalidToken
from src.core.identity import Authenticate

INACTIVE = Introspection(active=False)


class TokenInspection:
    """Of every kind of token that we accept. `require_active` is of users, by their ids."""

    def __init__(
        self,
        *,
        authenticate: Authenticate,
        require_active: Callable[[UUID], Awaitable[object]],
        refresh_tokens: RefreshTokens,
        store: SessionStore,
        sessions: Sessions,
        service_tokens: ServiceTokens | None,
    ) -> None:
        self._authenticate = authenticate
        self._require_active = require_active
        self._refresh_tokens = refresh_tokens
        self._store = store
        self._sessions = sessions
        self._service_tokens = service_tokens

    async def introspect(self, presented: str) -> Introspection:
        """What a token says if it would be accepted now; of any other only that it would not.

        Raises: `ServiceUnavailable` when that cannot be told. Source: RFC 7662 §2.2.
        """
        for look in (self._access_token, self._refresh_token, self._service_token):
            try:
                return await look(presented)
            except (TokenRejected, InvalidToken):
                continue  # none of this kind, or one that has ended
        return INACTIVE

    async def revoke(self, presented: str) -> None:
        """End the session of an access or a refresh token; a token that is none names none.

        Raises: `UnsupportedTokenType`, `ServiceUnavailable`. Source: RFC 7009 §2.
        """
        if await self._sessions.revoke(presented):
            return
        try:
            await self._service_token(presented)
        except TokenRejected:
            return
        raise UnsupportedTokenType

    async def _access_token(self, presented: str) -> Introspection:
        identity = await self._authenticate(presented)
        return Introspection(
            active=True,
            type="access",
            sub=str(identity.user_id),
            sid=identity.session_id,
            roles=list(identity.roles),
            iat=int(identity.issued_at.timestamp()),
            exp=int(identity.expires_at.timestamp()),
        )

    async def _refresh_token(self, presented: str) -> Introspection:
        """Its `exp` is when the session ends unless it is refreshed."""
        parsed = self._refresh_tokens.parse(presented)
        await self._require_active(parsed.link.user_id)
        rotation = await self._store.look_at(parsed)
        if not rotation.granted:
            raise TokenRejected(rotation.verdict)
        return Introspection(
            active=True,
            type="refresh",
            sub=str(parsed.link.user_id),
            sid=parsed.link.session_id,
            exp=int(from_milliseconds(rotation.expires_at_ms).timestamp()),
        )

    async def _service_token(self, presented: str) -> Introspection:
        if self._service_tokens is None:
            raise TokenRejected("there are no service tokens here")
        claims = self._service_tokens.verify(presented)
        return Introspection(
            active=True,
            type="service",
            client_id=claims.client_id,
            customer_id=claims.customer_id,
            iat=int(claims.issued_at.timestamp()) if claims.issued_at else None,
            exp=int(claims.expires_at.timestamp()),
        )
