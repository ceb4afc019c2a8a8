"""The file of signing keys: what it may say, and how keys live in it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from src.auth.key_file import KeyFile, KeyFileError, read_key_file
from src.auth.key_ring import MAX_TOKEN_CHARACTERS, KeyPair
from src.core.settings import Settings
from src.first_run.key_rotation import (
    LEARNT_AFTER,
    PUBLIC_LEARNT_AFTER,
    SLACK,
    Kind,
    TooSoon,
    kinds_of,
    new_key,
    rotated,
)
from tests.auth.key_files import NOW, SECRET, entry
from tests.conftest import make_settings


@pytest.fixture
def settings() -> Settings:
    return make_settings()


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("", "Invalid JSON"),
        ("[]", "Input should be an object"),
        ({"acces": []}, "acces: Extra inputs"),
        ({"access": {}}, "access: Input should be a valid array"),
        ({"access": [entry(status="old")]}, "access.0.status: Input should be"),
        ({"access": [entry(algorithm="HS512")]}, "access.0.algorithm: Input should be"),
        ({"access": [entry(kid="../../etc")]}, "access.0.kid: String should match"),
        ({"access": [entry(not_after="1")]}, "access.0.not_after: Input should be a valid integer"),
        ({"access": [entry(not_after=1)]}, "has a not_after when it retires"),
        ({"access": [entry(status="retiring")]}, "has a not_after when it retires"),
        ({"access": [entry(secret=None)]}, "needs one of secret, private_key and environment"),
        ({"access": [entry(private_key=SECRET)]}, "needs one of secret"),
        ({"access": [entry(algorithm="ES256")]}, "HS256 goes with a secret"),
        ({"access": [entry(secret=None, environment=True)]}, "listed only when it retires"),
        ({"access": [entry(secret=SECRET[:31])]}, "is shorter than 32 bytes"),
        ({"access": [entry(secret=["a"])]}, "access.0.secret: Input should be a valid string"),
        ({"access": [entry(), entry(kid="ijklmnop")]}, "has several active access keys"),
        ({"access": [entry()], "refresh": [entry()]}, "names a key twice"),
        (
            {"refresh": [entry(algorithm="ES256", secret=None, private_key=SECRET)]},
            "has a refresh key that is not for HS256",
        ),
    ],
)
def test_a_file_that_says_something_else_is_refused_without_its_secrets(
    tmp_path: Path, document: Any, complaint: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(KeyFileError) as refusal:
        read_key_file(path)
    assert complaint in str(refusal.value)
    assert str(path) in str(refusal.value)
    assert SECRET[:31] not in str(refusal.value)


def test_a_rotation_publishes_then_activates_and_ends_what_signed_before(
    settings: Settings,
) -> None:
    access, refresh = kinds_of(settings)
    first = rotated(KeyFile(), access=access, refresh=refresh, now=NOW)
    assert [key.status for key in (*first.access, *first.refresh)] == ["published", "published"]
    later = NOW + LEARNT_AFTER
    second = rotated(first, access=access, refresh=refresh, now=later)
    for kind, keys, before in (
        (access, second.access, first.access),
        (refresh, second.refresh, first.refresh),
    ):
        active, old, new = keys
        assert (active.kid, active.status) == (before[0].kid, "active")
        assert (old.kid, old.environment) == (kind.environment_kid, True)
        assert old.not_after == int((later + kind.longest_life + SLACK).timestamp())
        assert new.status == "published"


def test_an_old_key_is_dropped_after_its_end_but_the_environments_stays_listed(
    settings: Settings,
) -> None:
    access, refresh = kinds_of(settings)
    file, now = KeyFile(), NOW
    for _ in range(5):
        file = rotated(file, access=access, refresh=refresh, now=now)
        now += timedelta(days=1)
    assert [key.status for key in file.access] == ["active", "retiring", "retiring", "published"]
    assert [key.environment for key in file.access] == [False, False, True, False]
    assert len(file.refresh) == 6  # sessions last for thirty days


@pytest.mark.parametrize(
    ("algorithm", "wait"), [("HS256", LEARNT_AFTER), ("ES256", PUBLIC_LEARNT_AFTER)]
)
def test_a_key_that_somebody_may_not_have_learnt_yet_is_not_activated(
    settings: Settings, algorithm: Any, wait: timedelta
) -> None:
    access, refresh = kinds_of(settings)
    access = Kind(algorithm, access.longest_life, access.environment_kid)
    file = rotated(KeyFile(), access=access, refresh=refresh, now=NOW)
    with pytest.raises(TooSoon, match="wait"):
        rotated(file, access=access, refresh=refresh, now=NOW + wait - timedelta(seconds=1))
    assert rotated(file, access=access, refresh=refresh, now=NOW + wait)


def test_an_rsa_key_is_made_with_3072_bits_and_its_tokens_are_short_enough() -> None:
    made = new_key("RS256", NOW).private_key
    assert made
    pair = KeyPair(private_key=made.get_secret_value(), algorithm="RS256", token_type="at+jwt")
    signature = pair.sign({}).rpartition(".")[2]
    assert len(pair.public_jwk["n"]) == len(signature) == 3072 // 6
    assert len(signature) < MAX_TOKEN_CHARACTERS // 2
