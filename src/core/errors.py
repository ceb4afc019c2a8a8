"""Problems: what a request can fail with, named once and rendered in one place (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

MAX_POINTER_CHARACTERS: Final = 64  # names come from the client: an answer stays small


@dataclass(frozen=True, slots=True)
class FieldError:
    """One member of the request that is wrong; `pointer` is a JSON pointer (RFC 6901)."""

    pointer: str
    detail: str


def json_pointer(parts: Sequence[str | int]) -> str:
    """`("session", 0)` → `/session/0` (RFC 6901), in printable ASCII and cut to its limit."""
    text = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return text[:MAX_POINTER_CHARACTERS].encode("unicode_escape").decode()[:MAX_POINTER_CHARACTERS]


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A failure with a stable name. Subclasses set the class variables.

    `cause` is for logs only and never leaves the process.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    detail: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self,
        *errors: FieldError,
        cause: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(self.detail)
        self.errors = errors
        self.cause = cause
        self.all_headers = {**self.headers, **(headers or {})}


class BadRequest(Problem):
    slug = "bad-request"
    title = "Bad request"
    status = 400
    detail = "Send well-formed HTTP: one Host, Content-Type and Content-Length at most once."


class CrossOriginRefused(Problem):
    slug = "cross-origin-refused"
    title = "Cross-origin request refused"
    status = 400
    detail = "This origin, method or header is not allowed here. CORS_ORIGINS lists the origins."
    headers: ClassVar[Mapping[str, str]] = {"Vary": "Origin"}


class MalformedBody(Problem):
    slug = "malformed-body"
    title = "Malformed body"
    status = 400
    detail = "The body cannot be read: send one well-formed JSON document in UTF-8."


class AuthenticationRequired(Problem):
    slug = "authentication-required"
    title = "Authentication required"
    status = 401
    detail = "Unauthorized - Invalid or missing token"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": "Bearer"}


class InvalidToken(Problem):
    slug = "invalid-token"
    title = "Invalid token"
    status = 401
    detail = "Unauthorized - Invalid or missing token"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class NotFound(Problem):
    slug = "not-found"
    title = "Not found"
    status = 404
    detail = "There is nothing at this address."


class MethodNotAllowed(Problem):
    slug = "method-not-allowed"
    title = "Method not allowed"
    status = 405
    detail = "This address does not take that method; Allow names those it takes."


class RequestTimeout(Problem):
    slug = "request-timeout"
    title = "Request timeout"
    status = 408
    detail = "The body did not arrive in time. Send it at once."


class PayloadTooLarge(Problem):
    slug = "payload-too-large"
    title = "Payload too large"
    status = 413
    detail = "The body is larger than 256 KiB."


class UnsupportedMediaType(Problem):
    slug = "unsupported-media-type"
    title = "Unsupported media type"
    status = 415
    detail = "Send the body as application/json in UTF-8, with that Content-Type."


class InvalidRequest(Problem):
    slug = "invalid-request"
    title = "Invalid request"
    status = 422
    detail = "Some members of the request are not acceptable; `errors` names them."


class LimitReached(Problem):
    slug = "too-many-requests"
    title = "Too many requests"
    status = 429
    detail = "You did this too often. Try again after as many seconds as Retry-After says."
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class HeaderTooLarge(Problem):
    slug = "header-too-large"
    title = "Header too large"
    status = 431
    detail = "The request's headers are too many or too large."


class InternalError(Problem):
    slug = "internal-error"
    title = "Internal error"
    status = 500
    detail = "Something went wrong on our side. Quote the request id when you report it."


class ServiceUnavailable(Problem):
    slug = "service-unavailable"
    title = "Service unavailable"
    status = 503
    detail = "A part of the service does not answer at the moment. Try again shortly."
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "1"}


class NotConfigured(Problem):
    slug = "not-configured"
    title = "Not configured"
    status = 503
    detail = "This part of the service is switched off: its settings are missing."
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "300"}
