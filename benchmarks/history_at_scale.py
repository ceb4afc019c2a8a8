"""Whether a page at the end of a history of 100,000 messages costs more than one at its start.

    python -m benchmarks.history_at_scale [--messages 100000] [--rounds 400]

On SQLite and on PostgreSQL, through the chat's own service; both ends are read in turn.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.table import print_table, quartiles, verdict
from src.auth.models import User
from src.chat.models import ChatMessage, ChatSession
from src.chat.service import Conversations
from src.core.clock import utc_now
from src.core.db import SessionMaker, build_engine, build_sessionmaker, new_id
from tests.conftest import migrate
from tests.servers import running_postgresql

MOST_RATIO = 1.3
PAGE = 20
AT_ONCE = 2_000
OTHER_SESSIONS = 9  # of a tenth of the length, so that the index does not hold one session alone


async def fill(sessions: SessionMaker, count: int) -> tuple[UUID, UUID, list[UUID]]:
    """A person, their long session and its messages' ids, among other sessions."""
    async with sessions() as db:
        user = User(email="a", email_key="a", password_hash="-", roles=[])  # noqa: S106
        db.add(user)
        await db.commit()
        for _ in range(OTHER_SESSIONS):
            await add_session(db, user.id, count // 10)
        session_id, ids = await add_session(db, user.id, count)
        await (await db.connection()).execute(text("ANALYZE"))
        await db.commit()
    return user.id, session_id, ids


async def add_session(db: AsyncSession, user_id: UUID, count: int) -> tuple[UUID, list[UUID]]:
    session = ChatSession(user_id=user_id, title="long", message_count=count)
    db.add(session)
    await db.flush()
    ids = [new_id() for _ in range(count)]
    for start in range(0, count, AT_ONCE):
        rows = [
            {
                "id": each,
                "session_id": session.id,
                "role": "user",
                "content": "What does the spleen do? " * 8,
                "cut": False,
                "created_at": utc_now(),
            }
            for each in ids[start : start + AT_ONCE]
        ]
        await db.exec(insert(ChatMessage), params=rows)
    return session.id, ids


async def read(sessions: SessionMaker, user_id: UUID, session_id: UUID, after: UUID) -> float:
    """Seconds that a page took."""
    started = time.perf_counter()
    async with sessions() as db:
        page = await Conversations(db).history(session_id, user_id=user_id, after=after, limit=PAGE)
    elapsed = time.perf_counter() - started
    assert len(page.messages) == PAGE
    return elapsed


async def measure(engine: AsyncEngine, count: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds for a page at the start and for one at the end, in turn."""
    sessions = build_sessionmaker(engine)
    user_id, session_id, ids = await fill(sessions, count)
    start, end = [], []
    for number in range(rounds + rounds // 10):
        first = await read(sessions, user_id, session_id, ids[0])
        last = await read(sessions, user_id, session_id, ids[-PAGE - 1])
        if number >= rounds // 10:  # those before warm up
            start.append(first)
            end.append(last)
    return start, end


async def on(database_url: str, count: int, rounds: int) -> tuple[list[float], list[float]]:
    engine = build_engine(database_url)
    try:
        return await measure(engine, count, rounds)
    finally:
        await engine.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    rows, ratios = [], []
    with tempfile.TemporaryDirectory() as folder, running_postgresql() as postgresql_url:
        urls = {"SQLite": f"sqlite+aiosqlite:///{folder}/long.db", "PostgreSQL": postgresql_url}
        for name, url in urls.items():
            migrate(url, "head")
            start, end = asyncio.run(on(url, options.messages, options.rounds))
            ratio = statistics.median(end) / statistics.median(start)
            rows += [_row(name, "first", start), _row(name, "last", end)]
            rows.append([name, "ratio", f"{ratio:.2f}", "", ""])
            ratios.append(ratio)
    print_table(
        f"A page of {PAGE} of {options.messages:,} messages, {options.rounds} rounds in turn",
        ["database", "page", "p50", "first quartile", "third"],
        rows,
    )
    return verdict(
        f"the last page costs at most {MOST_RATIO} times the first",
        kept=max(ratios) <= MOST_RATIO,
    )


def _row(database: str, page: str, values: list[float]) -> list[str]:
    first, median, third = (value * 1e3 for value in quartiles(values))
    return [database, page, f"{median:.2f} ms", f"{first:.2f} ms", f"{third:.2f} ms"]


if __name__ == "__main__":
    sys.exit(main())
