"""The file that TRUSTED_ISSUERS names, as it is written; docs/issuers.md explains every member."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from src.core.settings import ConfigurationError
from src.issuers.claims import PURPOSES, RequiredValue, Rules
from src.issuers.jwks import check_jwks_url
from src.issuers.keys import HMAC_ALGORITHMS

MOST_BYTES: Final = 256 * 1024

Algorithm = Literal["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"]
Allows = Literal["user", "service"]
SUBJECT_CLAIMS: Final = {"user": "sub", "service": "customer_id"}  # where none is named
Text = Annotated[str, Field(min_length=1, max_length=512)]
Pem = Annotated[str, Field(min_length=1, max_length=16_384)]


class IssuerEntry(BaseModel):
    """One issuer. Nothing is guessed: unknown members are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    # It becomes a label of the users' placeholder addresses.
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]
    secret: SecretStr | None = None
    secret_env: Text | None = None
    public_key: Pem | None = None
    jwks_url: Text | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)]
    issuer: Text | None = None
    audience: Text | None = None
    subject_claim: Literal["sub", "user_id", "identity", "email", "customer_id"] | None = None
    allows: Allows
    max_lifetime_hours: Annotated[float, Field(gt=0, le=168, strict=True)] = 1
    required_claims: tuple[Text, ...] | dict[Text, str | bool | int] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        keys = (self.secret, self.secret_env, self.public_key, self.jwks_url)
        if sum(key is not None for key in keys) != 1:
            raise ValueError("needs exactly one of secret, secret_env, public_key and jwks_url")
        if any((name in HMAC_ALGORITHMS) != self.shares_a_secret for name in self.algorithms):
            raise ValueError("HS256, HS384 and HS512 go with a secret, the others without one")
        if self.jwks_url is not None:
            self._require_its_own_tokens(self.jwks_url)
        return self

    def _require_its_own_tokens(self, jwks_url: str) -> None:
        """Published keys sign the tokens of all the issuer's applications."""
        try:
            check_jwks_url(jwks_url)
        except ValueError as error:
            raise ValueError(f"jwks_url {error}") from None
        if self.issuer is None:
            raise ValueError("jwks_url needs issuer, which tells its tokens from others'")
        if self.audience is None and not isinstance(self.required_claims, dict):
            raise ValueError("jwks_url needs audience, or the value of a required claim")

    @property
    def shares_a_secret(self) -> bool:
        return self.secret is not None or self.secret_env is not None

    @property
    def rules(self) -> Rules:
        listed = self.required_claims
        required: dict[str, RequiredValue] = (
            {**listed} if isinstance(listed, dict) else dict.fromkeys(listed)
        )
        return Rules(
            issuer=self.issuer,
            audience=self.audience,
            subject_claim=self.subject_claim or SUBJECT_CLAIMS[self.allows],
            purposes=PURPOSES[self.allows],
            max_lifetime=timedelta(hours=self.max_lifetime_hours),
            required=required,
        )


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    issuers: tuple[IssuerEntry, ...]


def read_entries(path: Path) -> Sequence[IssuerEntry]:
    """Raises: `ConfigurationError` with a line for each problem; never a value of the file."""
    try:
        return _Document.model_validate(_parsed(path)).issuers
    except ValidationError as error:
        raise ConfigurationError(*(f"{path}: {line}" for line in _faults(error))) from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({type(error).__name__})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not well-formed: {error}") from None


def _parsed(path: Path) -> Any:  # noqa: ANN401 - JSON or TOML
    """Raises: OSError, ValueError, RecursionError."""
    with path.open("rb") as file:
        text = file.read(MOST_BYTES + 1).decode()
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} characters")
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def _faults(error: ValidationError) -> Iterator[str]:
    """Where each fault is and what; never what is there."""
    for detail in error.errors(include_url=False, include_input=False, include_context=False):
        where = ".".join(map(str, detail["loc"]))
        yield f"{where}: {detail['msg'].removeprefix('Value error, ')}"
