"""Whom a token of a Better Auth server speaks for, by the server's own tables."""

from src.issuers.better_auth_models import (
    ActiveSession,
    BetterAuthIdentity,
    BetterAuthUser,
    BetterAuthUserNotFound,
    InvalidBetterAuthToken,
    Method,
    NoActiveSessions,
)

__all__ = [
    "ActiveSession",
    "BetterAuth",
    "BetterAuthIdentity",
    "BetterAuthUser",
    "BetterAuthUserNotFound",
    "InvalidBetterAuthToken",
    "Method",
    "NoActiveSessions",
]


class BetterAuth:
    """Resolves bearer tokens: session tokens raw, signed or percent-encoded, and JWTs."""

    async def resolve(self, token: str) -> BetterAuthIdentity:
        """The identity behind a token; nothing is remembered from one call to the next.

        Raises: `InvalidBetterAuthToken`; `BetterAuthUserNotFound` and `NoActiveSessions` for a JWT
        that is good by itself; `ServiceUnavailable` when that cannot be told.
        """
        raise NotImplementedError

    async def still_accepts(self, identity: BetterAuthIdentity) -> bool:
        """Whether somebody who was resolved a while ago is signed in still.

        With `identity.session` it is that session that counts, else any session of the user.
        Raises: `ServiceUnavailable`.
        """
        raise NotImplementedError
