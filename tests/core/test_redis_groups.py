"""What a `REDIS_URL` of several servers says, and which say nothing that can be used."""

import pytest
from pydantic import ValidationError

from src.core.redis_groups import parse_group
from tests.conftest import make_settings


@pytest.mark.parametrize("url", ["redis://h:1/0", "rediss://:p@h", "unix:///run/redis.sock?db=2"])
def test_a_single_server_is_no_group(url: str) -> None:
    assert parse_group(url) is None


def test_a_sentinel_url_names_sentinels_service_database_and_credentials() -> None:
    group = parse_group("redis+sentinel://me:p%40ss@a:1,b/main/3?sentinel_password=other")

    assert group is not None
    assert group.addresses == (("a", 1), ("b", 26379))
    assert group.service == "main"
    assert group.options == {"username": "me", "password": "p@ss", "db": 3}
    assert group.sentinel_options == {"username": None, "password": "other"}


def test_a_cluster_url_names_nodes_and_credentials() -> None:
    group = parse_group("redis+cluster://:secret@a:1,b")

    assert group is not None
    assert (group.addresses, group.service) == ((("a", 1), ("b", 6379)), "")
    assert group.options == {"password": "secret"}


def test_tls_and_its_options_hold_for_sentinels_and_data_servers() -> None:
    group = parse_group("rediss+sentinel://a/main?ssl_ca_certs=/ca.pem")

    assert group is not None
    tls = {"ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert tls.items() <= group.options.items()
    assert tls.items() <= group.sentinel_options.items()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+sentinel://a:1,b:2", "names no service"),
        ("redis+sentinel://a:1/main/one", "database that is no number"),
        ("redis+cluster://a:1,b:2/0", "names a database"),
        ("redis+cluster://a:1,,b:2", "host that is empty"),
        ("redis+cluster://a:port", "REDIS_URL"),
        ("redis+cluster://", "host that is empty"),
        ("redis+nothing://a", "must start with one of"),
    ],
)
def test_a_url_that_names_no_group_is_refused_at_the_start(url: str, reason: str) -> None:
    with pytest.raises(ValidationError, match="REDIS_URL") as refusal:
        make_settings(REDIS_URL=url)

    assert reason in str(refusal.value)
