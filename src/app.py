"""The composition root: every part is made here and plugged into the others."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypedDict

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from redis.asyncio import Redis
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from src import openapi
from src.anatomy.noted import NotedRecords
from src.anatomy.picture_router import router as picture_router
from src.anatomy.router import router as anatomy_router
from src.assistant.plug import responding
from src.auth.access_tokens import LEEWAY_SECONDS, AccessTokens
from src.auth.audit import Audit
from src.auth.authentication import TokenAuthentication
from src.auth.customers import CustomerAuthentication
from src.auth.dependencies import RECORDED
from src.auth.external_users import add_external_user
from src.auth.inspection import TokenInspection
from src.auth.keys import Keys
from src.auth.known_users import KnownUsers
from src.auth.limits import RateLimits
from src.auth.oauth_errors import OAuthRefusal
from src.auth.oauth_responses import handle_oauth_error
from src.auth.passwords import PasswordHasher
from src.auth.refresh_tokens import RefreshTokens
from src.auth.revocations import WAIT, RevocationFeed, Revocations
from src.auth.routes import account, admin, clients, refresh, token, well_known
from src.auth.routes import events as event_routes
from src.auth.routes import sessions as session_routes
from src.auth.service_tokens import ServiceTokens, canonical_customer_id, service_tokens
from src.auth.sessions import Sessions
from src.auth.store.rate_limits import RateLimitStore
from src.auth.store.revocations import RevocationStream
from src.auth.store.sessions import Lifetimes, SessionStore
from src.auth.usage import Usage
from src.chat.responder import Responder
from src.chat.router import router as chat_router
from src.chat.speech import Speeches
from src.context.router import router as context_router
from src.core.addresses import TrustedProxies
from src.core.clock import Clock, utc_now
from src.core.customers import AuthenticateCustomer
from src.core.db import SessionMaker, build_engine, build_sessionmaker
from src.core.errors import Problem
from src.core.identity import Authenticate, StillSignedIn
from src.core.logging import configure_logging
from src.core.metrics import NOBODY, Metrics
from src.core.middleware import BehindProxies, Cors, RequestContext, RequestLimits
from src.core.problem_json import (
    handle_http_exception,
    handle_problem,
    handle_unexpected,
    handle_validation_error,
)
from src.core.redis import build_follower, build_redis
from src.core.settings import Settings
from src.core.stopping import on_stop_signal
from src.core.usage import CountUse
from src.health.router import router as health_router
from src.health.traces import tracing
from src.issuers.authentication import ExternalAuthentication
from src.issuers.better_auth import BetterAuth, trusting_better_auth
from src.issuers.customers import ExternalCustomerAuthentication
from src.issuers.trusted import TrustedIssuers, trusting
from src.issuers.users import ExternalUsers
from src.pages.router import build_pages_router
from src.support.router import router as support_router

VERSION = "0.1.0"
EXPOSED_HEADERS = [
    "WWW-Authenticate",
    "Retry-After",
    "X-Request-ID",
    "RateLimit",
    "RateLimit-Policy",
]


class State(TypedDict):
    """What the lifespan hands to every request as `request.state`."""

    settings: Settings
    clock: Clock
    keys: Keys
    sessionmaker: SessionMaker
    redis: Redis
    hasher: PasswordHasher
    audit: Audit
    sessions: Sessions
    limits: RateLimits
    count_use: CountUse
    revocations: Revocations
    feed: RevocationFeed
    known_users: KnownUsers
    authenticate: Authenticate
    still_signed_in: StillSignedIn
    service_tokens: ServiceTokens | None
    authenticate_customer: AuthenticateCustomer | None
    inspection: TokenInspection
    better_auth: BetterAuth | None
    responder: Responder
    speeches: Speeches


class Latchkey(FastAPI):
    """FastAPI with its outermost layers in our order.

    CORS has to wrap the handler of unhandled exceptions too: a 500 without its headers looks like
    a CORS failure to a browser.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        **options: Any,  # noqa: ANN401 - FastAPI's own
    ) -> None:
        super().__init__(**options)
        self._settings = settings
        self._metrics = metrics

    def build_middleware_stack(self) -> ASGIApp:
        limited = RequestLimits(super().build_middleware_stack())
        origins = [*self._settings.CORS_ORIGINS]
        if self._settings.null_origin_allowed:
            origins.append("null")
        with_cors = Cors(
            limited,
            allow_origins=origins,
            allow_credentials=False,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Token-Mode"],
            expose_headers=EXPOSED_HEADERS,
        )
        proxies = TrustedProxies(self._settings.TRUSTED_PROXIES)
        return BehindProxies(RequestContext(with_cors, self._metrics), proxies)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.amended(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings, *, clock: Clock = utc_now) -> FastAPI:
    """The application. It connects to its stores in its lifespan, not here."""
    configure_logging(settings.LOG_LEVEL)
    metrics, metrics_router = _metrics(settings)
    app = Latchkey(
        settings,
        metrics,
        title="Latchkey",
        version=VERSION,
        summary="Sign up, log in and stay logged in, safely.",
        lifespan=_lifespan(settings, clock, metrics),
        routes=[*token.busy.routes, *account.busy.routes, *refresh.busy.routes],
        docs_url=None,
        redoc_url=None,
        openapi_url=None if settings.is_production else "/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        telemetry=tracing(),
    )
    for error, handler in (
        (Problem, handle_problem),
        (OAuthRefusal, handle_oauth_error),
        (HTTPException, handle_http_exception),
        (RequestValidationError, handle_validation_error),
        (Exception, handle_unexpected),
    ):
        app.add_exception_handler(error, handler)
    for router in (
        account.router,
        token.router,
        session_routes.router,
        event_routes.router,
        admin.router,
        clients.router,
    ):
        app.include_router(router, dependencies=[RECORDED])
    routers = [
        well_known.router,
        chat_router,
        anatomy_router,
        picture_router,
        context_router,
        support_router,
        health_router,
        *metrics_router,
    ]
    if not settings.is_production:
        routers.append(build_pages_router())
    for router in routers:
        app.include_router(router)
    return app


def _metrics(settings: Settings) -> tuple[Metrics, list[APIRouter]]:
    """Who listens, and the route that shows what was heard, if the settings want one."""
    if settings.METRICS == "off" or settings.METRICS_TOKEN is None:
        return NOBODY, []
    # Its library decides by the environment when it is imported; nobody else needs it.
    from src.health.prometheus import PrometheusMetrics, build_metrics_router  # noqa: PLC0415

    metrics = PrometheusMetrics()
    return metrics, [build_metrics_router(metrics.exposition, settings.METRICS_TOKEN)]


def _lifespan(
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with running_parts(settings, clock, metrics) as state:
            speeches = state["speeches"]
            async with speeches.kept():
                with on_stop_signal(speeches.stop):
                    yield state

    return lifespan


@asynccontextmanager
async def running_parts(
    settings: Settings,
    clock: Clock = utc_now,
    metrics: Metrics = NOBODY,
) -> AsyncIterator[State]:
    """The application without its web server, connected to its stores; for commands as well."""
    engine = build_engine(settings.DATABASE_URL)
    redis = build_redis(settings.REDIS_URL or "")
    follower = build_follower(settings.REDIS_URL or "", wait=WAIT)
    hasher = PasswordHasher(rounds=settings.BCRYPT_ROUNDS)
    sessionmaker = build_sessionmaker(engine)
    try:
        await hasher.warm_up()
        async with (
            trusting_better_auth(settings, engine, clock) as better_auth,
            trusting(settings, clock) as issuers,
            responding(settings, NotedRecords(sessionmaker)) as responder,
        ):
            state = _build_state(
                settings,
                clock,
                sessionmaker,
                redis,
                follower,
                hasher,
                known_users=KnownUsers(engine),
                better_auth=better_auth,
                issuers=issuers,
                responder=responder,
                metrics=metrics,
            )
            async with state["feed"].following(), state["keys"].following():
                yield state
    finally:
        hasher.close()
        await follower.aclose()
        await redis.aclose()
        await engine.dispose()


def _build_state(
    settings: Settings,
    clock: Clock,
    sessionmaker: SessionMaker,
    redis: Redis,
    follower: Redis,
    hasher: PasswordHasher,
    *,
    known_users: KnownUsers,
    better_auth: BetterAuth | None,
    issuers: TrustedIssuers | None,
    responder: Responder,
    metrics: Metrics,
) -> State:
    window = settings.access_ttl + timedelta(seconds=LEEWAY_SECONDS)
    revocations = Revocations(window=window, clock=clock)
    feed = RevocationFeed(
        RevocationStream(redis, follower, window=window),
        revocations,
        forget=known_users.forget,
        clock=clock,
        metrics=metrics,
    )
    keys = Keys(settings, clock=clock)
    access_tokens = AccessTokens(
        keys.access,
        issuer=settings.JWT_ISSUER,
        audience=settings.JWT_AUDIENCE,
        ttl=settings.access_ttl,
        clock=clock,
    )
    refresh_tokens = RefreshTokens(
        keys.refresh,
        issuer=settings.JWT_ISSUER,
        audience=settings.JWT_AUDIENCE,
        clock=clock,
    )
    authentication = TokenAuthentication(access_tokens, revocations, known_users)
    session_store = SessionStore(redis, _lifetimes(settings))
    sessions = Sessions(
        store=session_store,
        access_tokens=access_tokens,
        refresh_tokens=refresh_tokens,
        feed=feed,
        known_users=known_users,
        clock=clock,
    )
    limits = RateLimits(
        RateLimitStore(redis) if settings.RATE_LIMITS == "on" else None,
        secret=settings.JWT_REFRESH_SECRET_KEY.get_secret_value(),
    )
    of_services = service_tokens(settings, clock=clock)
    return State(
        settings=settings,
        clock=clock,
        keys=keys,
        sessionmaker=sessionmaker,
        redis=redis,
        hasher=hasher,
        audit=Audit(sessionmaker, clock=clock),
        sessions=sessions,
        limits=limits,
        count_use=Usage(limits),
        revocations=revocations,
        feed=feed,
        known_users=known_users,
        authenticate=_authenticate(authentication, issuers, keys, known_users, sessionmaker),
        still_signed_in=authentication.still_accepts,
        service_tokens=of_services,
        authenticate_customer=_authenticate_customer(of_services, issuers),
        inspection=TokenInspection(
            authenticate=authentication,
            require_active=known_users.require,
            refresh_tokens=refresh_tokens,
            store=session_store,
            sessions=sessions,
            service_tokens=of_services,
        ),
        better_auth=better_auth,
        responder=responder,
        speeches=Speeches(),
    )


def _authenticate(
    own: Authenticate,
    issuers: TrustedIssuers | None,
    keys: Keys,
    known_users: KnownUsers,
    sessionmaker: SessionMaker,
) -> Authenticate:
    if issuers is None:
        return own
    return ExternalAuthentication(
        own,
        is_ours=keys.access.writes,
        issuers=issuers,
        users=ExternalUsers(sessionmaker, add_external_user),
        require_active=known_users.require,
    )


def _authenticate_customer(
    tokens: ServiceTokens | None,
    issuers: TrustedIssuers | None,
) -> AuthenticateCustomer | None:
    own = CustomerAuthentication(tokens) if tokens else None
    if issuers is None or not issuers.any_of_services:
        return own
    return ExternalCustomerAuthentication(own, issuers=issuers, canonical=canonical_customer_id)


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        idle=timedelta(days=settings.REFRESH_TOKEN_EXPIRE_DAYS),
        absolute=timedelta(days=settings.SESSION_ABSOLUTE_DAYS),
        grace=timedelta(seconds=settings.REFRESH_GRACE_SECONDS),
        recovery=timedelta(hours=settings.REFRESH_RECOVERY_HOURS),
        remembered=settings.access_ttl + timedelta(seconds=LEEWAY_SECONDS),
        sessions_per_user=settings.SESSIONS_PER_USER,
    )


def _operation_id(route: APIRoute) -> str:
    return route.name
