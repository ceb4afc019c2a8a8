"""Log-ins and sign-ups, which are bcrypt for the most part, beside bcrypt alone."""

import json
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.api import Work
from benchmarks.race import LOAD_CORES, SERVER_CORES, Cost, Costs, Entry, cost_of

RAW_ONE, RAW_TWO = "bcrypt alone, one core", "bcrypt alone, two cores"
AT_ONCE = 8
FEW_AT_ONCE = 4  # where only the order of magnitude matters
RAW_SECONDS = 120


async def hashing_race(ours: Sequence[Entry], others: Sequence[Entry], *, rounds: int) -> Costs:
    """In turn, as in the race; but here by the number of requests, which take long each."""
    costs: Costs = {}

    def note(name: str, work: Work, cost: Cost) -> None:
        costs.setdefault((name, work), []).append(cost)

    for _ in range(rounds):
        note(RAW_ONE, Work.LOG_IN, raw_bcrypt(SERVER_CORES))
        note(RAW_TWO, Work.LOG_IN, raw_bcrypt(SERVER_CORES | LOAD_CORES))
        for entry in (*ours, *others):
            clients = entry.clients[: AT_ONCE if entry in ours else FEW_AT_ONCE]
            for work in (Work.LOG_IN, Work.SIGN_UP):
                note(entry.name, work, await cost_of(entry, work, clients))
    return costs


def raw_bcrypt(cores: set[int]) -> Cost:
    """Of one hash, by a process of its own on these cores."""
    names = ",".join(map(str, sorted(cores)))
    command = [sys.executable, "-m", "benchmarks.raw_bcrypt", str(AT_ONCE), names]
    done = subprocess.run(command, check=True, capture_output=True, timeout=RAW_SECONDS)
    return Cost(**json.loads(done.stdout))
