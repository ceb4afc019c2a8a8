"""What the auth endpoints are given: services, the client, and bodies that need dispatching."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Annotated

from fastapi import Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from starlette.datastructures import MutableHeaders

from src.auth.accounts import Accounts
from src.auth.administration import Administration
from src.auth.audit import Audit
from src.auth.authentication import LogIn
from src.auth.cookies import RefreshCookie
from src.auth.devices import device_name
from src.auth.errors import InvalidTokenMode
from src.auth.history import History
from src.auth.limits import Attempts
from src.auth.logouts import LogoutCredential, LogoutScope
from src.auth.models import ADMIN
from src.auth.revocations import Revocations
from src.auth.roles import require_role
from src.auth.same_origin import require_same_origin
from src.auth.schemas import LoginRequest, LogoutRequest
from src.auth.sessions import ClientInfo, Sessions
from src.auth.token_modes import BodyMode, CookieMode
from src.core.bodies import FORM_TYPE, json_body, media_type_of, parse_form, validated
from src.core.db import DbSession
from src.core.errors import (
    AuthenticationRequired,
    FieldError,
    InvalidRequest,
    ServiceUnavailable,
)
from src.core.identity import Identity, presented_bearer_token


async def get_token_mode(
    request: Request,
    response: Response,
    _: Annotated[
        str,
        Header(
            alias="X-Token-Mode",
            description="Where the refresh token travels: in the JSON `body`, or in a `cookie` "
            "that scripts cannot read, for pages of the same origin.",
            json_schema_extra={"enum": ["body", "cookie"]},
        ),
    ] = "body",
) -> BodyMode | CookieMode:
    """Raises: `InvalidTokenMode`, `CrossSiteRequest` in cookie mode."""
    return token_mode(request, response.headers)


def token_mode(request: Request, headers: MutableHeaders) -> BodyMode | CookieMode:
    """The mode that the request asks for; cookies are set in the `headers` of its answer.

    Raises: `InvalidTokenMode`, `CrossSiteRequest` in cookie mode.
    """
    match request.headers.getlist("x-token-mode"):
        case [] | ["body"]:
            return BodyMode()
        case ["cookie"]:
            require_same_origin(request)
            cookie = RefreshCookie(secure=request.state.settings.COOKIE_SECURE)
            return CookieMode(cookie, request, headers)
        case _:
            raise InvalidTokenMode


CurrentTokenMode = Annotated[BodyMode | CookieMode, Depends(get_token_mode)]


async def get_client_info(request: Request) -> ClientInfo:
    return ClientInfo(
        device=device_name(request.headers.get("user-agent", "")),
        address=request.client.host if request.client else "",
    )


def recording(request: Request) -> AbstractAsyncContextManager[None]:
    """Around everything else of a request: what happened is written when its outcome is certain.

    Raises: `ServiceUnavailable` when access was granted and that cannot be written.
    """
    audit: Audit = request.state.audit
    return audit.recording(
        address=request.client.host if request.client else "",
        device=device_name(request.headers.get("user-agent", "")),
        request_id=request.state.request_id,
        end_session=partial(request.state.sessions.end, cause="history-not-written"),
    )


async def record_history(request: Request) -> AsyncIterator[None]:
    """Raises: `ServiceUnavailable` when access was granted and that cannot be written."""
    async with recording(request):
        yield


# scope="function": before the answer is sent, as with the unit of work.
RECORDED = Depends(record_history, scope="function")


async def get_sessions(request: Request) -> Sessions:
    sessions: Sessions = request.state.sessions
    return sessions


async def get_attempts(
    request: Request,
    client: Annotated[ClientInfo, Depends(get_client_info)],
) -> Attempts:
    return Attempts(
        request.state.limits,
        address=client.address,
        headers=request.state.response_headers,
    )


LimitedAttempts = Annotated[Attempts, Depends(get_attempts)]


async def end_replaced_session(
    mode: CurrentTokenMode,
    sessions: Annotated[Sessions, Depends(get_sessions)],
) -> AsyncIterator[None]:
    """Around a log-in: once it succeeded, the session whose cookie it takes the place of ends.

    What is no token of ours names none, and hinders nobody.
    Source: OWASP ASVS 5.0, 7.2.4.
    """
    yield
    if replaced := mode.replaced():
        await sessions.revoke(replaced, cause="replaced")


# scope="function": before the answer is sent, and only if there was no exception.
REPLACING = Depends(end_replaced_session, scope="function")


async def get_accounts(request: Request, db: DbSession, attempts: LimitedAttempts) -> Accounts:
    state = request.state
    return Accounts(
        db,
        hasher=state.hasher,
        sessions=state.sessions,
        attempts=attempts,
        minimum_length=state.settings.PASSWORD_MIN_LENGTH,
    )


async def get_administration(
    request: Request,
    db: DbSession,
    administrator: Annotated[Identity, Depends(require_role(ADMIN))],
) -> Administration:
    """For administrators only: no route that needs it can forget to ask."""
    sessions = request.state.sessions
    return Administration(db, sessions=sessions, actor_id=administrator.user_id)


async def get_log_in(request: Request, db: DbSession, attempts: LimitedAttempts) -> LogIn:
    state = request.state
    return LogIn(
        db,
        hasher=state.hasher,
        sessions=state.sessions,
        attempts=attempts,
        clock=state.clock,
    )


async def get_history(request: Request, db: DbSession) -> History:
    state = request.state
    return History(
        db,
        sessions=state.sessions,
        audit=state.audit,
        clock=state.clock,
        idle=timedelta(days=state.settings.REFRESH_TOKEN_EXPIRE_DAYS),
    )


_CREDENTIALS = TypeAdapter(LoginRequest)


async def get_login_request(request: Request) -> LoginRequest:
    """The credentials, from JSON or from the OAuth2 password form (RFC 6749 §4.3.2).

    An Authorization header is ignored: Swagger UI sends an empty client with the form.
    """
    body = await request.body()
    if media_type_of(request) == FORM_TYPE:
        return _from_form(body)
    return validated(_CREDENTIALS, await json_body(request) if body else {}, at="body")


def _from_form(body: bytes) -> LoginRequest:
    fields = parse_form(body)
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
    mode: CurrentTokenMode,
    body: LogoutRequest | None = None,
) -> AsyncIterator[LogoutCredential]:
    """The refresh token of the body or the cookie, or else the bearer token.

    Raises: `AuthenticationRequired` without either, `InvalidToken`; `InvalidTokenMode` and
    `InvalidRefreshToken` in cookie mode.
    """
    scope = LogoutScope(body.scope) if body else LogoutScope.LOCAL
    # Who ends the others' sessions stays logged in.
    with nullcontext() if scope is LogoutScope.OTHERS else mode.leaving():
        refresh_token = mode.presented(body.refresh_token if body else None)
        yield _logout_credential(request, refresh_token, scope)


def _logout_credential(
    request: Request,
    refresh_token: str | None,
    scope: LogoutScope,
) -> LogoutCredential:
    if refresh_token:
        return LogoutCredential(refresh_token=refresh_token, scope=scope)
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
AdministrationService = Annotated[Administration, Depends(get_administration)]
HistoryService = Annotated[History, Depends(get_history)]
LogInService = Annotated[LogIn, Depends(get_log_in)]
PresentedCredentials = Annotated[LoginRequest, Depends(get_login_request)]
PresentedForLogout = Annotated[LogoutCredential, Depends(get_logout_credential)]
SessionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{16}$")]
RevocationResponse = Annotated[Response, Depends(get_revocation_response)]
