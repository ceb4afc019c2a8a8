"""Verify the history of authentication from the command line."""

import asyncio

from src.auth.store import events
from src.auth.store.events import Chain
from src.core.db import build_engine, build_sessionmaker
from src.first_run.failures import ChainBroken
from src.first_run.schema import failures_explained, require_current


def verify_history(database_url: str, *, expected_head: str | None) -> Chain:
    """The chain, when all of it is as it was written.

    `expected_head` is a head noted earlier. Raises: `ChainBroken`, `DatabaseUnavailable`.
    """
    require_current(database_url)
    with failures_explained(database_url):
        chain = asyncio.run(_verify(database_url, expected_head))
    if chain.first_bad is not None:
        raise ChainBroken(
            f"Row {chain.first_bad} of auth_events is not what was written there: it was changed, "
            f"moved, added or, with rows after it, removed. The {chain.count} rows before it are "
            "sound. Compare with a backup."
        )
    if not chain.has_expected:
        raise ChainBroken(
            f"No row of auth_events has the head {expected_head}: its end was cut off or "
            f"rewritten. It has {chain.count} rows now. Compare with a backup."
        )
    return chain


async def _verify(database_url: str, expected_head: str | None) -> Chain:
    engine = build_engine(database_url, command_seconds=None)
    try:
        async with build_sessionmaker(engine)() as db:
            return await events.verify(db, expected=expected_head)
    finally:
        await engine.dispose()
