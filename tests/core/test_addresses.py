"""Whose word counts for the client's address and scheme, and how an address is counted."""

import httpx
import pytest
from fastapi import FastAPI, Request

from src.core.addresses import TrustedProxies, counted_as, parse_address
from src.core.middleware import BehindProxies
from src.core.settings import Settings
from tests.conftest import make_settings

PROXIES = ("10.0.0.0/8", "192.0.2.7", "2001:db8:ff::/48")
PROXY = "10.1.2.3"
CLIENT = "198.51.100.4"


async def seen(
    *lines: str, peer: str = PROXY, proxies: tuple[str, ...] = PROXIES, proto: str = ""
) -> tuple[str, str]:
    """Address and scheme that an application sees, for lines of `X-Forwarded-For`."""
    app = FastAPI()

    @app.get("/")
    async def who(request: Request) -> list[str]:
        assert request.client is not None
        return [request.client.host, request.url.scheme]

    wrapped = BehindProxies(app, TrustedProxies(proxies))
    transport = httpx.ASGITransport(wrapped, client=(peer, 40_000))
    headers = [(b"X-Forwarded-For", line.encode("latin-1")) for line in lines]
    if proto:
        headers.append((b"X-Forwarded-Proto", proto.encode()))
    async with httpx.AsyncClient(transport=transport, base_url="http://latchkey") as client:
        response = await client.get("/", headers=headers)
    assert response.status_code == 200
    host, scheme = response.json()
    return host, scheme


async def address(*lines: str, peer: str = PROXY) -> str:
    host, _ = await seen(*lines, peer=peer)
    return host


@pytest.mark.parametrize("peer", [CLIENT, "192.0.2.8", "11.0.0.1", "2001:db8::1"])
async def test_who_is_no_trusted_proxy_is_the_client_whatever_they_claim(peer: str) -> None:
    assert await seen("203.0.113.9", peer=peer, proto="https") == (peer, "http")


async def test_without_trusted_proxies_nobody_is_believed() -> None:
    for peer in ("127.0.0.1", "::1", PROXY):
        assert await seen(CLIENT, peer=peer, proxies=(), proto="https") == (peer, "http")


@pytest.mark.parametrize("peer", [PROXY, "192.0.2.7", "2001:db8:ff::1", "::ffff:10.1.2.3"])
async def test_a_trusted_proxy_names_the_client_and_the_scheme(peer: str) -> None:
    assert await seen(CLIENT, peer=peer, proto="https") == (CLIENT, "https")


@pytest.mark.parametrize(
    "forged", ["203.0.113.9", "10.9.9.9", "127.0.0.1", "garbage", "203.0.113.9, 203.0.113.10", ","]
)
async def test_what_a_client_wrote_itself_stands_to_the_left_and_is_not_read(forged: str) -> None:
    assert await address(f"{forged}, {CLIENT}") == CLIENT
    assert await address(forged, CLIENT) == CLIENT
    assert await address(f"{forged}, {CLIENT}, 192.0.2.7, 10.0.0.9") == CLIENT


async def test_several_proxies_are_passed_over_in_one_line_or_in_several() -> None:
    assert await address(f"{CLIENT}, 10.0.0.9, 2001:db8:ff::2") == CLIENT
    assert await address(CLIENT, "10.0.0.9", "2001:db8:ff::2") == CLIENT


async def test_a_request_of_a_proxy_itself_has_the_address_of_the_farthest_one() -> None:
    assert await address("10.0.0.8, 10.0.0.9") == "10.0.0.8"
    assert await address() == PROXY
    assert await address("") == PROXY


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("198.51.100.4:51234", "198.51.100.4"),
        ("[2001:db8::4]:51234", "2001:db8::4"),
        ("[2001:db8::4]", "2001:db8::4"),
        ("2001:DB8:0::4", "2001:db8::4"),
        ("::ffff:198.51.100.4", "198.51.100.4"),
        ("fe80::1%eth0", "fe80::1"),
        ("\t198.51.100.4 ", "198.51.100.4"),
    ],
)
async def test_an_address_is_read_as_proxies_write_it(written: str, read: str) -> None:
    assert await address(written) == read


@pytest.mark.parametrize(
    "garbage",
    [
        "unknown", "_hidden", "198.51.100", "198.51.100.4:", "198.51.100.4:x", "[2001:db8::4",
        "[2001:db8::4]x", "300.1.1.1", "0x7f.1", "\xb2.1.1.1", "198.51.100.4:\xb2", "%", "[]:1",
        "198.51.100.4;203.0.113.9", "a" * 8_000, "1" * 8_000, "[" * 8_000, ":" * 8_000,
    ],
)  # fmt: skip
async def test_garbage_ends_at_the_proxy_that_vouched_for_it(garbage: str) -> None:
    assert await address(garbage) == PROXY
    assert await address(f"203.0.113.9, {garbage}, 10.0.0.9") == "10.0.0.9"
    assert parse_address(garbage) is None


async def test_a_long_chain_is_not_walked_to_its_end() -> None:
    assert await address(",".join(["203.0.113.9", *["10.0.0.9"] * 4_000])) == "10.0.0.9"


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"), ("HTTPS", "https"), ("http", "http"), ("http, https", "https"),
        ("https, http", "http"), ("ftp", "http"), ("javascript:", "http"), ("https,", "http"),
    ],
)  # fmt: skip
async def test_the_nearest_proxy_names_the_scheme_and_only_one_of_the_two(
    proto: str, scheme: str
) -> None:
    assert (await seen(CLIENT, proto=proto))[1] == scheme


def test_an_ipv6_address_counts_as_its_64_and_an_ipv4_address_as_itself() -> None:
    assert counted_as("2001:db8:1:2::1") == counted_as("2001:db8:1:2:ffff::9") != ""
    assert counted_as("2001:db8:1:2::1") != counted_as("2001:db8:1:3::1")
    assert counted_as("198.51.100.4") == counted_as("::ffff:198.51.100.4") == "198.51.100.4"
    assert counted_as("198.51.100.4") != counted_as("198.51.100.5")
    assert counted_as("") == counted_as("/run/socket")


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "*", "proxy.example", "10.0.0.1/8", "10"])
def test_what_is_no_network_or_would_trust_everybody_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match="TRUSTED_PROXIES"):
        make_settings(TRUSTED_PROXIES=f"192.0.2.7, {network}")


def test_networks_are_separated_by_commas() -> None:
    settings: Settings = make_settings(TRUSTED_PROXIES=" 10.0.0.0/8 ,192.0.2.7,")

    assert settings.TRUSTED_PROXIES == ("10.0.0.0/8", "192.0.2.7")
