"""What the auth endpoints are given: services, the client, and bodies that need dispatching."""

import hashlib
import json
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, Header, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from src.auth.accounts import Accounts
from src.auth.authentication import LogIn
from src.auth.devices import device_name
from src.auth.errors import InvalidTokenMode
from src.auth.revocations import Revocations
from src.auth.schemas import LoginRequest, LogoutRequest
from src.auth.sessions import ClientInfo, LogoutCredential, LogoutScope, Sessions
from src.core.bodies import parse_json, require_json
from src.core.db import DbSession
from src.core.errors import (
    AuthenticationRequired,
    FieldError,
    InvalidRequest,
    MalformedBody,
    ServiceUnavailable,
)
from src.core.identity import presented_bearer_token

FORM_TYPE: Final = "application/x-www-form-urlencoded"
MOST_FORM_FIELDS: Final = 20

# At least 128 random bits: 22 characters of base64url, or a UUID.
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{22,128}$",
        description="New for each rotation, at least 128 random bits (22 to 128 characters). "
        "Keep it until the answer is there; repeat it when none comes.",
    ),
]


async def require_body_mode(
    mode: Annotated[str, Header(alias="X-Token-Mode", description="Only `body`.")] = "body",
) -> None:
    if mode != "body":
        raise InvalidTokenMode


async def get_client_info(request: Request) -> ClientInfo:
    return ClientInfo(
        device=device_name(request.headers.get("user-agent", "")),
        address=request.client.host if request.client else "",
    )


async def get_sessions(request: Request) -> Sessions:
    sessions: Sessions = request.state.sessions
    return sessions


async def get_accounts(request: Request, db: DbSession) -> Accounts:
    state = request.state
    return Accounts(
        db,
        hasher=state.hasher,
        sessions=state.sessions,
        minimum_length=state.settings.PASSWORD_MIN_LENGTH,
    )


async def get_log_in(request: Request, db: DbSession) -> LogIn:
    state = request.state
    return LogIn(db, hasher=state.hasher, sessions=state.sessions, clock=state.clock)


async def get_login_request(request: Request) -> LoginRequest:
    """The credentials, from JSON or from the OAuth2 password form (RFC 6749 §4.3.2).

    An Authorization header is ignored: Swagger UI sends an empty client with the form.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if media_type == FORM_TYPE:
        return _from_form(body)
    require_json(request)
    try:
        return LoginRequest.model_validate(parse_json(body) if body else {})
    except ValidationError as error:
        raise RequestValidationError(
            [{**e, "loc": ("body", *e["loc"])} for e in error.errors(include_input=False)],
        ) from error


def _from_form(body: bytes) -> LoginRequest:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MOST_FORM_FIELDS,
        )
    except ValueError as error:
        raise MalformedBody(cause="form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):  # RFC 6749 §3.2
        raise MalformedBody(cause="form with a repeated field")
    missing = [
        FieldError(f"/{n}", "Field required") for n in ("username", "password") if n not in fields
    ]
    if fields.get("grant_type", "password") != "password":
        missing.append(FieldError("/grant_type", "Only `password` is accepted here"))
    if missing:
        raise InvalidRequest(*missing)
    return LoginRequest(email=fields["username"], password=fields["password"])


async def get_logout_credential(
    request: Request,
    body: LogoutRequest | None = None,
) -> LogoutCredential:
    """The refresh token of the body, or else the bearer token.

    Raises: `AuthenticationRequired` without either, `InvalidToken`.
    """
    scope = LogoutScope(body.scope) if body else LogoutScope.LOCAL
    if body and body.refresh_token:
        return LogoutCredential(refresh_token=body.refresh_token, scope=scope)
    access_token = presented_bearer_token(request)
    if access_token is None:
        raise AuthenticationRequired
    return LogoutCredential(access_token=access_token, scope=scope)


async def get_revocation_response(
    request: Request,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The list, or 304 when the client's is the same.

    Raises: `ServiceUnavailable` until this worker knows what was revoked before it started.
    """
    if not request.state.feed.caught_up:
        raise ServiceUnavailable(cause="redis: revocations are not known")
    revocations: Revocations = request.state.revocations
    document = revocations.document()
    canonical = json.dumps(document, sort_keys=True).encode()
    headers = {"ETag": f'"{hashlib.sha256(canonical).hexdigest()[:32]}"'}
    if if_none_match and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    as_of = int(request.state.clock().timestamp())
    return JSONResponse({"as_of": as_of, **document}, headers=headers)


CurrentClient = Annotated[ClientInfo, Depends(get_client_info)]
SessionsService = Annotated[Sessions, Depends(get_sessions)]
AccountsService = Annotated[Accounts, Depends(get_accounts)]
LogInService = Annotated[LogIn, Depends(get_log_in)]
PresentedCredentials = Annotated[LoginRequest, Depends(get_login_request)]
PresentedForLogout = Annotated[LogoutCredential, Depends(get_logout_credential)]
SessionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]
RevocationResponse = Annotated[Response, Depends(get_revocation_response)]
