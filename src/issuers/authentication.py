"""The `Authenticate` port for our own tokens and those of trusted issuers."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from src.core.errors import InvalidToken
from src.core.identity import Authenticate, Identity
from src.issuers.compact import TokenRefused
from src.issuers.trusted import TrustedIssuers, TrustedToken
from src.issuers.users import ExternalUsers


class ExternalAuthentication:
    """Decides once, by the token's header, whose token it is; what then fails has failed.

    `is_ours` tells whether one of our own keys writes this header. `require_active` raises
    `InvalidToken` for a user who is unknown or disabled.
    """

    def __init__(
        self,
        own: Authenticate,
        *,
        is_ours: Callable[[str], bool],
        issuers: TrustedIssuers,
        users: ExternalUsers,
        require_active: Callable[[UUID], Awaitable[object]],
    ) -> None:
        self._own = own
        self._is_ours = is_ours
        self._issuers = issuers
        self._users = users
        self._require_active = require_active

    async def __call__(self, access_token: str) -> Identity:
        """Somebody from elsewhere has no roles here.

        Raises: `InvalidToken`, `KeysUnreachable`, `ServiceUnavailable`.
        """
        if self._is_ours(access_token):
            return await self._own(access_token)
        token = await self._verified(access_token)
        return Identity(
            user_id=await self._active_user(token),
            session_id=f"issuer:{token.issuer}",  # the colon: no session of ours has this id
            roles=(),
            issued_at=token.about.issued_at,
            expires_at=token.about.expires_at,
        )

    async def _verified(self, access_token: str) -> TrustedToken:
        try:
            token = await self._issuers.verify(access_token)
        except TokenRefused as verdict:
            raise InvalidToken(cause=str(verdict)) from verdict
        if token.allows != "user":
            raise InvalidToken(cause="its issuer may speak for services alone")
        return token

    async def _active_user(self, token: TrustedToken) -> UUID:
        identity = (token.issuer, token.about.subject)
        user_id = await self._users.user_of(*identity)
        try:
            await self._require_active(user_id)
        except InvalidToken:
            self._users.forget(*identity)  # the user may have been deleted: then a new one comes
            raise
        return user_id
