"""Redis put back to an older snapshot: whoever holds which token, there is never a second chain."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.factories import refresh
from tests.faults.figures import note
from tests.faults.ledger import Ledger, sign_up_many, under_load, workers_on
from tests.processes.workers import Workers
from tests.servers import RedisServer, running_redis
from tests.tokens import claims_of

pytestmark = pytest.mark.faults

APPEND_ONLY = ("--appendonly", "yes", "--appendfsync", "always")
SESSIONS = 12
ROTATIONS = 10  # of each session since the snapshot, at least
STEPS = 5  # of those who come with an old token; fewer than that


async def test_an_older_snapshot_grants_no_second_chain(
    database_url: str,
    tmp_path: Path,
) -> None:
    with running_redis(*APPEND_ONLY) as server:
        async with workers_on(database_url, server.url, count=2) as workers:
            ledgers = await sign_up_many(workers, SESSIONS)
            (slow,) = await sign_up_many(workers, 1)
            async with under_load(workers, ledgers):
                await rotated(ledgers)
            old = [ledger.current for ledger in ledgers]
            shutil.copytree(folder_of(server), tmp_path / "snapshot", ignore=sockets)
            await slow.refresh(workers.next, slow.current)
            async with under_load(workers, ledgers):
                await rotated(ledgers)
                server.kill()
            put_back(tmp_path / "snapshot", server)
            granted = await who_comes_with_what(workers, ledgers, old)
            assert (await refresh(workers.next, slow.current)).status_code == 200
            for ledger in ledgers:  # it ended, for all who took part
                for token in (ledger.current, *tokens_of(ledger)[-STEPS:]):
                    assert (await refresh(workers.next, token)).status_code == 401
    # Their times are of now, and who they are is what it was.
    forks = sum(
        jti not in {*map(jti_of, tokens_of(ledger))}
        for ledger, tokens in granted
        for jti in map(jti_of, tokens)
    )
    again = sum(len(tokens) for _, tokens in granted)
    note(
        "Redis put back to an older snapshot",
        "no second chain",
        f"{SESSIONS} sessions that had gone on: {again} tokens granted once more, {forks} of them "
        "others than before; all ended when both came; one that was a step ahead goes on",
    )
    assert forks == 0
    assert again, "no old token was current again"


async def who_comes_with_what(
    workers: Workers,
    ledgers: list[Ledger],
    old: list[str],
) -> list[tuple[Ledger, list[str]]]:
    """The owner has the newest token, a thief that of the snapshot. What each session granted."""
    granted = []
    for number, (ledger, stolen) in enumerate(zip(ledgers, old, strict=True)):
        thief, owner = chain(workers, stolen), chain(workers, ledger.current)
        if number % 3 == 0:
            tokens = [*await thief, *await owner]
        elif number % 3 == 1:
            tokens = [*await owner, *await thief]
        else:
            both = await asyncio.gather(thief, owner)
            tokens = [*both[0], *both[1]]
        granted.append((ledger, tokens))
    return granted


async def chain(workers: Workers, refresh_token: str) -> list[str]:
    """The tokens that are granted one after the other, at most so many steps."""
    tokens = [refresh_token]
    for _ in range(STEPS):
        response = await refresh(workers.next, tokens[-1])
        if response.status_code != 200:
            assert response.status_code == 401, response.text
            break
        tokens.append(response.json()["refresh_token"])
    return tokens[1:]


async def rotated(ledgers: list[Ledger]) -> None:
    """Wait until every session has rotated so many times more."""
    wanted = [ledger.rotations + ROTATIONS for ledger in ledgers]
    while any(each.rotations < least for each, least in zip(ledgers, wanted, strict=True)):  # noqa: ASYNC110
        await asyncio.sleep(0.05)  # nobody announces a rotation


def tokens_of(ledger: Ledger) -> list[str]:
    """All that its owner has got, in their order."""
    return [token for successors in ledger.successors.values() for token in successors]


def jti_of(refresh_token: str) -> str:
    return str(claims_of(refresh_token)["jti"])


def folder_of(server: RedisServer) -> Path:
    return server.socket.parent


def sockets(_: str, names: list[str]) -> set[str]:
    return {name for name in names if name.endswith(".sock")}


def put_back(snapshot: Path, server: RedisServer) -> None:
    """Start the server that was killed with the data of the snapshot alone."""
    for path in folder_of(server).iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(snapshot, folder_of(server), dirs_exist_ok=True)
    server.start()
