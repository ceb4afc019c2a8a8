"""Verification by itself, without a server: of each algorithm, everything but good tokens fails."""

import ast
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.auth.access_tokens import TOKEN_TYPE, AccessTokens
from src.auth.key_ring import (
    KeyRing,
    SigningKey,
    TokenRejected,
    UnknownKey,
)
from src.auth.refresh_tokens import TOKEN_TYPE as REFRESH_TYPE
from src.auth.refresh_tokens import RefreshTokens, first_link
from src.core.clock import utc_now
from tests.auth.hostile_tokens import TTL, Good, hostile_tokens
from tests.auth.token_keys import AnyKey, new_keys
from tests.conftest import REPOSITORY

USER = UUID("018f4e3c-5b1a-7d2e-8c3f-0123456789ab")
REFRESH_SECRET = "kM3v0yX8tqL5w2Zr7Bn1Hc9Jd4Fg6Ps0"
KEYS = new_keys()


def tokens_of(ring: KeyRing[Any]) -> AccessTokens:
    return AccessTokens(ring, issuer="latchkey", audience="latchkey-api", ttl=TTL, clock=utc_now)


def minted(access_tokens: AccessTokens) -> str:
    end = datetime.now(UTC) + timedelta(days=1)
    return access_tokens.mint(user_id=USER, session_id="A" * 16, roles=["user"], not_after=end).text


def good_of(key: AnyKey) -> Good:
    now = datetime.now(UTC)
    refresh_key = SigningKey(secret=REFRESH_SECRET, token_type=REFRESH_TYPE)
    refresh_tokens = RefreshTokens(
        KeyRing(refresh_key), issuer="latchkey", audience="latchkey-api", clock=utc_now
    )
    refresh_token = refresh_tokens.encode(
        first_link(user_id=USER), key=refresh_key, issued_at=now, expires_at=now + TTL
    )
    return Good(minted(tokens_of(KeyRing(key.built))), key, refresh_token, REFRESH_SECRET)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_good_tokens_are_accepted_whoever_signed_them(key: AnyKey) -> None:
    access_tokens, good = tokens_of(KeyRing(key.built)), good_of(key)
    assert access_tokens.verify(good.token).user_id == USER
    for by_hand in (good.with_claims(), good.with_claims(more=1), good.with_claims(roles=[])):
        assert access_tokens.verify(by_hand).session_id == "A" * 16


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_hostile_tokens_are_rejected_and_nothing_else_is_raised(key: AnyKey) -> None:
    good = good_of(key)
    hostile = hostile_tokens(good)
    assert len(set(hostile.values())) > 300
    assert good.token not in hostile.values()
    # Keys of every algorithm verify, this one signs.
    access_tokens = tokens_of(KeyRing(key.built, *(other.built for other in KEYS.values())))
    accepted = [name for name, token in hostile.items() if not is_rejected(access_tokens, token)]
    assert accepted == []


def is_rejected(access_tokens: AccessTokens, token: str) -> bool:
    try:
        access_tokens.verify(token)
    except TokenRejected:
        return True
    return False


@dataclass(frozen=True)
class Mutation:
    """What is done to a token at one place."""

    cut: int
    inserted: str
    shift: int

    def of(self, token: str, place: int) -> str:
        rest = token[place + self.cut :]
        moved = rest[self.shift :] + rest[: self.shift]
        return token[:place] + self.inserted + moved


URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
MUTATIONS = st.builds(
    Mutation,
    cut=st.integers(0, 4),
    inserted=st.one_of(st.text(URL_SAFE, max_size=4), st.text(max_size=4)),
    shift=st.sampled_from([0, 0, 0, 1, 4]),
)
PLACES = 40
# Of python-jose and PyJWT, as this project calls them.
VERIFYING = {"jws.verify", "jwt.decode", "_JWS.decode_complete", "_JWS.decode"}


def mutants_tried(examples: int) -> int:
    """How many tokens were tried that differ from a good one; each was rejected."""
    access_tokens = tokens_of(KeyRing(*(key.built for key in KEYS.values())))
    tokens = [good_of(key).token for key in KEYS.values()]
    tried = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutation=MUTATIONS, first=st.integers(0, 30))
    def no_mutant_is_accepted(mutation: Mutation, first: int) -> None:
        nonlocal tried
        for token in tokens:
            for place in range(first, len(token), len(token) // PLACES):
                mutant = mutation.of(token, place)
                if mutant != token:
                    tried += 1
                    assert is_rejected(access_tokens, mutant)

    no_mutant_is_accepted()
    assert not any(is_rejected(access_tokens, token) for token in tokens)
    return tried


def test_no_mutant_of_a_good_token_is_accepted() -> None:
    assert mutants_tried(110) >= 10_000


@pytest.mark.faults
def test_no_mutant_of_a_good_token_is_accepted_among_a_million() -> None:
    assert mutants_tried(11_000) >= 1_000_000


def test_a_key_whose_time_is_over_verifies_nothing() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    end = int(now.timestamp())
    key = SigningKey(secret=REFRESH_SECRET, token_type="at+jwt", not_after=end)
    token = key.sign({"a": 1})
    before = KeyRing(key, clock=lambda: now - timedelta(seconds=1))
    assert before.verify(token)[0] == {"a": 1}
    assert before.unexpired == [key]
    after = KeyRing(key, clock=lambda: now)
    with pytest.raises(UnknownKey):
        after.verify(token)
    assert after.unexpired == []


class Watch:
    """What the interpreter reports while it is on: files, sockets, processes, imports."""

    def __init__(self) -> None:
        self.events: list[str] | None = None
        sys.addaudithook(self._note)  # once: hooks cannot be taken off again

    def _note(self, event: str, _: tuple[object, ...]) -> None:
        if self.events is not None:
            self.events.append(event)

    @contextmanager
    def on(self) -> Iterator[list[str]]:
        events: list[str] = []
        self.events = events
        try:
            yield events
        finally:
            self.events = None


WATCH = Watch()


def test_an_unknown_kid_is_refused_without_any_look_up() -> None:
    access_tokens = tokens_of(KeyRing(*(key.built for key in KEYS.values())))
    strangers = [minted(tokens_of(KeyRing(key.built))) for key in new_keys().values()]
    with WATCH.on() as events:
        for stranger in strangers:
            with pytest.raises(UnknownKey):
                access_tokens.verify(stranger)
    assert not [event for event in events if event.startswith(("open", "socket", "os.", "subproc"))]


def test_whoever_calls_a_library_to_verify_names_the_algorithms() -> None:
    """Left out, a library would take the token's word for it."""
    verifying = [call for call in calls() if ast.unparse(call.func) in VERIFYING]
    making_keys = [call for call in calls() if ast.unparse(call.func) == "jwk.construct"]
    assert verifying
    assert making_keys
    for call in verifying:
        named = [keyword.value for keyword in call.keywords if keyword.arg == "algorithms"]
        (algorithms,) = [*call.args[2:3], *named]
        assert isinstance(algorithms, ast.List), ast.unparse(call)
    for call in making_keys:  # a key verifies by the one algorithm that it was made for
        assert len(call.args) == 2, ast.unparse(call)


def calls() -> Iterator[ast.Call]:
    """Every call in our code."""
    for path in REPOSITORY.glob("src/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield node


def test_threads_that_verify_more_than_is_remembered_disturb_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AccessTokens, "MOST_REMEMBERED", 3)
    access_tokens = tokens_of(KeyRing(SigningKey(secret=REFRESH_SECRET, token_type=TOKEN_TYPE)))
    tokens = [minted(access_tokens) for _ in range(20)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            verified = [*threads.map(access_tokens.verify, tokens * 100)]
    finally:
        sys.setswitchinterval(before)
    assert len({claims.jti for claims in verified}) == len(tokens)
