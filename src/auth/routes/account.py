"""Sign up, and what people see and change of their own account."""

from fastapi import Request

from src.auth.dependencies import (
    RECORDED,
    REPLACING,
    AccountsService,
    CurrentClient,
    CurrentTokenMode,
)
from src.auth.errors import (
    CrossSiteRequest,
    EmailTaken,
    HashingBusy,
    InvalidTokenMode,
    TooManyRequests,
    UsernameTaken,
    WeakPassword,
    WrongPassword,
)
from src.auth.known_users import KnownUsers
from src.auth.schemas import PasswordChange, Profile, ProfileChange, SignupRequest, TokenResponse
from src.core.bodies import StrictRoute
from src.core.direct import direct_router
from src.core.errors import AuthenticationRequired, InvalidToken
from src.core.identity import CurrentIdentity, CurrentUserId
from src.core.metrics import metrics, outcome_told
from src.core.problem_json import documents
from src.core.routers import Router

router = Router(prefix="/auth", tags=["auth"], dependencies=[RECORDED], route_class=StrictRoute)
busy = direct_router(prefix="/auth", tags=["auth"])


@router.post(
    "/signup",
    status_code=201,
    dependencies=[REPLACING],
    responses=documents(
        InvalidTokenMode,
        CrossSiteRequest,
        EmailTaken,
        UsernameTaken,
        WeakPassword,
        TooManyRequests,
        HashingBusy,
    ),
)
async def sign_up(
    mode: CurrentTokenMode,
    body: SignupRequest,
    accounts: AccountsService,
    client: CurrentClient,
) -> TokenResponse:
    """Create an account and open its first session."""
    with outcome_told(metrics().signed_up):
        return mode.deliver(await accounts.sign_up(body, client))


@busy.get("/me", responses=documents(AuthenticationRequired, InvalidToken))
async def read_profile(request: Request, identity: CurrentIdentity) -> Profile:
    """The profile of the signed-in user."""
    known_users: KnownUsers = request.state.known_users
    return await known_users.require(identity.user_id)


@router.patch(
    "/me",
    response_model=Profile,
    responses=documents(AuthenticationRequired, InvalidToken, UsernameTaken),
)
async def change_profile(
    body: ProfileChange,
    user_id: CurrentUserId,
    accounts: AccountsService,
) -> object:
    """Change the username, or remove it with null."""
    return await accounts.change_profile(user_id, body)


@router.post(
    "/password",
    responses=documents(
        InvalidTokenMode,
        AuthenticationRequired,
        InvalidToken,
        CrossSiteRequest,
        WrongPassword,
        WeakPassword,
        TooManyRequests,
        HashingBusy,
    ),
)
async def change_password(
    mode: CurrentTokenMode,
    body: PasswordChange,
    user_id: CurrentUserId,
    accounts: AccountsService,
    client: CurrentClient,
) -> TokenResponse:
    """Change the password. Every session ends; the answer carries the tokens of a fresh one."""
    return mode.deliver(await accounts.change_password(user_id, body, client))
