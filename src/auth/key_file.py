"""The file of signing keys: its form, and how it is read. How keys live in it: docs/keys.md."""

import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_serializer,
    model_validator,
)

from src.core.secret_strength import weakness_of

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
MOST_BYTES: Final = 1_000_000

Algorithm = Literal["HS256", "ES256", "RS256"]
Status = Literal["published", "active", "retiring"]
Seconds = Annotated[int, Field(ge=0, le=2**53)]  # since the epoch


class KeyFileError(Exception):
    """The file cannot be used; the message says why and never repeats a key."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class KeyEntry(_Strict):
    """One key. Published keys verify, the active one signs too, retiring ones verify to their end.

    Its material is a `secret` (HS256), a `private_key` in PEM, or the secret of the `environment`,
    which is listed only when it retires.
    """

    kid: str = Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")
    algorithm: Algorithm
    status: Status
    published_at: Seconds = 0
    not_after: Seconds | None = None
    secret: SecretStr | None = None
    private_key: SecretStr | None = None
    environment: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        materials = [self.secret is not None, self.private_key is not None, self.environment]
        if sum(materials) != 1:
            raise ValueError("needs one of secret, private_key and environment")
        if (self.algorithm == "HS256") != (self.private_key is None):
            raise ValueError("HS256 goes with a secret, other algorithms with a private_key")
        if (self.status == "retiring") != (self.not_after is not None):
            raise ValueError("has a not_after when it retires, and only then")
        if self.environment and self.status != "retiring":
            raise ValueError("of the environment is listed only when it retires")
        weakness = weakness_of(self.secret.get_secret_value()) if self.secret else None
        if weakness:
            raise ValueError(weakness)
        return self

    @field_serializer("secret", "private_key", when_used="json")
    def _in_the_file(self, secret: SecretStr | None) -> str | None:
        return secret.get_secret_value() if secret else None


class KeyFile(_Strict):
    """All keys beside those of the environment; of each kind one is active at most."""

    access: tuple[KeyEntry, ...] = ()
    refresh: tuple[KeyEntry, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        kids = [key.kid for key in (*self.access, *self.refresh)]
        if len(set(kids)) != len(kids):
            raise ValueError("names a key twice")
        for kind, keys in (("access", self.access), ("refresh", self.refresh)):
            for status in ("published", "active"):
                if sum(key.status == status for key in keys) > 1:
                    raise ValueError(f"has several {status} {kind} keys")
        if any(key.algorithm != "HS256" for key in self.refresh):
            raise ValueError("has a refresh key that is not for HS256")
        return self


def key_with(keys: Sequence[KeyEntry], status: Status) -> KeyEntry | None:
    """The first key of this status."""
    return next((key for key in keys if key.status == status), None)


def read_key_file(path: Path) -> KeyFile:
    """What the file says; without one, that there are no keys.

    Raises: `KeyFileError`.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return KeyFile()
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read ({type(error).__name__})") from error
    if len(text) > MOST_BYTES:
        raise KeyFileError(f"{path} is too large to be a file of keys")
    try:
        return KeyFile.model_validate_json(text)
    except ValidationError as error:
        raise KeyFileError(f"{path}: {_first_fault(error)}") from None


def is_open_to_others(path: Path) -> bool:
    """Whether anybody but the owner may read or write it. Raises: OSError."""
    return bool(stat.S_IMODE(path.stat().st_mode) & OTHERS)


def _first_fault(error: ValidationError) -> str:
    """Where it is and what; never the value."""
    detail: Any = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, detail["loc"]))
    return f"{where}: {detail['msg']}" if where else str(detail["msg"])
