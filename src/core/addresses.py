"""The client's address: whose word counts for it, and how it is counted."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

# A customer of a provider gets a /64 at least (RFC 6177), and may take any address in it.
COUNTED_IPV6_BITS: Final = 64
MOST_HOPS: Final = 20
MOST_PEERS_REMEMBERED: Final = 1_000


def parse_network(text: str) -> IPNetwork:
    """`10.0.0.0/8`, `2001:db8::/32` or a single address.

    Raises: ValueError for what is no network, and for one that would trust everybody.
    """
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8") from error
    if network.prefixlen == 0:
        raise ValueError(f"{text!r} would let everybody choose their address")
    return network


def parse_address(text: str) -> IPAddress | None:
    """An address as proxies write it, with or without a port; None for anything else.

    IPv4 inside IPv6 is IPv4, and a zone is left out. Source: RFC 4291 §2.5.5.2, RFC 7239 §6.
    """
    text = text.strip(" \t")
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1 and "." in text:
        text, _, port = text.partition(":")
        if not _is_port(f":{port}"):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def counted_as(address: str) -> str:
    """What an address is counted as: itself, its /64 for IPv6, one and the same for no address."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, COUNTED_IPV6_BITS), strict=False))
    return str(parsed or "")


class TrustedProxies:
    """Proxies whose word counts. Everybody else's `X-Forwarded-…` is their own invention."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [parse_network(text) for text in networks]
        self.include = lru_cache(MOST_PEERS_REMEMBERED)(self._trusted)

    def _trusted(self, peer: str) -> bool:
        address = parse_address(peer)
        return address is not None and self._include(address)

    def client_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The address of the client of a trusted peer, by its `X-Forwarded-For` lines in order.

        Each proxy appends whom it heard from. So from the right the first that is no proxy of ours
        is the client; what is left of it may be forged. An entry that is no address ends the walk
        at the proxy that vouched for it.
        """
        client = peer
        for entry in reversed(",".join(forwarded_for).rsplit(",", MOST_HOPS)):
            if not entry.strip(" \t"):
                continue  # an empty element of a list is none (RFC 9110 §5.6.1)
            address = parse_address(entry)
            if address is None:
                break
            client = str(address)
            if not self._include(address):
                break
        return client

    def _include(self, address: IPAddress) -> bool:
        return any(address in network for network in self._networks)


def scheme_of(forwarded_proto: Sequence[str]) -> str | None:
    """What the nearest proxy says of its client's connection: `http`, `https` or nothing."""
    scheme = ",".join(forwarded_proto).rpartition(",")[2].strip(" \t").lower()
    return scheme if scheme in ("http", "https") else None


def _is_port(text: str) -> bool:
    """`:443`, in ASCII digits."""
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit()
