"""The race: everybody serves from the start, and they take turns in short slices."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.api import Person, Work
from benchmarks.contestants import Contestant
from benchmarks.load import Client, Tally, once, repeat
from benchmarks.processes import Server, free_port, serving

SERVER_CORES, LOAD_CORES = {0}, {1}
PEOPLE = 16
PREPARE_SECONDS = 60
WARM_UP_ROUNDS = 1
TIMED = (Work.PROFILE, Work.VERIFY, Work.REFRESH)

Costs = dict[tuple[str, Work], list[float]]  # processor seconds per answer, one for each round


@dataclass(frozen=True)
class Entry:
    """A contestant that serves, and the people who use it."""

    contestant: Contestant
    server: Server
    clients: list[Client]

    @property
    def name(self) -> str:
        return self.contestant.name

    def offers(self, work: Work) -> bool:
        return work in self.contestant.api.endpoints


@contextmanager
def entered(
    contestant: Contestant,
    folder: Path,
    *,
    cores: set[int] = SERVER_CORES,
) -> Iterator[Entry]:
    """Serving until the block ends."""
    port = free_port()
    environment = dict(contestant.environment)
    if contestant.prepare:
        subprocess.run(
            [contestant.python, *contestant.prepare],
            cwd=folder,
            env=environment,
            check=True,
            timeout=PREPARE_SECONDS,
            stdout=subprocess.DEVNULL,
        )
    with serving(
        contestant.command_at(port),
        port=port,
        environment=environment,
        folder=folder,
        cores=cores,
        path=contestant.is_alive,
    ) as server:
        people = [Person() for _ in range(PEOPLE)]
        yield Entry(contestant, server, [Client(contestant.api, one, port) for one in people])


async def admit_people(entry: Entry) -> None:
    """Give everybody an account and a session. Raises: RuntimeError when one is refused."""
    if not entry.contestant.has_people:
        return
    for work in (Work.SIGN_UP, Work.LOG_IN):
        _require_none_failed(entry, work, await once(work, entry.clients))
    for client in entry.clients:
        client.close()


async def processor_seconds_per_answer(entry: Entry, work: Work, *, seconds: float) -> float:
    """What one answer costs the server. Connecting is not counted.

    Raises: RuntimeError when a request failed: then the figure would be of something else.
    """
    for client in entry.clients:
        await client.connect()
    before = entry.server.processor_seconds()
    tally = await repeat(work, entry.clients, seconds=seconds)
    used = entry.server.processor_seconds() - before
    for client in entry.clients:
        client.close()
    _require_none_failed(entry, work, tally)
    return used / len(tally.seconds)


async def race(entries: Sequence[Entry], *, rounds: int, seconds: float) -> Costs:
    """Round after round of slices, everybody in turn."""
    costs: Costs = {}
    for number in range(WARM_UP_ROUNDS + rounds):
        for entry in entries:
            for work in filter(entry.offers, TIMED):
                cost = await processor_seconds_per_answer(entry, work, seconds=seconds)
                if number >= WARM_UP_ROUNDS:
                    costs.setdefault((entry.name, work), []).append(cost)
    return costs


def _require_none_failed(entry: Entry, work: Work, tally: Tally) -> None:
    if tally.failed:
        raise RuntimeError(f"{entry.name}: {tally.failed} of {work} failed")
