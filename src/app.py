"""The composition root: every part is made here and plugged into the others."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
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
from src.auth.customers import CustomerAuthentication
from src.auth.dependencies import RECORDED
from src.auth.external_users import add_external_user
from src.auth.oauth_errors import OAuthRefusal
from src.auth.oauth_responses import handle_oauth_error
from src.auth.plug import (
    BUSIEST_ROUTES,
    OTHER_ROUTERS,
    RECORDED_ROUTERS,
    Auth,
    AuthState,
    running_auth,
)
from src.auth.service_tokens import ServiceTokens, canonical_customer_id
from src.chat.responder import Responder
from src.chat.router import router as chat_router
from src.chat.speech import Speeches
from src.context.router import router as context_router
from src.core.addresses import TrustedProxies
from src.core.clock import Clock, utc_now
from src.core.customers import AuthenticateCustomer
from src.core.db import SessionMaker, build_engine, build_sessionmaker
from src.core.direct import DirectRoutes
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
from src.core.redis import build_redis
from src.core.settings import Settings
from src.core.stopping import on_stop_signal
from src.health.plug import listening
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
FEATURE_ROUTERS = (
    chat_router,
    anatomy_router,
    picture_router,
    context_router,
    support_router,
    health_router,
)


class State(AuthState):
    """What the lifespan hands to every request as `request.state`."""

    settings: Settings
    clock: Clock
    sessionmaker: SessionMaker
    redis: Redis
    authenticate: Authenticate
    still_signed_in: StillSignedIn
    authenticate_customer: AuthenticateCustomer | None
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
        framework = super().build_middleware_stack()
        # Middleware that somebody adds is inside of it, and is meant for every route.
        routed = framework if self.user_middleware else DirectRoutes(framework, self.routes)
        limited = RequestLimits(routed)
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
    metrics, metrics_routers = listening(settings)
    app = Latchkey(
        settings,
        metrics,
        title="Latchkey",
        version=VERSION,
        summary="Sign up, log in and stay logged in, safely.",
        lifespan=_lifespan(settings, clock, metrics),
        routes=[*BUSIEST_ROUTES],
        docs_url=None,
        redoc_url=None,
        openapi_url=None if settings.is_production else "/openapi.json",
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        telemetry=tracing(),
    )
    _handle_errors(app)
    for router in RECORDED_ROUTERS:
        app.include_router(router, dependencies=[RECORDED])
    for router in (*OTHER_ROUTERS, *FEATURE_ROUTERS, *metrics_routers):
        app.include_router(router)
    if not settings.is_production:
        app.include_router(build_pages_router())
    return app


def _handle_errors(app: FastAPI) -> None:
    for error, handler in (
        (Problem, handle_problem),
        (OAuthRefusal, handle_oauth_error),
        (HTTPException, handle_http_exception),
        (RequestValidationError, handle_validation_error),
        (Exception, handle_unexpected),
    ):
        app.add_exception_handler(error, handler)


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
    sessionmaker = build_sessionmaker(engine)
    try:
        async with (
            trusting_better_auth(settings, engine, clock) as better_auth,
            trusting(settings, clock) as issuers,
            responding(settings, NotedRecords(sessionmaker)) as responder,
            running_auth(
                settings,
                clock,
                engine=engine,
                sessionmaker=sessionmaker,
                redis=redis,
                metrics=metrics,
            ) as auth,
        ):
            yield State(
                **auth.state,
                settings=settings,
                clock=clock,
                sessionmaker=sessionmaker,
                redis=redis,
                authenticate=_authenticate(auth, issuers, sessionmaker),
                still_signed_in=auth.authentication.still_accepts,
                authenticate_customer=_authenticate_customer(auth.state["service_tokens"], issuers),
                better_auth=better_auth,
                responder=responder,
                speeches=Speeches(),
            )
    finally:
        await redis.aclose()
        await engine.dispose()


def _authenticate(
    auth: Auth,
    issuers: TrustedIssuers | None,
    sessionmaker: SessionMaker,
) -> Authenticate:
    if issuers is None:
        return auth.authentication
    return ExternalAuthentication(
        auth.authentication,
        is_ours=auth.state["keys"].access.writes,
        issuers=issuers,
        users=ExternalUsers(sessionmaker, add_external_user),
        require_active=auth.state["known_users"].require,
    )


def _authenticate_customer(
    tokens: ServiceTokens | None,
    issuers: TrustedIssuers | None,
) -> AuthenticateCustomer | None:
    own = CustomerAuthentication(tokens) if tokens else None
    if issuers is None or not issuers.any_of_services:
        return own
    return ExternalCustomerAuthentication(own, issuers=issuers, canonical=canonical_customer_id)


def _operation_id(route: APIRoute) -> str:
    return route.name
