"""Accounts, sessions and tokens as the application plugs them in: made here, and run here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from src.auth.access_tokens import LEEWAY_SECONDS, AccessTokens
from src.auth.audit import Audit
from src.auth.authentication import TokenAuthentication
from src.auth.inspection import TokenInspection
from src.auth.keys import Keys
from src.auth.known_users import KnownUsers
from src.auth.limits import RateLimits
from src.auth.passwords import PasswordHasher
from src.auth.refresh_tokens import RefreshTokens
from src.auth.revocations import WAIT, RevocationFeed, Revocations
from src.auth.routes import account, admin, clients, events, refresh, token, well_known
from src.auth.routes import sessions as session_routes
from src.auth.service_tokens import ServiceTokens, service_tokens
from src.auth.sessions import Sessions
from src.auth.store.rate_limits import RateLimitStore
from src.auth.store.revocations import RevocationStream
from src.auth.store.sessions import Lifetimes, SessionStore
from src.auth.usage import Usage
from src.core.clock import Clock
from src.core.db import SessionMaker
from src.core.metrics import Metrics
from src.core.redis import build_follower
from src.core.settings import Settings
from src.core.usage import CountUse

ROUTERS = (
    token.busy,
    account.busy,
    refresh.busy,
    account.router,
    token.router,
    session_routes.router,
    events.router,
    admin.router,
    clients.router,
    well_known.router,
)


class AuthState(TypedDict):
    """What requests find of it as `request.state`."""

    keys: Keys
    hasher: PasswordHasher
    audit: Audit
    sessions: Sessions
    limits: RateLimits
    count_use: CountUse
    revocations: Revocations
    feed: RevocationFeed
    known_users: KnownUsers
    service_tokens: ServiceTokens | None
    inspection: TokenInspection


@dataclass(frozen=True, slots=True)
class Auth:
    """What requests find of it, and what the application plugs into others."""

    state: AuthState
    authentication: TokenAuthentication


@asynccontextmanager
async def running_auth(
    settings: Settings,
    clock: Clock,
    *,
    engine: AsyncEngine,
    sessionmaker: SessionMaker,
    redis: Redis,
    metrics: Metrics,
) -> AsyncIterator[Auth]:
    """All of it, hearing of other workers' revocations and of new keys while the block runs."""
    hasher = PasswordHasher(rounds=settings.BCRYPT_ROUNDS)
    follower = build_follower(settings.REDIS_URL or "", wait=WAIT)
    try:
        await hasher.warm_up()
        known_users = KnownUsers(engine)
        revocations = Revocations(window=_refusal_window(settings), clock=clock)
        feed = RevocationFeed(
            RevocationStream(redis, follower, window=_refusal_window(settings)),
            revocations,
            forget=known_users.forget,
            clock=clock,
            metrics=metrics,
        )
        auth = _auth(
            settings,
            clock,
            sessionmaker,
            redis,
            hasher=hasher,
            known_users=known_users,
            revocations=revocations,
            feed=feed,
        )
        async with feed.following(), auth.state["keys"].following():
            yield auth
    finally:
        hasher.close()
        await follower.aclose()


def _auth(
    settings: Settings,
    clock: Clock,
    sessionmaker: SessionMaker,
    redis: Redis,
    *,
    hasher: PasswordHasher,
    known_users: KnownUsers,
    revocations: Revocations,
    feed: RevocationFeed,
) -> Auth:
    keys = Keys(settings, clock=clock)
    access, refresh = _tokens(settings, clock, keys)
    authentication = TokenAuthentication(access, revocations, known_users)
    store = SessionStore(redis, _lifetimes(settings))
    sessions = Sessions(
        store=store,
        access_tokens=access,
        refresh_tokens=refresh,
        feed=feed,
        known_users=known_users,
        clock=clock,
    )
    limits = _limits(settings, redis)
    of_services = service_tokens(settings, clock=clock)
    state = AuthState(
        keys=keys,
        hasher=hasher,
        audit=Audit(sessionmaker, clock=clock),
        sessions=sessions,
        limits=limits,
        count_use=Usage(limits),
        revocations=revocations,
        feed=feed,
        known_users=known_users,
        service_tokens=of_services,
        inspection=TokenInspection(
            authenticate=authentication,
            require_active=known_users.require,
            refresh_tokens=refresh,
            store=store,
            sessions=sessions,
            service_tokens=of_services,
        ),
    )
    return Auth(state, authentication)


def _tokens(settings: Settings, clock: Clock, keys: Keys) -> tuple[AccessTokens, RefreshTokens]:
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
    return access_tokens, refresh_tokens


def _limits(settings: Settings, redis: Redis) -> RateLimits:
    return RateLimits(
        RateLimitStore(redis) if settings.RATE_LIMITS == "on" else None,
        secret=settings.JWT_REFRESH_SECRET_KEY.get_secret_value(),
    )


def _lifetimes(settings: Settings) -> Lifetimes:
    return Lifetimes(
        idle=timedelta(days=settings.REFRESH_TOKEN_EXPIRE_DAYS),
        absolute=timedelta(days=settings.SESSION_ABSOLUTE_DAYS),
        grace=timedelta(seconds=settings.REFRESH_GRACE_SECONDS),
        recovery=timedelta(hours=settings.REFRESH_RECOVERY_HOURS),
        remembered=_refusal_window(settings),
        sessions_per_user=settings.SESSIONS_PER_USER,
    )


def _refusal_window(settings: Settings) -> timedelta:
    """How long after its issue an access token could still be accepted somewhere."""
    return settings.access_ttl + timedelta(seconds=LEEWAY_SECONDS)
