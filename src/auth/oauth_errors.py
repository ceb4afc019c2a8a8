"""What the endpoints for service clients refuse with: the error codes of OAuth 2.0.

No problems: clients are written to RFC 6749 §5.2. See docs/adr/0007-oauth-errors.md.
"""

from typing import ClassVar


class OAuthRefusal(Exception):  # noqa: N818 - a verdict, not a fault
    """A refusal by its `error` code. Subclasses set the class variables.

    `cause` is for logs only and never leaves the process.
    """

    error: ClassVar[str]
    description: ClassVar[str]
    status: ClassVar[int] = 400
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, *, cause: str | None = None) -> None:
        super().__init__(self.description)
        self.cause = cause


class InvalidOAuthRequest(OAuthRefusal):
    error = "invalid_request"
    description = "A parameter is missing, repeated or malformed, or there are two client secrets."


class InvalidClient(OAuthRefusal):
    """Source of the header: RFC 6749 §5.2."""

    error = "invalid_client"
    description = "The client is unknown or disabled, or its secret is missing or wrong."
    status = 401
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Basic realm="latchkey"'}


class UnauthorizedClient(OAuthRefusal):
    error = "unauthorized_client"
    description = "This client was not registered for this."


class UnsupportedGrantType(OAuthRefusal):
    error = "unsupported_grant_type"
    description = "Only client_credentials is accepted here."


class InvalidScope(OAuthRefusal):
    error = "invalid_scope"
    description = "There are no scopes here: leave the parameter out."


class UnsupportedTokenType(OAuthRefusal):
    """Source: RFC 7009 §2.2.1."""

    error = "unsupported_token_type"
    description = "Service tokens cannot be revoked: they expire within minutes."
