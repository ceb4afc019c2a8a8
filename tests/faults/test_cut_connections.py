"""Connections to Redis that are cut at the worst moments: no session ends, none forks."""

import httpx
import pytest

from tests.factories import problem, refresh, sign_up
from tests.faults.figures import note
from tests.faults.ledger import Ledger, expect_all_go_on, workers_on
from tests.faults.proxy import CuttingProxy, Moment
from tests.processes.workers import statuses
from tests.servers import tcp_redis

pytestmark = pytest.mark.faults

REFRESHES = 300
STRICT_REFRESHES = 20
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


@pytest.mark.one_database
@pytest.mark.parametrize("moment", Moment)
async def test_without_grace_our_own_second_attempt_is_no_reuse(
    database_url: str, moment: Moment
) -> None:
    with tcp_redis() as redis_server:
        async with (
            CuttingProxy(redis_server.port).listening() as proxy,
            workers_on(
                database_url,
                f"redis://127.0.0.1:{proxy.port}",
                count=1,
                REFRESH_GRACE_SECONDS="0",
            ) as workers,
        ):
            ledger = Ledger(await sign_up(workers.next))
            for _ in range(STRICT_REFRESHES):
                presented = ledger.current
                proxy.cut_next(moment, times=ONE_CUT)
                assert (await ledger.refresh(workers.next, presented)).status_code == 200
                proxy.disarm()
            spent = await refresh(workers.next, presented)
            assert (spent.status_code, problem(spent)) == (401, "refresh-token-reused")
