"""The chain of the history: whatever is changed in it is found."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from src.app import create_app
from src.auth.models import AuthEvent
from src.auth.store import events
from src.auth.store.events import GENESIS, Chain
from src.core.db import build_sessionmaker
from src.core.settings import Settings
from tests.conftest import running
from tests.factories import log_in, sign_up

Client = httpx.AsyncClient

rows = AuthEvent.__table__  # type: ignore[attr-defined]


async def verified(engine: AsyncEngine, expected: str | None = None) -> Chain:
    async with build_sessionmaker(engine)() as db:
        return await events.verify(db, expected=expected)


async def chain_of_eight(client: Client, engine: AsyncEngine) -> None:
    person = await sign_up(client)
    for _ in range(7):
        await log_in(client, person)
    assert (await verified(engine)).count == 8


@pytest.fixture
async def two_workers(
    client: Client,
    settings: Settings,
) -> AsyncIterator[tuple[Client, Client]]:
    async with running(create_app(settings)) as other:
        yield client, other


async def test_log_ins_at_several_workers_at_once_leave_one_chain(
    two_workers: tuple[Client, Client],
    engine: AsyncEngine,
) -> None:
    person = await sign_up(two_workers[0])
    await asyncio.gather(*(log_in(two_workers[i % 2], person) for i in range(40)))
    chain = await verified(engine)
    assert (chain.count, chain.first_bad) == (62, None)  # 41 times in, 21 times out by the cap


def _change_a_field(connection: Connection) -> int:
    connection.execute(update(rows).where(rows.c.seq == 4).values(address="10.0.0.1"))
    return 4


def _change_a_time(connection: Connection) -> int:
    at = connection.execute(select(rows.c.at).where(rows.c.seq == 5)).scalar_one()
    connection.execute(update(rows).where(rows.c.seq == 5).values(at=at - timedelta(seconds=1)))
    return 5


def _delete_one(connection: Connection) -> int:
    connection.execute(delete(rows).where(rows.c.seq == 4))
    return 4


def _delete_the_first(connection: Connection) -> int:
    connection.execute(delete(rows).where(rows.c.seq == 1))
    return 1


def _delete_and_close_the_gap(connection: Connection) -> int:
    connection.execute(delete(rows).where(rows.c.seq == 4))
    for seq in range(5, 9):
        connection.execute(update(rows).where(rows.c.seq == seq).values(seq=seq - 1))
    return 4


def _swap_two(connection: Connection) -> int:
    for old, new in ((3, 99), (4, 3), (99, 4)):
        connection.execute(update(rows).where(rows.c.seq == old).values(seq=new))
    return 3


def _insert_one(connection: Connection) -> int:
    for seq in range(8, 4, -1):
        connection.execute(update(rows).where(rows.c.seq == seq).values(seq=seq + 1))
    copied = connection.execute(select(rows).where(rows.c.seq == 4)).mappings().one()
    connection.execute(insert(rows).values({**copied, "seq": 5}))
    return 5


def _insert_before_the_first(connection: Connection) -> int:
    first = connection.execute(select(rows).where(rows.c.seq == 1)).mappings().one()
    connection.execute(insert(rows).values({**first, "seq": 0, "previous_hash": GENESIS}))
    return 0


def _change_a_hash(connection: Connection) -> int:
    connection.execute(update(rows).where(rows.c.seq == 6).values(hash="f" * 64))
    return 6


def _change_and_hash_again(connection: Connection) -> int:
    values = dict(connection.execute(select(rows).where(rows.c.seq == 6)).mappings().one())
    row = AuthEvent(**{**values, "cause": "forged"})
    connection.execute(
        update(rows).where(rows.c.seq == 6).values(cause="forged", hash=events.chain_hash(row)),
    )
    return 7  # whose predecessor is another one now


@pytest.mark.parametrize(
    "tamper",
    [
        _change_a_field,
        _change_a_time,
        _delete_one,
        _delete_the_first,
        _delete_and_close_the_gap,
        _swap_two,
        _insert_one,
        _insert_before_the_first,
        _change_a_hash,
        _change_and_hash_again,
    ],
)
async def test_whatever_is_changed_inside_the_chain_is_found(
    client: Client,
    engine: AsyncEngine,
    tamper: Any,
) -> None:
    await chain_of_eight(client, engine)
    async with engine.begin() as connection:
        bad = await connection.run_sync(tamper)
    assert (await verified(engine)).first_bad == bad


async def test_what_no_longer_is_a_value_of_its_column_is_found(
    client: Client,
    engine: AsyncEngine,
) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL refuses such values")
    await chain_of_eight(client, engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE auth_events SET detail = 'x' WHERE seq = 5"))
    assert await verified(engine) == Chain(4, (await verified(engine)).head, first_bad=5)


async def test_a_head_that_was_noted_shows_a_cut_or_rewritten_end(
    client: Client,
    engine: AsyncEngine,
) -> None:
    await chain_of_eight(client, engine)
    noted = (await verified(engine)).head
    await sign_up(client)
    grown = await verified(engine, expected=noted)
    assert (grown.count, grown.has_expected) == (9, True)
    async with engine.begin() as connection:
        await connection.execute(delete(rows).where(rows.c.seq > 6))
    cut = await verified(engine, expected=noted)
    assert (cut.count, cut.first_bad, cut.has_expected) == (6, None, False)


async def test_long_chains_are_verified_page_by_page(
    client: Client,
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "ROWS_AT_ONCE", 3)
    await chain_of_eight(client, engine)
