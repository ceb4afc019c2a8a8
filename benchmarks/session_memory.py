"""Bytes of Redis memory for each session, its share of the index included.

    python -m benchmarks.session_memory [--sessions 100000]

Every session was refreshed once with an Idempotency-Key, so that all its fields are filled.
"""

import argparse
import sys

import redis

from benchmarks.table import print_table, verdict
from src.auth.store import keys
from tests.loading import DEVICE, LoadedSessions, load
from tests.servers import RedisServer, running_redis

MOST_BYTES = 500
LONGEST_DEVICE = "d" * 64
KEY_HASH = "h" * 11
AT_ONCE = 1_000


def bytes_per_session(count: int, *, per_user: int, device: str) -> float:
    with running_redis() as server, redis.Redis.from_url(server.url) as client:
        before = int(client.info("memory")["used_memory"])
        sessions = LoadedSessions(count, per_user)
        load(server, sessions, device=device)
        fill(server, sessions)
        assert client.dbsize() == count + -(-count // per_user)
        encoding = client.object("encoding", _key(sessions, 0))
        assert encoding in (b"ziplist", b"listpack"), encoding
        return (int(client.info("memory")["used_memory"]) - before) / count


def fill(server: RedisServer, sessions: LoadedSessions) -> None:
    """The fields that a first refresh fills, in the lengths that it writes."""
    with redis.Redis.from_url(server.url) as client:
        for start in range(0, sessions.count, AT_ONCE):
            with client.pipeline(transaction=False) as pipeline:
                for number in range(start, min(start + AT_ONCE, sessions.count)):
                    values = {"n": "1", "k": KEY_HASH}
                    pipeline.hset(_key(sessions, number), mapping=values)
                pipeline.execute()


def _key(sessions: LoadedSessions, number: int) -> str:
    link = sessions.link(number)
    return keys.session(link.user_id, link.session_id)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    count = parser.parse_args().sessions
    cases = [(1, DEVICE), (2, DEVICE), (3, DEVICE), (5, DEVICE), (20, DEVICE), (20, LONGEST_DEVICE)]
    measured = [bytes_per_session(count, per_user=n, device=device) for n, device in cases]
    print_table(
        f"Redis memory, {count:,} sessions",
        ["sessions a user", "device text", "bytes a session"],
        [
            (n, f"{len(device)} bytes", f"{size:.0f}")
            for (n, device), size in zip(cases, measured, strict=True)
        ],
    )
    return verdict(
        f"at most {MOST_BYTES} bytes a session with device and index",
        kept=max(measured) <= MOST_BYTES,
    )


if __name__ == "__main__":
    sys.exit(main())
