"""Administration from the command line, on the stores that the servers use."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID

from pydantic import ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession

from src.app import running_parts
from src.auth.administration import Administration
from src.auth.emails import parse_email
from src.auth.external_users import is_placeholder
from src.auth.password_policy import require_strong
from src.auth.passwords import PasswordHasher
from src.auth.schemas import SessionView, UserChange
from src.auth.sessions import Sessions
from src.auth.store import users
from src.core.errors import Problem, ServiceUnavailable
from src.core.logging import configure_logging
from src.core.settings import Settings
from src.first_run.embedded_redis import running_instance
from src.first_run.failures import CommandFailure, RedisUnavailable, Refused
from src.first_run.run import LOCAL, require_redis
from src.first_run.schema import failures_explained, require_current

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Case:
    """One account, and what its administration takes. `db` is one unit of work."""

    user_id: UUID
    db: AsyncSession
    sessions: Sessions
    hasher: PasswordHasher

    @property
    def administration(self) -> Administration:
        return Administration(self.db, sessions=self.sessions, actor_id=None)


def change_roles(
    settings: Settings,
    *,
    email: str,
    add: str | None,
    remove: str | None,
) -> list[str]:
    """Add a role, remove one, or both; the roles then. Raises: `CommandFailure`."""

    async def change(case: _Case) -> list[str]:
        # Locked from here on: nobody changes them between the reading and the writing.
        locked = await users.lock_with_administrators(case.db, case.user_id)
        roles = next((user.roles for user in locked if user.id == case.user_id), [])
        kept = [role for role in roles if role != remove]
        wanted = UserChange(roles=[*kept, add] if add else kept)
        return (await case.administration.change(case.user_id, wanted)).roles

    return _with_account(settings, email, change)


def set_active(settings: Settings, *, email: str, is_active: bool) -> None:
    """Disable or enable an account. Raises: `CommandFailure`."""

    async def change(case: _Case) -> None:
        await case.administration.change(case.user_id, UserChange(is_active=is_active))

    _with_account(settings, email, change)


def reset_password(settings: Settings, *, email: str, password: str) -> None:
    """Set the password of who forgot theirs; all their sessions end. Raises: `CommandFailure`."""
    if is_placeholder(email):
        raise Refused(f"{email} is somebody whom an issuer vouches for: no password is kept here.")

    async def reset(case: _Case) -> None:
        user = await case.administration.user(case.user_id)
        require_strong(
            password,
            minimum=settings.PASSWORD_MIN_LENGTH,
            email=user.email_key,
            username=user.username,
            pointer="/password",
        )
        new_hash = await case.hasher.hash(password)
        await case.administration.reset_password(case.user_id, new_hash)

    _with_account(settings, email, reset)


def list_sessions(settings: Settings, *, email: str) -> list[SessionView]:
    """An account's live sessions, the most recently used first. Raises: `CommandFailure`."""

    async def read(case: _Case) -> list[SessionView]:
        return await case.sessions.list_live(user_id=case.user_id)

    return _with_account(settings, email, read)


def end_sessions(settings: Settings, *, email: str, session_id: str | None) -> None:
    """End one session of an account, or all of them. Raises: `CommandFailure`."""

    async def end(case: _Case) -> None:
        if session_id is None:
            await case.administration.end_sessions(case.user_id)
        else:
            await case.administration.end_session(case.user_id, session_id)

    _with_account(settings, email, end)


def _with_account(settings: Settings, email: str, task: Callable[[_Case], Awaitable[T]]) -> T:
    require_current(settings.DATABASE_URL)
    settings = settings.model_copy(update={"REDIS_URL": _redis_url(settings)})
    configure_logging(settings.LOG_LEVEL, stream=sys.stderr)
    try:
        with failures_explained(settings.DATABASE_URL):
            return asyncio.run(_run(settings, email, task))
    except (Problem, ValidationError) as error:
        raise _as_failure(error) from error


async def _run(settings: Settings, email: str, task: Callable[[_Case], Awaitable[T]]) -> T:
    key = _email_key(email)
    async with (
        running_parts(settings) as parts,
        parts["audit"].recording(device="command line"),
        parts["sessionmaker"]() as db,
    ):
        user = await users.by_email_key(db, key)
        if user is None:
            raise Refused(f"No account has the e-mail {email}.")
        return await task(_Case(user.id, db, parts["sessions"], parts["hasher"]))


def _email_key(email: str) -> str:
    """Raises: `Refused` for what is no address, neither a person's nor one of our own making."""
    if is_placeholder(email):
        return email
    try:
        return parse_email(email).key
    except ValueError as error:
        raise Refused(str(error)) from error


def _redis_url(settings: Settings) -> str:
    """The Redis of the settings, or the one that `make run` has for this folder."""
    if settings.REDIS_URL is not None:
        require_redis(settings.REDIS_URL)
        return settings.REDIS_URL
    socket = (running_instance(LOCAL) or {}).get("redis_socket")
    if not socket:
        raise RedisUnavailable(
            "Redis does not run here: sessions live there. "
            "Start Latchkey in another terminal (make run), or set REDIS_URL."
        )
    return f"unix://{quote(socket)}"


def _as_failure(error: Problem | ValidationError) -> CommandFailure:
    if isinstance(error, ServiceUnavailable):
        return RedisUnavailable(f"A store does not answer ({error.cause}). Run this again.")
    if isinstance(error, Problem):
        return Refused(" ".join([error.detail, *(each.detail for each in error.errors)]))
    return Refused(" ".join(f"{detail['msg']}." for detail in error.errors()))
