"""How the databases find a page: by an index that gives its order, so that no page costs more."""

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.chat.conftest import Statement
from tests.chat.talk import read, say
from tests.features import Somebody

# With a handful of rows PostgreSQL would read them all and sort: now it does so only if it must.
ONLY_IF_IT_MUST = (
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET enable_sort = off",
)


async def plan(engine: AsyncEngine, statement: Statement) -> str:
    sql, parameters = statement
    is_sqlite = engine.dialect.name == "sqlite"
    async with engine.connect() as connection:
        for setting in () if is_sqlite else ONLY_IF_IT_MUST:
            await connection.execute(text(setting))
        explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        rows = await connection.exec_driver_sql(f"{explain} {sql}", parameters)
        lines = "\n".join(str(row[-1]) for row in rows)
        await connection.rollback()
    return lines


def sorts(lines: str) -> bool:
    return "Sort" in lines or "TEMP B-TREE" in lines


async def test_a_page_of_a_history_is_a_stretch_of_the_index(
    chat: httpx.AsyncClient, ada: Somebody, engine: AsyncEngine, statements: list[Statement]
) -> None:
    session_id = (await say(chat, ada, "one")).json()["session_id"]
    first = (await read(chat, ada, session_id, limit=1)).json()
    statements.clear()
    await read(chat, ada, session_id, limit=1, cursor=first["next_cursor"])
    (statement,) = statements
    lines = await plan(engine, statement)
    assert "ix_chat_messages_session_id_id" in lines, lines
    assert any(part in lines for part in ("session_id=? AND id>?", "AND (id > '")), lines
    assert not sorts(lines), lines


async def test_a_page_of_sessions_is_a_stretch_of_the_index(
    chat: httpx.AsyncClient, ada: Somebody, engine: AsyncEngine, statements: list[Statement]
) -> None:
    for message in ("one", "two"):
        await say(chat, ada, message)
    query = {"limit": 1}
    first = await chat.get("/chat/sessions", params=query, headers=ada.authorization)
    cursor = first.json()["next_cursor"]
    statements.clear()
    await chat.get("/chat/sessions", params={**query, "cursor": cursor}, headers=ada.authorization)
    (statement,) = statements
    lines = await plan(engine, statement)
    assert "ix_chat_sessions_user_id_updated_at_id" in lines, lines
    assert any(part in lines for part in ("(updated_at,id)<(?,?)", "ROW(updated_at, id) < ROW(")), (
        lines
    )
    assert not sorts(lines), lines
