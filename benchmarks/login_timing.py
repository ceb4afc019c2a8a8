"""Whether the time that a refused log-in takes tells why it was refused.

    python -m benchmarks.login_timing [--rounds 10] [--samples 2000] [--without-dummy-hash]

A classifier sees the times of two kinds of failure; its AUC is 0.5 when it can only guess. The
kinds are sent in random order over one connection, so that whatever else happens burdens all.
Fewer hashing rounds hide less: what is equal at 4 is equal at 12.
"""

import argparse
import math
import random
import sqlite3
import sys
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import combinations

import httpx

from benchmarks.table import print_table, quartiles, verdict
from tests.conftest import migrate
from tests.factories import PASSWORD, new_email
from tests.processes.workers import server_environment, worker_processes
from tests.servers import running_redis

MOST_DEVIATION = 0.03
WARM_UP = 20
Z95 = 1.96
KINDS = ("wrong password", "unknown e-mail", "empty password", "disabled account", "over-long")


def auc(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """The chance that a time of `second` is the longer one, ties half, and its 95 % half-width.

    Source: Mann and Whitney 1947; Hanley and McNeil, Radiology 143 (1982), eq. 2.
    """
    ordered = sorted(first)
    wins = sum(bisect_left(ordered, x) + bisect_right(ordered, x) for x in second) / 2
    n, m = len(first), len(second)
    area = wins / (n * m)
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)
    return area, Z95 * math.sqrt(max(0.0, variance) / (n * m))


def measure(client: httpx.Client, database: str, samples: int) -> dict[str, list[float]]:
    """Seconds of every refusal, by its kind."""
    active, disabled = sign_up(client), sign_up(client)
    with sqlite3.connect(database) as db:
        db.execute("UPDATE users SET is_active = 0 WHERE email = ?", [disabled])
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(samples + WARM_UP):
        for kind in random.sample(KINDS, len(KINDS)):
            body = attempt(kind, active=active, disabled=disabled)
            started = time.perf_counter()
            answer = client.post("/auth/login", json=body)
            elapsed = time.perf_counter() - started
            assert answer.status_code == httpx.codes.UNAUTHORIZED, answer.text
            if number >= WARM_UP:
                taken[kind].append(elapsed)
    return taken


def attempt(kind: str, *, active: str, disabled: str) -> dict[str, str]:
    """The body of a log-in that fails for this reason."""
    return {
        "wrong password": {"email": active, "password": PASSWORD + "x"},
        "unknown e-mail": {"email": new_email(), "password": PASSWORD},
        "empty password": {"email": active, "password": ""},
        "disabled account": {"email": disabled, "password": PASSWORD},
        "over-long": {"email": active, "password": PASSWORD * 10},
    }[kind]


def sign_up(client: httpx.Client) -> str:
    email = new_email()
    answer = client.post("/auth/signup", json={"email": email, "password": PASSWORD})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return email


def against_a_server(*, app: str, rounds: int, samples: int) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory() as folder, running_redis() as redis:
        database = f"{folder}/timing.db"
        url = f"sqlite+aiosqlite:///{database}"
        migrate(url, "head")
        environment = server_environment(
            database_url=url,
            redis_url=redis.url,
            BCRYPT_ROUNDS=str(rounds),
            RATE_LIMITS="off",
        )
        with worker_processes(1, environment, app=app) as (worker,):
            base = worker.base
            with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
                return measure(client, database, samples)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--without-dummy-hash", action="store_true")
    options = parser.parse_args()
    app = "benchmarks.no_dummy_server:app" if options.without_dummy_hash else "src.main:app"
    taken = against_a_server(app=app, rounds=options.rounds, samples=options.samples)
    print_table(
        f"Refused log-ins, {options.samples} of each kind, bcrypt {options.rounds}",
        ["kind", "median", "first quartile", "third"],
        [_row(kind, times) for kind, times in taken.items()],
    )
    areas = {pair: auc(taken[pair[0]], taken[pair[1]]) for pair in combinations(KINDS, 2)}
    print_table(
        "Classifier, by time alone",
        ["kinds", "AUC", "95 % interval"],
        [
            (" / ".join(pair), f"{area:.3f}", f"{area - width:.3f} to {area + width:.3f}")
            for pair, (area, width) in areas.items()
        ],
    )
    return verdict(
        f"every AUC is 0.50 ± {MOST_DEVIATION}",
        kept=all(abs(area - 0.5) <= MOST_DEVIATION for area, _ in areas.values()),
    )


def _row(kind: str, times: Sequence[float]) -> list[str]:
    first, median, third = quartiles(times)
    return [kind, *(f"{value * 1000:.2f} ms" for value in (median, first, third))]


if __name__ == "__main__":
    sys.exit(main())
