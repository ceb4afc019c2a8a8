"""Many sessions in a Redis at once, opened by the very script that log-in runs."""

import socket
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import redis

from src.auth.refresh_tokens import Link
from src.auth.store import keys
from src.auth.store.sessions import SCRIPTS
from src.core.redis_scripts import script_source
from tests.servers import RedisServer

IDLE, ABSOLUTE = timedelta(days=7), timedelta(days=30)
CAP = 100_000
DEVICE, ADDRESS = "Firefox on Windows", "203.0.113.200"
AT_ONCE = 1_000
PIPE_SECONDS = 600.0


@dataclass(frozen=True)
class LoadedSessions:
    """Sessions that are numbered from 0, `per_user` of them for each user."""

    count: int
    per_user: int = 1
    user_id: UUID | None = None  # of the only user, where there is one

    def link(self, number: int) -> Link:
        """The session's first link, computed: a million need not be remembered."""
        user = self.user_id or UUID(int=(4 << 76) + (2 << 62) + number // self.per_user)
        return Link(user, f"s{number:015}", generation=0, jti=f"j{number:021}", parent_hash="")


def load(server: RedisServer, sessions: LoadedSessions, *, device: str = DEVICE) -> None:
    """Open all of them. Raises: AssertionError when Redis does not have them afterwards."""
    with redis.Redis.from_url(server.url) as client:
        sha = client.script_load(script_source(SCRIPTS, "issue.lua"))
        before = int(client.dbsize())
        with socket.socket(socket.AF_UNIX) as pipe:
            pipe.settimeout(PIPE_SECONDS)
            pipe.connect(str(server.socket))
            # Answers would have to be read in between; the number of keys says the same.
            pipe.sendall(_command("CLIENT", "REPLY", "OFF"))
            for start in range(0, sessions.count, AT_ONCE):
                numbers = range(start, min(start + AT_ONCE, sessions.count))
                pipe.sendall(b"".join(_issue(sha, sessions.link(n), device) for n in numbers))
            pipe.sendall(_command("CLIENT", "REPLY", "ON"))
            assert pipe.recv(16).startswith(b"+OK")
        users = -(-sessions.count // sessions.per_user) if sessions.user_id is None else 1
        added = int(client.dbsize()) - before
        assert sessions.count <= added <= sessions.count + users


def _issue(sha: str, link: Link, device: str) -> bytes:
    index = keys.session_index(link.user_id)
    session = keys.session(link.user_id, link.session_id)
    idle, absolute = (str(int(each.total_seconds() * 1000)) for each in (IDLE, ABSOLUTE))
    arguments = (link.session_id, link.jti_hash, idle, absolute, str(CAP), device, ADDRESS, "0")
    by_cap = keys.ended_lately(link.user_id, "cap")
    return _command("EVALSHA", sha, "3", index, session, by_cap, *arguments)


def _command(*words: str) -> bytes:
    """One command as Redis reads it.

    Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """
    encoded = [word.encode() for word in words]
    bulks = b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in encoded)
    return b"*%d\r\n%b" % (len(encoded), bulks)
