"""Calls of a script that begin together: each gets its own reply, whatever others come to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from src.core import redis as core_redis
from src.core import redis_scripts
from src.core.errors import ServiceUnavailable
from src.core.metrics import Metrics, telling
from src.core.redis import build_redis
from src.core.redis_scripts import MOST_TOGETHER, Script, load_script
from tests.faults.proxy import CuttingProxy, Moment
from tests.servers import RedisServer, tcp_redis

COUNT = "ran"
ECHO = f"""
redis.call('INCR', '{COUNT}')
if ARGV[1] == 'refused' then return redis.error_reply('ERR refused') end
if ARGV[1] == 'no master at first' and redis.call('INCR', KEYS[1]) == 1 then
  return redis.error_reply('READONLY refused')
end
return {{KEYS[1], ARGV[1], ARGV[2]}}
"""
SOME = 20
SHORT_SECONDS = 0.06
PATIENCE_SECONDS = 10.0


class Counter(Metrics):
    """Counts what is told of Redis."""

    unavailable = 0

    def redis_unavailable(self) -> None:
        self.unavailable += 1


class Echo:
    """Calls of a script that says what it was told, in a Redis that may be frozen."""

    def __init__(self, redis: Redis, script: Script) -> None:
        self.redis = redis
        self._script = script
        self._number = 0

    async def call(self, word: str = "") -> None:
        """Raises: AssertionError when the reply is another call's."""
        self._number += 1
        told = [f"key-{self._number}", word, str(self._number)]
        assert await self._script(told[:1], told[1:]) == told

    def begin(self, count: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.call()) for _ in range(count)]

    async def ran(self) -> int:
        return int(await self.redis.get(COUNT) or 0)

    @property
    def connections_in_use(self) -> int:
        return len(self.redis.connection_pool._in_use_connections)

    async def sent(self, batches: int) -> None:
        """Wait until so many batches wait for their replies."""
        await until(lambda: self.connections_in_use == batches)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.005)


async def outcomes(calls: list[asyncio.Task[None]]) -> set[type[BaseException] | None]:
    """What came of them: None is the call's own reply."""
    return {type(each) if each else None for each in await gathered(calls)}


async def gathered(calls: list[asyncio.Task[None]]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with tcp_redis() as started:
        yield started


@pytest.fixture
async def echo(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Echo]:
    monkeypatch.setattr(redis_scripts, "script_source", lambda *_: ECHO)
    server.ask("FLUSHALL")
    async with echo_at(server.url) as started:
        yield started


@asynccontextmanager
async def echo_at(url: str) -> AsyncIterator[Echo]:
    redis = build_redis(url)
    await redis.ping()
    try:
        yield Echo(redis, load_script(redis, "any", "echo.lua"))
    finally:
        await redis.aclose()


async def test_calls_that_begin_together_are_sent_together(echo: Echo, server: RedisServer) -> None:
    await echo.call()
    before = server.ask("INFO", "stats")["total_reads_processed"]
    assert await outcomes(echo.begin(SOME)) == {None}
    reads = server.ask("INFO", "stats")["total_reads_processed"] - before
    assert reads < SOME / 2


async def test_a_batch_is_bounded_and_holds_up_none_that_begins_later(
    echo: Echo, server: RedisServer
) -> None:
    with server.frozen():
        first = echo.begin(MOST_TOGETHER + 1)
        await echo.sent(batches=2)
        later = echo.begin(SOME)
        await echo.sent(batches=3)
    assert await outcomes([*first, *later]) == {None}


async def test_only_the_call_that_is_refused_is_told_so(echo: Echo) -> None:
    calls = echo.begin(SOME)
    refused = asyncio.create_task(echo.call("refused"))
    calls += echo.begin(SOME)
    assert await outcomes([refused]) == {ServiceUnavailable}
    assert await outcomes(calls) == {None}


async def test_a_script_that_redis_forgot_runs_once_for_each_call(
    echo: Echo, server: RedisServer
) -> None:
    for _ in range(2):
        server.ask("SCRIPT", "FLUSH")
        assert await outcomes(echo.begin(SOME)) == {None}
    assert await echo.ran() == 2 * SOME


async def test_who_leaves_takes_no_reply_of_those_who_stay_or_come(
    echo: Echo, server: RedisServer
) -> None:
    with server.frozen():
        calls = echo.begin(SOME)
        await echo.sent(batches=1)
        for leaving in calls[::2]:
            leaving.cancel()
        assert await outcomes(calls[::2]) == {asyncio.CancelledError}
        calls = calls[1::2] + echo.begin(SOME)
    assert await outcomes(calls) == {None}
    assert await outcomes(echo.begin(SOME)) == {None}


@pytest.mark.parametrize("leaving", [True, False])
async def test_replies_that_come_too_late_reach_nobody(
    echo: Echo, server: RedisServer, monkeypatch: pytest.MonkeyPatch, *, leaving: bool
) -> None:
    monkeypatch.setattr(core_redis, "DEADLINE_SECONDS", SHORT_SECONDS)
    await echo.call()
    listener = Counter()
    with server.frozen(), telling(listener):
        calls = echo.begin(SOME)
        await echo.sent(batches=1)
        if leaving:
            for each in calls:
                each.cancel()
        expected = asyncio.CancelledError if leaving else ServiceUnavailable
        assert await outcomes(calls) == {expected}
        await until(lambda: not echo.connections_in_use)
    assert listener.unavailable == (0 if leaving else SOME)
    monkeypatch.undo()
    assert await outcomes(echo.begin(SOME)) == {None}


@pytest.mark.parametrize("moment", [Moment.AFTER, Moment.MID_REPLY])
async def test_what_a_lost_connection_left_unanswered_is_sent_once_more(
    echo: Echo, server: RedisServer, moment: Moment
) -> None:
    async with (
        CuttingProxy(server.port).listening() as proxy,
        echo_at(f"redis://127.0.0.1:{proxy.port}") as through,
    ):
        await through.call()
        proxy.cut_next(moment, times=1)
        assert await outcomes(through.begin(SOME)) == {None}
        assert await echo.ran() > 1 + SOME
        proxy.cut_next(moment, times=2)
        assert ServiceUnavailable in await outcomes(through.begin(SOME))
        assert await outcomes(through.begin(SOME)) == {None}


async def test_who_is_no_master_is_left_and_asked_once_more(
    echo: Echo, server: RedisServer
) -> None:
    await echo.call()
    before = connections_to(server)
    calls = [*echo.begin(SOME), asyncio.create_task(echo.call("no master at first"))]
    assert await outcomes(calls) == {None}
    assert await echo.ran() == 1 + SOME + 2
    assert connections_to(server) - before == 1 + 1  # and the one that asks how many


def connections_to(server: RedisServer) -> int:
    """Since its start."""
    return int(server.ask("INFO", "stats")["total_connections_received"])


async def test_a_batch_that_all_have_left_makes_no_connection_again(
    echo: Echo, server: RedisServer
) -> None:
    with server.frozen():
        calls = echo.begin(SOME)
        await echo.sent(batches=1)
        for each in calls:
            each.cancel()
        await gathered(calls)
        await echo.redis.aclose()
    await until(lambda: not echo.connections_in_use)
    assert server.ask("INFO", "clients")["connected_clients"] == 1  # the one that asks
