"""Several servers that act as one Redis: behind Sentinel, or a cluster. URLs in docs/operations.md.

The clients do the same as one for a single server, so everything else knows only `Redis`.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException
from redis.exceptions import TimeoutError as RedisTimeoutError

SENTINEL = "sentinel"
CLUSTER = "cluster"
DEFAULT_PORTS = {SENTINEL: 26379, CLUSTER: 6379}

# Asking a sentinel or a node who is the master must leave time for asking the next, and the master.
ASKING_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class RedisGroup:
    """What a URL says of a group. `options` are for connections to its data servers."""

    addresses: tuple[tuple[str, int], ...]
    service: str  # the master's name for Sentinel; '' for a cluster
    options: dict[str, Any]
    sentinel_options: dict[str, Any]


def parse_group(redis_url: str) -> RedisGroup | None:
    """The group that a `…+sentinel://` or `…+cluster://` URL names; None for a single server.

    Raises: `ValueError`, whose text continues "REDIS_URL …", for a URL that names no group.
    """
    parts = urlsplit(redis_url)
    scheme, plus, kind = parts.scheme.partition("+")
    if not plus:
        return None
    service, db = _service_and_db(parts, kind)
    credentials, at, hosts = parts.netloc.rpartition("@")
    addresses = tuple(_address(host, DEFAULT_PORTS[kind]) for host in hosts.split(","))
    # All else is spelled as for a single server.
    options: dict[str, Any] = dict(parse_url(f"{scheme}://{credentials}{at}x/{db}?{parts.query}"))
    del options["host"]
    tls = {"ssl": True} if options.pop("connection_class", None) is SSLConnection else {}
    sentinel_options = {
        name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")
    }
    shared = {name: value for name, value in options.items() if name.startswith("ssl_")} | tls
    return RedisGroup(addresses, service, options | tls, sentinel_options | shared)


def sentinel_master(group: RedisGroup, *, wait: float, **options: Any) -> Redis:  # noqa: ANN401
    """A client of the master, whichever it is: each new connection asks the sentinels.

    `options` are those of a connection; `wait` is for one that is free, seconds.
    """
    asking = {
        "socket_timeout": ASKING_SECONDS,
        "socket_connect_timeout": ASKING_SECONDS,
        "driver_info": None,
        "retry": Retry(NoBackoff(), retries=0),
    }
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        group.addresses,
        sentinel_kwargs=group.sentinel_options | asking,
    )
    pool = _MasterPool(  # type: ignore[no-untyped-call]
        group.service,
        sentinel,
        timeout=wait,
        **group.options,
        **options,
    )
    return Redis.from_pool(pool)


def cluster(group: RedisGroup, *, max_connections: int, **options: Any) -> Redis:  # noqa: ANN401
    """A client of a cluster: each command goes to the master that has its key."""
    client = _Cluster(
        startup_nodes=[ClusterNode(host, port) for host, port in group.addresses],
        require_full_coverage=False,  # users whose node is there shall not miss the others'
        retry=Retry(NoBackoff(), retries=1),
        **group.options,
        **options,
    )
    client.turns = asyncio.Semaphore(max_connections)
    return cast("Redis", client)  # it has the same commands


def is_cluster(redis: Redis) -> bool:
    return isinstance(redis, _Cluster)


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Waits for a free connection, and closes its clients of the sentinels with its own."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


class _Cluster(RedisCluster):
    """A cluster client whose every failure is a `RedisError`, and whose callers queue up."""

    # The library raises where its connections are used up; a burst shall wait instead.
    turns: asyncio.Semaphore

    async def initialize(self, *args: Any, **kwargs: Any) -> RedisCluster:  # noqa: ANN401
        try:
            return await super().initialize(*args, **kwargs)
        except RedisClusterException as error:  # no RedisError, in spite of its name
            raise RedisConnectionError("no node of the cluster answers") from error

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        async with self.turns:
            try:
                await self.initialize()  # does nothing when all is known
                return await super().execute_command(*args, **kwargs)
            except RedisClusterException as error:
                self._initialize = True  # so that the next command learns the slots anew
                raise RedisConnectionError("no node has the key's slot") from error
            except (RedisConnectionError, RedisTimeoutError) as error:
                if not hasattr(error, "last_failed_node_name"):
                    self._ask_another_where_keys_are()
                raise

    def _ask_another_where_keys_are(self) -> None:
        """For XREAD the library asks one node where the key is, and asks it again when it died."""
        if asked := self.get_default_node():
            self.nodes_manager.move_node_to_end_of_cached_nodes(asked.name)
        self._initialize = True

    async def ping(self, **kwargs: Any) -> bool:  # noqa: ANN401
        """Ask one node: one that is away must not make every worker unready."""
        return bool(await self.execute_command("PING", **{"target_nodes": self.RANDOM, **kwargs}))


def _service_and_db(parts: SplitResult, kind: str) -> tuple[str, str]:
    service, _, db = parts.path.strip("/").partition("/")
    if kind == SENTINEL and not service:
        raise ValueError("names no service: redis+sentinel://host:26379,…/service")
    if kind == CLUSTER and service:
        raise ValueError(
            "names a database, and a cluster has only one: redis+cluster://host:6379,…"
        )
    if db and not db.isdigit():
        raise ValueError("has a database that is no number: redis+sentinel://…/service/0")
    return service, db


def _address(host: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    if not parts.hostname:
        raise ValueError("names a host that is empty")
    return parts.hostname, parts.port or default_port
