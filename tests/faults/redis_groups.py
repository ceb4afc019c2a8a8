"""A Redis Cluster, and a master with its replica and sentinels, of our own on loopback."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from tests.servers import RedisServer, free_port, redis_binary, tcp_redis

START_SECONDS = 60.0
POLL_SECONDS = 0.05
NODE_TIMEOUT_MS = 1_000
# Where no node is to fail: one that only waits for the processor shall not be taken for dead.
PATIENT_TIMEOUT_MS = 15_000
SERVICE = "latchkey"
SLOTS = 16_384
MASTERS = 3


class RedisGroupServers:
    """Servers that act as one Redis, and the URL by which the API finds them."""

    def __init__(self, url: str, servers: list[RedisServer]) -> None:
        self.url = url
        self.servers = servers

    def masters(self, *, besides: RedisServer | None = None) -> list[RedisServer]:
        """The servers that say that they are masters, those with the most keys first.

        One that is known not to answer is not asked.
        """
        asked = [s for s in self.servers if s is not besides]
        return sorted((s for s in asked if role_of(s) == "master"), key=keys_of, reverse=True)


@contextmanager
def redis_cluster(*, replicas: int = 0) -> Iterator[RedisGroupServers]:
    """Three masters that share the slots, each with as many replicas, which may take over."""
    with ExitStack() as stack:
        options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            str(NODE_TIMEOUT_MS if replicas else PATIENT_TIMEOUT_MS),
            "--cluster-replica-validity-factor",
            "0",
        ]
        servers = [
            stack.enter_context(tcp_redis(*options)) for _ in range(MASTERS * (1 + replicas))
        ]
        _join(servers, replicas=replicas)
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        yield RedisGroupServers(f"redis+cluster://{hosts}", servers)


@contextmanager
def redis_behind_sentinels(
    count: int = 3, *, timeout_ms: int = NODE_TIMEOUT_MS
) -> Iterator[RedisGroupServers]:
    """A master with one replica, and sentinels that promote it some time after its last word."""
    with ExitStack() as stack:
        master = stack.enter_context(tcp_redis())
        replica = stack.enter_context(tcp_redis("--replicaof", "127.0.0.1", str(master.port)))
        wait_until(lambda: _link_is_up(replica), "the replica does not follow")
        ports = [stack.enter_context(_sentinel(master, timeout_ms)) for _ in range(count)]
        wait_until(
            lambda: all(_is_informed(port, others=count - 1) for port in ports),
            "the sentinels do not know each other",
        )
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        yield RedisGroupServers(f"redis+sentinel://{hosts}/{SERVICE}/0", [master, replica])


def role_of(server: RedisServer) -> str:
    return str(server.ask("ROLE")[0].decode())


def keys_of(server: RedisServer) -> int:
    return int(server.ask("DBSIZE"))


def wait_until(condition: Callable[[], bool], otherwise: str) -> float:
    """The seconds that it took. Raises: TimeoutError."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > START_SECONDS:
            raise TimeoutError(otherwise)
        time.sleep(POLL_SECONDS)
    return time.monotonic() - started


def _join(servers: list[RedisServer], *, replicas: int) -> None:
    hosts = [f"127.0.0.1:{server.port}" for server in servers]
    cli = redis_binary().replace("redis-server", "redis-cli")
    create = [cli, "--cluster", "create", *hosts, "--cluster-yes"]
    subprocess.run(
        [*create, "--cluster-replicas", str(replicas)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=START_SECONDS,
    )
    wait_until(
        lambda: all(b"cluster_state:ok" in server.ask("CLUSTER", "INFO") for server in servers),
        "the cluster does not come up",
    )
    wait_until(
        lambda: all(_link_is_up(s) for s in servers if role_of(s) == "slave"),
        "the replicas do not follow",
    )


def _link_is_up(replica: RedisServer) -> bool:
    return bool(replica.ask("INFO", "replication").get("master_link_status") == "up")


@contextmanager
def _sentinel(master: RedisServer, timeout_ms: int) -> Iterator[int]:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="lk-s-") as folder:
        configuration = Path(folder) / "sentinel.conf"
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {timeout_ms}\n"
            f"sentinel failover-timeout {SERVICE} 5000\n",
        )
        process = subprocess.Popen(
            [redis_binary(), str(configuration), "--sentinel"],
            stdout=subprocess.DEVNULL,
        )
        try:
            yield port
        finally:
            process.kill()
            process.wait()


def _is_informed(port: int, *, others: int) -> bool:
    with redis.Redis(port=port) as client:
        try:
            state = client.sentinel_master(SERVICE)
        except redis.RedisError:
            return False
    return bool(state["num-other-sentinels"] == others and state["num-slaves"] == 1)
