"""Bodies of requests and responses of the auth routes."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.config import JsonDict

from src.auth.emails import MAX_EMAIL_CHARACTERS, fold_email, parse_email
from src.core.cursors import Cursor

_USERNAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,31}")


def _checked_email(text: str) -> str:
    parse_email(text)
    return text


def _checked_username(text: str) -> str:
    if not _USERNAME.fullmatch(text):
        raise ValueError(
            "Use 3 to 32 of the letters A-Z and a-z, digits, dot, underscore and hyphen, "
            "the first a letter or a digit.",
        )
    return text


# What the document says of them; the checks have messages of their own.
_EMAIL_SCHEMA: Final[JsonDict] = {"format": "email", "maxLength": MAX_EMAIL_CHARACTERS}
_USERNAME_SCHEMA: Final[JsonDict] = {"pattern": f"^{_USERNAME.pattern}$"}

EmailText = Annotated[
    str,
    AfterValidator(_checked_email),
    Field(examples=["ada@example.com"], json_schema_extra=_EMAIL_SCHEMA),
]
UsernameText = Annotated[
    str,
    AfterValidator(_checked_username),
    Field(examples=["ada"], json_schema_extra=_USERNAME_SCHEMA),
]
# The beginning of an address, in any case; it comes out in the letters of the normal form.
EmailPrefix = Annotated[
    str,
    AfterValidator(lambda text: fold_email(text.strip(" \t"))),
    Field(json_schema_extra={"maxLength": MAX_EMAIL_CHARACTERS}),
]
PasswordText = Annotated[str, Field(examples=["correct horse battery staple"])]

RoleName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", examples=["admin"])]
RoleList = Annotated[
    list[RoleName],
    Field(max_length=10),
    AfterValidator(lambda roles: list(dict.fromkeys(roles))),
]


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


Timestamp = Annotated[
    datetime,
    PlainSerializer(_rfc3339, return_type=str),
    Field(examples=["2026-01-31T12:00:00Z"]),
]


# Of whole seconds, as tokens have them: pydantic writes these as they should be.
TokenTime = Annotated[datetime, Field(examples=["2026-01-31T12:00:00Z"])]


class RequestBody(BaseModel):
    """Unknown members are refused: nobody can send `role`, `id` or `user_id`."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class SignupRequest(RequestBody):
    email: EmailText
    password: PasswordText
    username: UsernameText | None = None


class LoginRequest(RequestBody):
    """Whatever is wrong with the values, the answer is the same 401."""

    email: Annotated[str, Field(examples=["ada@example.com"])]
    password: PasswordText


class RefreshRequest(RequestBody):
    """In body mode the token is required; in cookie mode it must not be there."""

    refresh_token: str | None = None


class LogoutRequest(RequestBody):
    refresh_token: str | None = None
    scope: Literal["local", "others", "global"] = "local"


class ProfileChange(RequestBody):
    """What a person may change of their profile; null removes the username."""

    username: UsernameText | None = None


class UserChange(RequestBody):
    """What administrators change of an account; what is absent or null stays."""

    roles: RoleList | None = None
    is_active: bool | None = None


class PasswordChange(RequestBody):
    current_password: PasswordText
    new_password: PasswordText


class Profile(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    username: str | None
    email_verified: bool
    roles: list[str]
    created_at: Timestamp


class AccountView(Profile):
    """An account as administrators see it."""

    is_active: bool
    last_login_at: Timestamp | None


class AccountList(BaseModel):
    """A page of accounts, the oldest first."""

    users: list[AccountView]
    next_cursor: Cursor | None


class TokenResponse(BaseModel):
    """Tokens of a session (RFC 6749 §5.1). Lifetimes are in seconds.

    In cookie mode `refresh_token` is null: it is in the cookie.
    """

    access_token: str
    refresh_token: str | None
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the type's name
    expires_in: int
    refresh_expires_in: int
    user: Profile


class ServiceTokenResponse(BaseModel):
    """A token of a service client (RFC 6749 §5.1); `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type's name
    expires_in: int


class Introspection(BaseModel):
    """What a token is worth now (RFC 7662 §2.2). Of one that is not active nothing else is said."""

    active: bool
    type: Literal["access", "refresh", "service"] | None = None
    sub: Annotated[str | None, Field(description="the user's id")] = None
    sid: Annotated[str | None, Field(description="the session's id")] = None
    roles: list[str] | None = None
    client_id: Annotated[str | None, Field(description="whose service token it is")] = None
    customer_id: str | None = None
    iat: Annotated[int | None, Field(description="seconds since the epoch, as `exp`")] = None
    exp: int | None = None


class SessionView(BaseModel):
    """A live session as its owner sees it."""

    id: str
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp
    ip: str
    device: str
    current: bool


class SessionList(BaseModel):
    sessions: list[SessionView]


class EventView(BaseModel):
    """What happened, as whom it concerns sees it."""

    model_config = ConfigDict(from_attributes=True)

    at: Timestamp
    event: Annotated[str, Field(examples=["session-ended"])]
    outcome: Literal["success", "refused"]
    cause: Annotated[str | None, Field(examples=["logout"])]
    session_id: str | None
    ip: Annotated[str, Field(validation_alias="address")]
    device: str


class EventList(BaseModel):
    """A page of a history, newest first."""

    events: list[EventView]
    next_cursor: Cursor | None


class AuditedEventView(EventView):
    """A row of the history, whole (docs/audit.md). `detail` depends on the event."""

    seq: int
    user_id: UUID | None
    actor_id: UUID | None
    request_id: str | None
    detail: dict[str, Any]
    hash: str


class AuditedEventList(BaseModel):
    """A page of everybody's history, newest first."""

    events: list[AuditedEventView]
    next_cursor: Cursor | None


class RevocationList(BaseModel):
    """What is refused although it has not expired; seconds since the epoch."""

    as_of: int
    sessions: Annotated[dict[str, int], Field(description="session id → when it may be forgotten")]
    users: Annotated[
        dict[str, int], Field(description="user id → tokens issued before are refused")
    ]


class Verification(BaseModel):
    valid: Literal[True] = True
    user_id: UUID
    session_id: str
    roles: list[str]
    issued_at: TokenTime
    expires_at: TokenTime
