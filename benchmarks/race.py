"""The race: everybody serves from the start, and they take turns in slices of processor time."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.api import Person, Work
from benchmarks.contestants import Contestant
from benchmarks.load import Client, Tally, for_seconds, once, repeat
from benchmarks.processes import Server, serving
from benchmarks.unseen_tokens import give_unseen_tokens
from tests.servers import free_port

SERVER_CORES, LOAD_CORES = {0}, {1}
PEOPLE = 16
PREPARE_SECONDS = 60
WARM_UP_ROUNDS = 1
UNSEEN_A_SECOND = 6_000  # of a slice; to sign one with RS256 takes a millisecond
MOST_WAITING = 4  # times as long as a slice takes where the server has its core for itself


class Cost(NamedTuple):
    """Seconds that one answer took on average: of the server's processor, and by the clock."""

    processor: float
    elapsed: float


Costs = dict[tuple[str, Work], list[Cost]]  # one for each round


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
    if not entry.offers(Work.SIGN_UP):
        return
    _require_none_failed(entry, Work.SIGN_UP, await once(Work.SIGN_UP, entry.clients))
    if not all(client.person.access_token for client in entry.clients):
        _require_none_failed(entry, Work.LOG_IN, await once(Work.LOG_IN, entry.clients))
    for client in entry.clients:
        client.close()


async def borrow_people(entry: Entry, owner: Entry) -> None:
    """Give a variant of a contestant that has the same stores the people of that contestant.

    It costs one refresh each, so that they have access tokens of the variant, where two slow
    password hashes would be the price of an account. Afterwards they refresh at the owner's only.
    """
    for client, theirs in zip(entry.clients, owner.clients, strict=True):
        client.person.email = theirs.person.email
        client.person.refresh_token = theirs.person.refresh_token
    _require_none_failed(entry, Work.REFRESH, await once(Work.REFRESH, entry.clients))
    for client, theirs in zip(entry.clients, owner.clients, strict=True):
        theirs.person.refresh_token = client.person.refresh_token
        client.close()


async def cost_of(
    entry: Entry,
    work: Work,
    clients: Sequence[Client],
    *,
    seconds: float = 0,
) -> Cost:
    """Of one answer. The clients ask until the server has used so much time, or else once each.

    Connecting is free. A slice ends earlier when no unseen tokens are left. Raises: RuntimeError
    when a request failed: then the figure would be of something else.
    """
    if work is Work.VERIFY_UNSEEN:
        people = [client.person for client in clients]
        each = round(seconds * UNSEEN_A_SECOND) // len(people)
        give_unseen_tokens(entry.contestant, people, each=each)
    for client in clients:
        await client.connect()
    used, started = entry.server.processor_clock(), time.perf_counter()
    if seconds:
        not_too_long = for_seconds(seconds * MOST_WAITING)
        tally = await repeat(work, clients, going_on=lambda: used() < seconds and not_too_long())
    else:
        tally = await once(work, clients)
    processor, elapsed = used(), time.perf_counter() - started
    for client in clients:
        client.close()
    _require_none_failed(entry, work, tally)
    return Cost(processor / len(tally.seconds), elapsed / len(tally.seconds))


async def race(entries: Sequence[Entry], *, rounds: int, seconds: float) -> Costs:
    """Round after round of slices, everybody in turn."""
    costs: Costs = {}
    for number in range(WARM_UP_ROUNDS + rounds):
        for entry in entries:
            for work in filter(entry.offers, entry.contestant.timed):
                cost = await cost_of(entry, work, entry.clients, seconds=seconds)
                if number >= WARM_UP_ROUNDS:
                    costs.setdefault((entry.name, work), []).append(cost)
    return costs


def _require_none_failed(entry: Entry, work: Work, tally: Tally) -> None:
    if tally.failed:
        raise RuntimeError(f"{entry.name}: {tally.failed} of {work} failed: {tally.last_failure}")
