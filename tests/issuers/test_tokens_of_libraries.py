"""What real libraries mint is accepted under the issuer's own key and rules, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from src.issuers.compact import TokenRefused
from src.issuers.trusted import TrustedIssuers
from tests.conftest import MovableClock
from tests.issuers.key_server import KeyServer, public_jwk
from tests.issuers.minting import (
    SHORT,
    SUBJECT,
    Kind,
    Minted,
    by_flask,
    issuers_of,
    kinds,
    secret_entry,
    sliding_by_simplejwt,
)

KINDS = ["django", "flask", "pyjwt", "nextauth", "partner", "idp"]


@pytest.fixture(scope="module")
def all_kinds() -> Iterator[dict[str, Kind]]:
    published = Ed25519PrivateKey.generate()
    with KeyServer().running() as server:
        server.keys = [public_jwk(published, "first")]
        yield kinds(server.url, published)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, all_kinds: dict[str, Kind]) -> Kind:
    return all_kinds[request.param]


@pytest.fixture(scope="module")
def module_clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(autouse=True)
def clock(module_clock: MovableClock) -> MovableClock:
    module_clock.passed = timedelta()
    return module_clock


@pytest.fixture(scope="module")
def issuers(
    all_kinds: dict[str, Kind],
    tmp_path_factory: pytest.TempPathFactory,
    module_clock: MovableClock,
) -> TrustedIssuers:
    entries = [each.entry for each in all_kinds.values()]
    return issuers_of(tmp_path_factory.mktemp("i") / "issuers.json", module_clock, *entries)


async def whose(issuers: TrustedIssuers, token: str) -> tuple[str, str]:
    """The issuer and the subject of a token. Raises: `TokenRefused`."""
    verified = await issuers.verify(token)
    return verified.issuer, verified.about.subject


async def test_an_access_token_is_accepted_until_it_expires(
    issuers: TrustedIssuers, kind: Kind, clock: MovableClock
) -> None:
    token = kind.mint(kind.key, Minted())
    assert await whose(issuers, token) == (kind.entry["name"], SUBJECT)
    clock.passed = SHORT + timedelta(seconds=11)
    with pytest.raises(TokenRefused, match="expired"):
        await issuers.verify(token)


async def test_a_wrong_key_is_refused(issuers: TrustedIssuers, kind: Kind) -> None:
    with pytest.raises(TokenRefused, match="no trusted issuer has signed it"):
        await issuers.verify(kind.mint(kind.other_key, Minted()))


async def test_another_issuers_key_never_speaks_for_this_one(
    issuers: TrustedIssuers, kind: Kind, all_kinds: dict[str, Kind]
) -> None:
    of_the_same_kind_of_key = [
        other.key
        for other in all_kinds.values()
        if other is not kind and isinstance(other.key, type(kind.key))
    ]
    for key in of_the_same_kind_of_key:
        token = kind.mint(key, Minted())
        try:
            issuer, _ = await whose(issuers, token)
        except TokenRefused:
            continue
        assert issuer != kind.entry["name"]
        assert key == all_kinds[issuer].key


async def test_a_life_of_the_most_is_accepted_and_a_longer_one_refused(
    issuers: TrustedIssuers, kind: Kind
) -> None:
    await issuers.verify(kind.mint(kind.key, Minted(life=kind.longest)))
    with pytest.raises(TokenRefused, match="lives too long"):
        await issuers.verify(kind.mint(kind.key, Minted(life=kind.longest + timedelta(seconds=2))))


async def test_a_refresh_token_is_refused(issuers: TrustedIssuers, kind: Kind) -> None:
    with pytest.raises(TokenRefused, match="not an access token"):
        await issuers.verify(kind.mint(kind.key, Minted(refresh=True)))


async def test_equal_ids_are_kept_apart(
    issuers: TrustedIssuers, all_kinds: dict[str, Kind]
) -> None:
    seen = [await whose(issuers, each.mint(each.key, Minted())) for each in all_kinds.values()]
    assert seen == [(name, SUBJECT) for name in KINDS]


async def test_a_sliding_token_is_refused_since_it_refreshes_as_well(
    issuers: TrustedIssuers, all_kinds: dict[str, Kind]
) -> None:
    with pytest.raises(TokenRefused, match="not an access token"):
        await issuers.verify(sliding_by_simplejwt(all_kinds["django"].key))


async def test_an_integer_identity_is_its_decimal_digits(
    issuers: TrustedIssuers, all_kinds: dict[str, Kind]
) -> None:
    token = by_flask(all_kinds["flask"].key, Minted(), subject=12)
    assert await whose(issuers, token) == ("flask", "12")


async def test_one_library_at_two_issuers_is_told_apart_by_the_key(
    tmp_path: Path, clock: MovableClock, all_kinds: dict[str, Kind]
) -> None:
    first = all_kinds["flask"]
    second = replace(first, key=first.other_key)
    issuers = issuers_of(
        tmp_path / "two.json", clock, first.entry, secret_entry("second", second.key)
    )
    assert await whose(issuers, first.mint(first.key, Minted())) == ("flask", SUBJECT)
    assert await whose(issuers, second.mint(second.key, Minted())) == ("second", SUBJECT)
