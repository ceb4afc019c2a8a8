"""The configuration: what starts, what is refused, and how the refusal reads."""

import secrets
from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic.fields import FieldInfo

from src.core.settings import ConfigurationError, Settings, load_settings, raw_setting

MENDING = "Run: python -m src.cli secrets generate"
EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting in the environment and no `.env` in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that starts, to be spoilt by the test."""
    monkeypatch.setenv("JWT_SECRET_KEY", secrets.token_urlsafe(48))
    monkeypatch.setenv("JWT_REFRESH_SECRET_KEY", secrets.token_urlsafe(48))
    monkeypatch.setenv("REDIS_URL", "redis://localhost:6379/0")
    return monkeypatch


def problems(*, serving: bool = False) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as refusal:
        load_settings(serving=serving)
    assert str(refusal.value).splitlines() == list(refusal.value.problems)
    return refusal.value.problems


def test_two_strong_secrets_are_all_that_development_needs(good: pytest.MonkeyPatch) -> None:
    good.delenv("REDIS_URL")

    assert load_settings().ENVIRONMENT == "development"


def test_every_missing_secret_has_its_line_with_the_command_that_mends_it() -> None:
    assert problems() == (
        f"JWT_SECRET_KEY is missing: access tokens cannot be signed without it. {MENDING}",
        f"JWT_REFRESH_SECRET_KEY is missing: refresh tokens cannot be signed without it. {MENDING}",
    )


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("correct-but-short", "is shorter than 32 bytes"),
        ("ab" * 40, "is too regular to be random"),
        ("0123456789abcdef" * 4, "is too regular to be random"),
        ("your-secret-9f8e7d6c5b4a39281706f5e4d3c2b1a0", "contains a published example"),
    ],
)
@pytest.mark.parametrize("name", ["JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY"])
def test_a_weak_secret_is_refused_by_name_and_never_shown(
    good: pytest.MonkeyPatch, name: str, secret: str, complaint: str
) -> None:
    good.setenv(name, secret)

    (line,) = problems()

    assert line.startswith(f"{name} {complaint}. ")
    assert line.endswith("then run: python -m src.cli secrets generate")
    assert secret not in line


@pytest.mark.parametrize("name", ["JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY"])
def test_the_secret_of_services_is_none_of_our_own(good: pytest.MonkeyPatch, name: str) -> None:
    good.setenv("SERVICE_TOKEN_SECRET", raw_setting(name) or "")

    (line,) = problems()

    assert line.startswith("SERVICE_TOKEN_SECRET is also JWT_SECRET_KEY or JWT_REFRESH_SECRET_KEY")


def test_metrics_are_shown_to_nobody_without_a_token_of_their_own(
    good: pytest.MonkeyPatch,
) -> None:
    good.setenv("METRICS", "on")
    (line,) = problems()
    assert line.startswith("METRICS_TOKEN is missing")

    good.setenv("METRICS_TOKEN", "short")
    (line,) = problems()
    assert line.startswith("METRICS_TOKEN is shorter than 32 bytes")

    for name in ("JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY", "SERVICE_TOKEN_SECRET"):
        good.setenv("SERVICE_TOKEN_SECRET", secrets.token_urlsafe(48))
        good.setenv("METRICS_TOKEN", raw_setting(name) or "")
        (line,) = problems()
        assert line.startswith("METRICS_TOKEN also signs tokens here")

    good.setenv("METRICS_TOKEN", secrets.token_urlsafe(48))
    assert load_settings().METRICS == "on"


@pytest.mark.parametrize("secret", ["correct-but-short", "ab" * 40])
def test_a_weak_secret_of_services_is_refused(good: pytest.MonkeyPatch, secret: str) -> None:
    good.setenv("SERVICE_TOKEN_SECRET", secret)

    (line,) = problems()

    assert line.startswith("SERVICE_TOKEN_SECRET is ")
    assert line.endswith("Replace it here and in the services that share it")
    assert secret not in line


def test_equal_secrets_are_refused(good: pytest.MonkeyPatch) -> None:
    good.setenv("JWT_REFRESH_SECRET_KEY", raw_setting("JWT_SECRET_KEY") or "")

    (line,) = problems()

    assert line.startswith("JWT_SECRET_KEY and JWT_REFRESH_SECRET_KEY are equal")


@pytest.mark.parametrize("answer", ["true", "True", " TRUE "])
def test_an_environment_that_still_carries_jwt_require_auth_starts_with_true(
    good: pytest.MonkeyPatch, answer: str
) -> None:
    good.setenv("JWT_REQUIRE_AUTH", answer)

    assert load_settings().JWT_REQUIRE_AUTH is True


@pytest.mark.parametrize("answer", ["false", "False", "0", "1", "no", "yes", "off", "", " "])
def test_authentication_cannot_be_switched_off_in_the_environment(
    good: pytest.MonkeyPatch, answer: str
) -> None:
    good.setenv("JWT_REQUIRE_AUTH", answer)

    (line,) = problems()

    assert "authentication cannot be switched off" in line


@pytest.mark.parametrize("answer", ["false", ""])
@pytest.mark.usefixtures("good")
def test_authentication_cannot_be_switched_off_in_the_env_file(answer: str) -> None:
    Path(".env").write_text(f"JWT_REQUIRE_AUTH={answer}\n")

    (line,) = problems()

    assert "authentication cannot be switched off" in line


def test_a_server_needs_redis_and_a_migration_does_not(good: pytest.MonkeyPatch) -> None:
    good.delenv("REDIS_URL")

    assert load_settings().REDIS_URL is None
    assert problems(serving=True) == (
        "REDIS_URL is missing: refresh tokens live there. Run: make run, or set REDIS_URL.",
    )


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_an_address_of_another_kind_is_refused_without_its_password(
    good: pytest.MonkeyPatch, name: str
) -> None:
    good.setenv(name, "mysql://latchkey:hunter2@db.example.com/latchkey")

    (line,) = problems()

    assert line.startswith(f"{name} must start with one of ")
    assert "hunter2" not in line


def test_a_value_of_the_wrong_type_is_refused_by_name_and_not_repeated(
    good: pytest.MonkeyPatch,
) -> None:
    good.setenv("ACCESS_TOKEN_EXPIRE_MINUTES", "a quarter of an hour")

    (line,) = problems()

    assert line.startswith("ACCESS_TOKEN_EXPIRE_MINUTES: input should be a valid integer")
    assert "quarter" not in line


def test_production_refuses_everything_that_is_for_development_at_once(
    good: pytest.MonkeyPatch,
) -> None:
    good.delenv("REDIS_URL")
    for name, value in {
        "ENVIRONMENT": "production",
        "CORS_ALLOW_NULL_ORIGIN": "true",
        "RATE_LIMITS": "off",
        "BCRYPT_ROUNDS": "4",
        "ASSISTANT_BASE_URL": "http://assistant.example.com/v1",
        "ASSISTANT_MODEL": "a-model",
    }.items():
        good.setenv(name, value)

    lines = problems()

    assert [line.split(" ")[0].split("=")[0] for line in lines] == [
        "DATABASE_URL",
        "REDIS_URL",
        "CORS_ALLOW_NULL_ORIGIN",
        "RATE_LIMITS",
        "BCRYPT_ROUNDS",
        "ASSISTANT_BASE_URL",
    ]


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://db.example.com/l"),
        ("DATABASE_URL", "postgresql://me:hunter2@db.example.com/l?sslmode=require"),
        ("DATABASE_URL", "postgresql://db.example.com/l?sslmode=verify-ca"),
        ("DATABASE_URL", "postgresql://localhost,db.example.com/l"),
        ("DATABASE_URL", "postgresql://localhost/l?host=db.example.com"),
        ("BETTER_AUTH_DATABASE_URL", "postgresql://me:hunter2@10.0.0.8/auth"),
        ("REDIS_URL", "redis://:hunter2@redis.example.com"),
        ("REDIS_URL", "rediss://redis.example.com?ssl_cert_reqs=none"),
        ("REDIS_URL", "rediss://redis.example.com?ssl_check_hostname=False"),
        ("REDIS_URL", "redis+sentinel://localhost:26379/main"),
        ("REDIS_URL", "redis+cluster://127.0.0.1:6379"),
        ("REDIS_URL", "rediss+cluster://redis.example.com?ssl_cert_reqs=NONE"),
    ],
)
def test_production_reaches_no_store_that_others_could_overhear_or_pose_as(
    good: pytest.MonkeyPatch, name: str, url: str
) -> None:
    good.setenv("ENVIRONMENT", "production")
    good.setenv("DATABASE_URL", "postgresql:///l?host=/run/postgresql")
    good.setenv(name, url)

    (line,) = problems(serving=True)
    assert line.startswith(f"{name} can be read on its way: ")
    assert line.endswith("PLAINTEXT_STORES_ALLOWED=true")
    assert "hunter2" not in line

    good.setenv("PLAINTEXT_STORES_ALLOWED", "true")
    assert load_settings(serving=True).is_production


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgresql://db.example.com/l?sslmode=verify-full&sslrootcert=system"),
        ("DATABASE_URL", "postgresql://me:secret@[::1]:5432/l"),
        ("DATABASE_URL", "postgresql+asyncpg://localhost/l"),
        ("REDIS_URL", "rediss://redis.example.com"),
        ("REDIS_URL", "rediss+sentinel://a.example.com,b.example.com/main"),
        ("REDIS_URL", "rediss+cluster://redis.example.com?ssl_ca_certs=/etc/ca.pem"),
        ("REDIS_URL", "redis://:secret@127.0.0.1:6379/0"),
        ("REDIS_URL", "unix:///run/redis/redis.sock"),
    ],
)
def test_production_reaches_stores_by_verified_tls_or_on_this_machine(
    good: pytest.MonkeyPatch, name: str, url: str
) -> None:
    good.setenv("ENVIRONMENT", "production")
    good.setenv("DATABASE_URL", "postgresql:///l?host=/run/postgresql")
    good.setenv(name, url)

    assert load_settings(serving=True).is_production


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("localhost:11434/v1", "must start with http:// or https:// and name a host"),
        ("https://", "must start with http:// or https:// and name a host"),
        ("https://me:hunter2@example.com/v1", "must not hold a name or password"),
        ("https://example.com/v1?key=hunter2", "must end with its path"),
    ],
)
def test_an_assistant_at_a_strange_address_is_refused_without_repeating_it(
    good: pytest.MonkeyPatch, url: str, complaint: str
) -> None:
    good.setenv("ASSISTANT_BASE_URL", url)
    good.setenv("ASSISTANT_MODEL", "a-model")

    (line,) = problems()

    assert line.startswith(f"ASSISTANT_BASE_URL {complaint}")
    assert "hunter2" not in line


@pytest.mark.parametrize("name", ["ASSISTANT_BASE_URL", "ASSISTANT_MODEL"])
def test_an_assistant_needs_its_address_and_its_model(good: pytest.MonkeyPatch, name: str) -> None:
    good.setenv(name, "https://example.com/v1")

    assert problems() == ("ASSISTANT_BASE_URL and ASSISTANT_MODEL are set together or not at all",)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_in_production_the_assistant_may_be_on_this_machine(
    good: pytest.MonkeyPatch, host: str
) -> None:
    good.setenv("ENVIRONMENT", "production")
    good.setenv("DATABASE_URL", "postgresql://db.example.com/latchkey?sslmode=verify-full")
    good.setenv("ASSISTANT_BASE_URL", f"http://{host}:11434/v1")
    good.setenv("ASSISTANT_MODEL", "a-model")

    assert load_settings().ASSISTANT_MODEL == "a-model"


@pytest.mark.parametrize("origins", ["*", "https://*.example.com", "https://a.example,*", "null"])
def test_origins_are_named_and_never_all(good: pytest.MonkeyPatch, origins: str) -> None:
    good.setenv("CORS_ORIGINS", origins)

    (line,) = problems()
    assert line.startswith("CORS_ORIGINS ")
    assert "is not an origin such as https://app.example.com" in line


@pytest.mark.usefixtures("good")
def test_an_env_file_that_is_not_utf_8_is_named() -> None:
    Path(".env").write_bytes(b"JWT_ISSUER=caf\xe9\n")

    (line,) = problems()

    assert line.startswith(".env cannot be read")


def test_the_environment_wins_over_the_env_file(good: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("JWT_ISSUER=file\nJWT_AUDIENCE=file\n")
    good.setenv("JWT_ISSUER", "environment")

    settings = load_settings()

    assert (settings.JWT_ISSUER, settings.JWT_AUDIENCE) == ("environment", "file")
    assert (raw_setting("JWT_ISSUER"), raw_setting("JWT_AUDIENCE")) == ("environment", "file")


def test_the_secret_that_better_auth_has_built_in_is_refused(good: pytest.MonkeyPatch) -> None:
    good.setenv("BETTER_AUTH_SECRET", "better-auth-secret-12345678901234567890")

    (line,) = problems()

    assert line.startswith("BETTER_AUTH_SECRET is the one that Better Auth has built in")


def test_a_weak_secret_of_better_auth_is_for_development(good: pytest.MonkeyPatch) -> None:
    good.setenv("BETTER_AUTH_SECRET", "correct-but-short")
    assert load_settings().BETTER_AUTH_SECRET

    good.setenv("ENVIRONMENT", "production")
    good.setenv("DATABASE_URL", "postgresql://db.example.com/latchkey?sslmode=verify-full")

    (line,) = problems()
    assert line.startswith("BETTER_AUTH_SECRET is weak")
    assert "correct-but-short" not in line


@pytest.mark.parametrize(
    ("name", "address", "complaint"),
    [
        ("BETTER_AUTH_JWKS_URL", "auth.example.com/jwks", "must start with http:// or https://"),
        ("BETTER_AUTH_JWKS_URL", "http://auth.example.com/jwks", "must be https://, or on this"),
        ("BETTER_AUTH_DATABASE_URL", "mysql://me:hunter2@db/auth", "must start with one of"),
    ],
)
def test_addresses_of_better_auth_are_safe_ones(
    good: pytest.MonkeyPatch, name: str, address: str, complaint: str
) -> None:
    good.setenv(name, address)

    (line,) = problems()

    assert line.startswith(f"{name} {complaint}")
    assert address not in line


def test_the_example_file_says_what_the_settings_say() -> None:
    expected = "".join(
        f"\n# {field.description}\n{name}={spelled_default(field)}\n"
        for name, field in Settings.model_fields.items()
    )

    heading, _, rest = EXAMPLE.read_text(encoding="utf-8").partition("\n\n")

    assert all(line.startswith("#") for line in heading.splitlines())
    assert rest == expected.lstrip("\n"), "write each field of Settings into .env.example"


@pytest.mark.usefixtures("good")
def test_the_example_file_changes_nothing_and_holds_no_secret() -> None:
    without_file = load_settings()
    Path(".env").write_bytes(EXAMPLE.read_bytes())

    assert load_settings() == without_file
    assert not any(
        dotenv_values(EXAMPLE)[name] for name in ("JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY")
    )


def spelled_default(field: FieldInfo) -> str:
    """A default as a line of `.env` spells it; empty where there is none."""
    if field.is_required() or field.default in (None, ()):
        return ""
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return str(field.default)
