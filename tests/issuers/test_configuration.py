"""The file of trusted issuers: what is wrong with it is told at the start, without any secret."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from src.core.settings import ConfigurationError
from src.first_run.doctor import Verdict, _issuers
from src.issuers.configuration import Issuer, read_issuers
from tests.conftest import make_settings
from tests.issuers.minting import public_pem, secret_entry, settings_with

SECRET = secrets.token_urlsafe(48)
OTHER = secrets.token_urlsafe(48)
PEM = public_pem(ec.generate_private_key(ec.SECP256R1()))
BACKEND = secret_entry("backend", SECRET)
PARTNER = {"name": "partner", "public_key": PEM, "algorithms": ["ES256"], "allows": "user"}
IDP = {"name": "idp", "jwks_url": "https://idp.example/jwks", "algorithms": ["RS256"]}
IDP |= {"issuer": "https://idp.example", "audience": "latchkey", "allows": "user"}


def without(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name not in names}


def problems(path: Path, *entries: dict[str, Any], **changes: Any) -> str:
    """What is said of a file with these issuers."""
    with pytest.raises(ConfigurationError) as caught:
        read_issuers(settings_with(path, *entries, **changes))
    assert SECRET not in str(caught.value)
    assert all(line.startswith(f"TRUSTED_ISSUERS: {path}") for line in caught.value.problems)
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuers.json"


def test_without_the_setting_nobody_is_trusted() -> None:
    assert read_issuers(make_settings()) == ()


def test_secrets_pems_and_urls_are_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_KEY", SECRET)
    (path.parent / "partner.pem").write_text(PEM)
    in_environment = {**without(BACKEND, "secret"), "secret_env": "BACKEND_KEY"}
    beside = {**PARTNER, "public_key": "partner.pem", "issuer": "urn:partner"}
    issuers = read_issuers(
        settings_with(path, in_environment, PARTNER, beside | {"name": "b"}, IDP)
    )
    assert [issuer.name for issuer in issuers] == ["backend", "partner", "b", "idp"]
    assert issuers[0].rules.max_lifetime.total_seconds() == 3600


def test_toml_says_the_same(path: Path) -> None:
    toml = path.with_suffix(".toml")
    toml.write_text(
        f"""
        [[issuers]]
        name = "backend"
        secret = "{SECRET}"
        algorithms = ["HS256"]
        allows = "user"
        required_claims = {{ tenant = 1, staff = true }}
        """,
    )
    issuers = read_issuers(make_settings(TRUSTED_ISSUERS=str(toml)))
    same = read_issuers(
        settings_with(path, BACKEND | {"required_claims": {"tenant": 1, "staff": True}})
    )
    assert [rules_of(issuer) for issuer in issuers] == [rules_of(issuer) for issuer in same]


def rules_of(issuer: Issuer) -> object:
    return (issuer.name, issuer.allows, issuer.algorithms, issuer.rules)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (without(BACKEND, "secret"), "needs exactly one of secret, secret_env"),
        (BACKEND | {"public_key": PEM}, "needs exactly one of secret, secret_env"),
        (BACKEND | {"secret": "short"}, "its secret is shorter than 32 bytes"),
        (BACKEND | {"secret": "django-insecure-" + OTHER}, "contains a published example"),
        (
            {**without(BACKEND, "secret"), "secret_env": "NO_SUCH_KEY"},
            "secret in NO_SUCH_KEY is missing",
        ),
        (BACKEND | {"secret": PEM}, "is a public key"),
        (BACKEND | {"algorithms": []}, "at least 1 item"),
        (BACKEND | {"algorithms": ["none"]}, "algorithms.0: Input should be 'HS256'"),
        (BACKEND | {"algorithms": ["HS256", "RS256"]}, "go with a secret"),
        (PARTNER | {"algorithms": ["HS256"]}, "go with a secret"),
        (IDP | {"algorithms": ["HS256"]}, "go with a secret"),
        (PARTNER | {"algorithms": ["RS256"]}, "public_key is for ES256"),
        (PARTNER | {"algorithms": ["ES256", "RS256"]}, "public_key is for ES256"),
        (PARTNER | {"public_key": "no-such.pem"}, "cannot be read (FileNotFoundError)"),
        (PARTNER | {"public_key": "-----BEGIN PUBLIC KEY-----"}, "is no public key in PEM"),
        (
            PARTNER | {"public_key": public_pem(rsa.generate_private_key(65537, 1024))},  # noqa: S505
            "is neither RSA of 2048",
        ),
        (IDP | {"jwks_url": "http://idp.example/jwks"}, "jwks_url must start with https://"),
        (without(IDP, "issuer"), "jwks_url needs issuer"),
        (without(IDP, "audience"), "jwks_url needs audience"),
        (without(IDP, "audience") | {"required_claims": ["azp"]}, "jwks_url needs audience"),
        (BACKEND | {"name": "Back end"}, "name: String should match pattern"),
        (BACKEND | {"issuer": "latchkey"}, "its issuer is our own JWT_ISSUER"),
        (BACKEND | {"subject_claim": "name"}, "subject_claim: Input should be"),
        (BACKEND | {"allows": "admin"}, "allows: Input should be 'user' or 'service'"),
        (without(BACKEND, "allows"), "allows: Field required"),
        (BACKEND | {"max_lifetime_hours": 169}, "less than or equal to 168"),
        (BACKEND | {"max_lifetime_hours": 0}, "greater than 0"),
        (BACKEND | {"max_lifetime_hours": "1"}, "should be a valid number"),
        (BACKEND | {"leeway": 5}, "leeway: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_with_an_issuer_is_told(path: Path, entry: dict[str, Any], said: str) -> None:
    assert said in problems(path, entry)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([BACKEND, BACKEND | {"secret": OTHER}], "2 issuers have the name backend"),
        ([BACKEND, BACKEND | {"name": "b"}], "backend and b cannot be told apart"),
        ([PARTNER, PARTNER | {"name": "b"}], "partner and b cannot be told apart"),
        (
            [IDP, IDP | {"name": "b", "jwks_url": "https://idp.example/2"}],
            "idp and b cannot be told apart",
        ),
        (
            [secret_entry(f"b{n}", secrets.token_urlsafe(48)) for n in range(9)],
            "more than 8 issuers set no issuer",
        ),
    ],
)
def test_issuers_that_cannot_be_told_apart_are_refused(
    path: Path, entries: list[dict[str, Any]], said: str
) -> None:
    assert said in problems(path, *entries)


def test_one_key_is_fine_where_the_issuers_say_who_they_are(path: Path) -> None:
    entries = [BACKEND | {"name": name, "issuer": f"urn:{name}"} for name in ("one", "two")]
    assert len(read_issuers(settings_with(path, *entries))) == 2


@pytest.mark.parametrize(
    "name",
    ["JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY", "SERVICE_TOKEN_SECRET", "BETTER_AUTH_SECRET"],
)
def test_our_own_secrets_are_nobody_elses(path: Path, name: str) -> None:
    assert f"its secret is also {name}" in problems(path, BACKEND, **{name: SECRET})


def test_a_file_with_a_secret_is_closed_to_others_in_production(path: Path) -> None:
    production = settings_with(
        path,
        BACKEND,
        ENVIRONMENT="production",
        DATABASE_URL="postgresql://db/latchkey?sslmode=verify-full",
        REDIS_URL="rediss://redis",
        BCRYPT_ROUNDS=12,
    )
    assert read_issuers(production)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_issuers(production)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"issuer": []}', '{"issuers": {}}', "\xff", '{"issuers": [[]]}'],
    ids=range(7),
)
def test_what_is_no_such_file_is_told(path: Path, text: str) -> None:
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="TRUSTED_ISSUERS: "):
        read_issuers(make_settings(TRUSTED_ISSUERS=str(path)))


def test_the_doctor_tells_of_it(path: Path) -> None:
    assert not list(_issuers(make_settings()))
    (fine,) = _issuers(settings_with(path, BACKEND, PARTNER))
    assert (fine.verdict, fine.detail) == (Verdict.OK, "2 trusted")
    ill = list(_issuers(settings_with(path, BACKEND, BACKEND)))
    assert {finding.verdict for finding in ill} == {Verdict.PROBLEM}
    assert len(ill) == 2


def test_a_file_that_is_missing_or_endless_is_told(path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read \(FileNotFoundError\)"):
        read_issuers(make_settings(TRUSTED_ISSUERS=str(path)))
    path.write_text(json.dumps({"issuers": []}) + " " * 300_000)
    with pytest.raises(ConfigurationError, match="more than"):
        read_issuers(make_settings(TRUSTED_ISSUERS=str(path)))
