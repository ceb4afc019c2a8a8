"""Log in, log out, verify."""

from typing import Any, Final

from src.auth.dependencies import (
    RECORDED,
    REPLACING,
    CurrentClient,
    CurrentTokenMode,
    LogInService,
    PresentedCredentials,
    PresentedForLogout,
    SessionsService,
)
from src.auth.errors import (
    CrossSiteRequest,
    HashingBusy,
    InvalidCredentials,
    InvalidRefreshToken,
    InvalidTokenMode,
    TooManyRequests,
)
from src.auth.schemas import TokenResponse, Verification
from src.core.bodies import StrictRoute
from src.core.direct import direct_router
from src.core.errors import (
    AuthenticationRequired,
    InvalidRequest,
    InvalidToken,
    MalformedBody,
    ServiceUnavailable,
    UnsupportedMediaType,
)
from src.core.identity import CurrentIdentity
from src.core.metrics import metrics, outcome_told
from src.core.problem_json import documents
from src.core.routers import Router

router = Router(prefix="/auth", tags=["auth"], dependencies=[RECORDED], route_class=StrictRoute)
busy = direct_router(prefix="/auth", tags=["auth"])

_LOGIN_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/LoginRequest"}},
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "title": "OAuth2PasswordForm",
                    "required": ["username", "password"],
                    "properties": {
                        "grant_type": {"type": "string", "const": "password"},
                        "username": {"type": "string", "description": "the e-mail"},
                        "password": {"type": "string", "format": "password"},
                    },
                    "additionalProperties": {"type": "string"},  # passed over, but never twice
                },
            },
        },
    },
}


@router.post(
    "/login",
    dependencies=[REPLACING],
    openapi_extra=_LOGIN_BODY,
    responses=documents(
        MalformedBody,
        InvalidTokenMode,
        InvalidCredentials,
        CrossSiteRequest,
        UnsupportedMediaType,
        InvalidRequest,
        TooManyRequests,
        HashingBusy,
    ),
)
async def log_in(
    mode: CurrentTokenMode,
    credentials: PresentedCredentials,
    service: LogInService,
    client: CurrentClient,
) -> TokenResponse:
    """Open a session with e-mail and password, sent as JSON or as the OAuth2 password form."""
    with outcome_told(metrics().logged_in):
        return mode.deliver(await service(credentials, client))


@router.post(
    "/logout",
    status_code=204,
    responses=documents(
        InvalidTokenMode,
        AuthenticationRequired,
        InvalidToken,
        InvalidRefreshToken,
        CrossSiteRequest,
        ServiceUnavailable,
    ),
)
async def log_out(credential: PresentedForLogout, sessions: SessionsService) -> None:
    """End this session (`local`), all `others`, or all of the user's (`global`).

    The refresh token in the body (or the cookie) names the session, or else the access token, which
    may belong to a session that has ended already.
    """
    await sessions.log_out(credential)


@busy.post("/verify", responses=documents(AuthenticationRequired, InvalidToken))
async def verify(identity: CurrentIdentity) -> Verification:
    """What the presented access token says, when it is valid."""
    return Verification(
        user_id=identity.user_id,
        session_id=identity.session_id,
        roles=list(identity.roles),
        issued_at=identity.issued_at,
        expires_at=identity.expires_at,
    )
