"""Accounts made from the command line: the demo users' and an operator's own."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from sqlmodel import col, select

from src.auth.accounts import create_user
from src.auth.audit import Audit, Event, note
from src.auth.models import User
from src.auth.passwords import PasswordHasher
from src.auth.schemas import SignupRequest, UserChange
from src.core.clock import utc_now
from src.core.db import SessionMaker, build_engine, build_sessionmaker
from src.core.errors import Problem
from src.core.logging import configure_logging
from src.core.settings import Settings
from src.first_run.failures import Refused
from src.first_run.private_files import private_folder, write_private
from src.first_run.schema import failures_explained

DEMO_EMAILS: Final = ("ada@example.com", "grace@example.com")
DEMO_FILE: Final = "demo-login.json"
DEMO_PASSWORD_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class DemoLogin:
    """How to log in as a demo user; no password when we never knew it."""

    email: str
    password: str | None


def add_user(
    settings: Settings,
    *,
    email: str,
    password: str,
    username: str | None,
    role: str | None = None,
) -> None:
    """Make an account with the role `user` and perhaps one more.

    Raises: `Refused` with the reason, `DatabaseUnavailable`.
    """
    try:
        request = SignupRequest(email=email, password=password, username=username)
        roles = UserChange(roles=["user", *([role] if role else [])]).roles or []
        configure_logging(settings.LOG_LEVEL, stream=sys.stderr)
        with failures_explained(settings.DATABASE_URL):
            asyncio.run(_add(settings, [request], roles=roles))
    except ValidationError as error:
        raise Refused(" ".join(_sentence(detail["msg"]) for detail in error.errors())) from error
    except Problem as problem:
        raise Refused(" ".join([problem.detail, *(e.detail for e in problem.errors)])) from problem


def seed_demo_users(settings: Settings, local: Path) -> DemoLogin:
    """The demo users, made where they are missing, and how to log in as the first of them.

    Their password is random and kept in `local`, so that every start shows the same.
    Raises: `DatabaseUnavailable`.
    """
    known = _read_password(local)
    with failures_explained(settings.DATABASE_URL):
        missing = asyncio.run(_missing(settings, DEMO_EMAILS))
        if not missing:
            return DemoLogin(DEMO_EMAILS[0], known)
        password = known or secrets.token_urlsafe(DEMO_PASSWORD_BYTES)
        _write_password(local, password)
        requests = [SignupRequest(email=email, password=password) for email in missing]
        asyncio.run(_add(settings, requests))
    return DemoLogin(DEMO_EMAILS[0], password if known or DEMO_EMAILS[0] in missing else None)


async def _add(
    settings: Settings,
    requests: Sequence[SignupRequest],
    *,
    roles: Sequence[str] = ("user",),
) -> None:
    hasher = PasswordHasher(rounds=settings.BCRYPT_ROUNDS)
    try:
        async with (
            _database(settings) as sessionmaker,
            Audit(sessionmaker, clock=utc_now).recording(device="command line"),
            sessionmaker() as db,
        ):
            for request in requests:
                user = await create_user(
                    db,
                    hasher,
                    minimum_length=settings.PASSWORD_MIN_LENGTH,
                    email=request.email,
                    password=request.password,
                    username=request.username,
                    roles=roles,
                )
                await db.commit()
                _note(user)
    finally:
        hasher.close()


def _note(made: User) -> None:
    """As if somebody had signed up, though without a session, and then been given a role."""
    note(Event.SIGNED_UP, user_id=made.id)
    if made.roles != ["user"]:
        note(Event.USER_CHANGED, user_id=made.id, roles=made.roles, is_active=made.is_active)


async def _missing(settings: Settings, emails: Sequence[str]) -> list[str]:
    async with _database(settings) as sessionmaker, sessionmaker() as db:
        found = await db.exec(select(User.email_key).where(col(User.email_key).in_(emails)))
        present = set(found)
    return [email for email in emails if email not in present]


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[SessionMaker]:
    engine = build_engine(settings.DATABASE_URL)
    try:
        yield build_sessionmaker(engine)
    finally:
        await engine.dispose()


def _read_password(local: Path) -> str | None:
    try:
        return str(json.loads((local / DEMO_FILE).read_text(encoding="utf-8"))["password"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_password(local: Path, password: str) -> None:
    text = json.dumps({"emails": DEMO_EMAILS, "password": password}, indent=2) + "\n"
    write_private(private_folder(local) / DEMO_FILE, text)


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")
