"""Connections to Redis that are cut at the worst moments: no session ends, none forks."""

import functools

import httpx
import pytest

from tests.factories import Person, log_in, sign_up
from tests.faults.figures import note
from tests.faults.ledger import Ledger, expect_all_go_on, workers_on
from tests.faults.proxy import CuttingProxy, Moment
from tests.processes.workers import statuses, until
from tests.servers import tcp_redis
from tests.tokens import claims_of

pytestmark = pytest.mark.faults

REFRESHES = 300
ONE_CUT, CUT_AGAIN = 1, 2


@pytest.mark.parametrize("moment", Moment)
async def test_a_cut_connection_costs_at_most_a_503(database_url: str, moment: Moment) -> None:
    answers: dict[int, list[httpx.Response]] = {ONE_CUT: [], CUT_AGAIN: []}
    with tcp_redis() as redis_server:
        async with (
            CuttingProxy(redis_server.port).listening() as proxy,
            workers_on(database_url, f"redis://127.0.0.1:{proxy.port}", count=1) as workers,
        ):
            ledger = Ledger(await sign_up(workers.next))
            for number in range(REFRESHES):
                times = CUT_AGAIN if number % 2 else ONE_CUT
                presented = ledger.current
                proxy.cut_next(moment, times=times)
                answers[times].append(await ledger.refresh(workers.next, presented))
                proxy.disarm()
                again = await ledger.refresh(workers.next, presented)
                assert again.status_code == 200
            await expect_all_go_on(workers, [ledger])
            cuts = proxy.cuts
    note(
        f"Redis connection cut {moment}, {cuts} times",
        "one cut costs nothing, two a 503; 0 double spends, 0 false revocations",
        f"cut once {statuses(answers[ONE_CUT])}, twice {statuses(answers[CUT_AGAIN])}",
    )
    assert cuts == REFRESHES // 2 * (ONE_CUT + CUT_AGAIN)
    assert statuses(answers[ONE_CUT]) == {200: REFRESHES // 2}
    assert statuses(answers[CUT_AGAIN]) == {503: REFRESHES // 2}


@pytest.mark.parametrize("moment", Moment)
async def test_a_global_log_out_that_was_cut_reaches_every_access_token_when_repeated(
    database_url: str,
    moment: Moment,
) -> None:
    with tcp_redis() as redis_server:
        async with (
            CuttingProxy(redis_server.port).listening() as proxy,
            workers_on(database_url, f"redis://127.0.0.1:{proxy.port}", count=1) as workers,
        ):
            client = workers.next
            for scripts_before in (0, 1):
                laptop = await sign_up(client)
                phone = await log_in(client, laptop)
                proxy.cut_next(moment, times=CUT_AGAIN, after=scripts_before)
                assert (await log_out_everywhere(client, laptop)).status_code == 503
                assert (await log_out_everywhere(client, laptop)).status_code == 204
                for each in (laptop, phone):
                    me = functools.partial(client.get, "/auth/me", headers=each.authorization)
                    await until(me, 401, within=1.0)
            assert proxy.cuts == 2 * CUT_AGAIN


@pytest.mark.parametrize("moment", Moment)
async def test_a_session_whose_end_was_cut_is_refused_at_once_and_tells_why_it_ended(
    database_url: str,
    moment: Moment,
) -> None:
    with tcp_redis() as redis_server:
        async with (
            CuttingProxy(redis_server.port).listening() as proxy,
            workers_on(database_url, f"redis://127.0.0.1:{proxy.port}", count=1) as workers,
        ):
            client = workers.next
            for scripts_before in (0, 1):
                laptop = await sign_up(client)
                tablet, phone = await log_in(client, laptop), await log_in(client, laptop)
                assert (
                    await end(client, laptop, tablet)
                ).status_code == 204  # Redis has the scripts
                proxy.cut_next(moment, times=ONE_CUT, after=scripts_before)
                assert (await end(client, laptop, phone)).status_code == 204
                me = functools.partial(client.get, "/auth/me", headers=phone.authorization)
                await until(me, 401, within=1.0)
                events = await client.get("/auth/events", headers=laptop.authorization)
                assert events.text.count("ended-by-owner") == 2
            assert proxy.cuts == 2 * ONE_CUT


async def log_out_everywhere(client: httpx.AsyncClient, person: Person) -> httpx.Response:
    scope = {"scope": "global"}
    return await client.post("/auth/logout", json=scope, headers=person.authorization)


async def end(client: httpx.AsyncClient, owner: Person, other: Person) -> httpx.Response:
    address = f"/auth/sessions/{claims_of(other.access_token)['sid']}"
    return await client.delete(address, headers=owner.authorization)
