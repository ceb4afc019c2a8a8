"""Accounts that a command makes are in the history, like those that people make."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlmodel import col

from src.auth.models import AuthEvent, User
from src.core.db import build_engine
from src.core.settings import Settings
from src.first_run.accounts import DEMO_EMAILS, add_user, seed_demo_users
from tests.factories import PASSWORD, new_email

pytestmark = [pytest.mark.one_database, pytest.mark.usefixtures("client")]  # empty stores


def history_of(settings: Settings, *emails: str) -> list[tuple[object, ...]]:
    """What the history tells of these accounts, oldest first."""

    async def read() -> list[tuple[object, ...]]:
        engine = build_engine(settings.DATABASE_URL)
        columns = (AuthEvent.event, AuthEvent.actor_id, AuthEvent.device, AuthEvent.detail)
        statement = (
            select(*map(col, columns))
            .join(User, col(User.id) == AuthEvent.user_id)
            .where(col(User.email_key).in_(emails))
            .order_by(col(AuthEvent.seq))
        )
        async with engine.connect() as connection:
            found = [tuple(row) for row in await connection.execute(statement)]
        await engine.dispose()
        return found

    return asyncio.run(read())


def test_an_operator_s_account_signed_up_and_then_got_its_role(settings: Settings) -> None:
    email = new_email()
    add_user(settings, email=email, password=PASSWORD, username=None, role="admin")
    assert history_of(settings, email) == [
        ("signed-up", None, "command line", {}),
        ("user-changed", None, "command line", {"roles": ["user", "admin"], "is_active": True}),
    ]


def test_demo_users_are_told_of_once(settings: Settings, tmp_path: Path) -> None:
    for _ in range(2):
        seed_demo_users(settings, tmp_path)
    told = history_of(settings, *DEMO_EMAILS)
    assert told == [("signed-up", None, "command line", {})] * len(DEMO_EMAILS)
