"""Trusted issuers made ready from their file: keys read and prepared, contradictions refused."""

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from src.core.settings import ENV_FILE, ConfigurationError, Settings
from src.issuers.claims import Rules
from src.issuers.entries import Allows, IssuerEntry, read_entries
from src.issuers.jwks import JwksClient
from src.issuers.keys import FixedPublicKey, IssuerKey, PublishedKeys, SharedSecret

MOST_OF_ONE_ISS: Final = 8  # so many signatures may have to be tried for one token
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
PEM_BEGINS: Final = "-----BEGIN "
# Whoever has one of these could sign in as anybody here, or reads them for another purpose.
OWN_SECRETS: Final = (
    "JWT_SECRET_KEY",
    "JWT_REFRESH_SECRET_KEY",
    "SERVICE_TOKEN_SECRET",
    "BETTER_AUTH_SECRET",
)


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer whose tokens can be verified. Close its key in the end."""

    name: str
    allows: Allows
    algorithms: frozenset[str]
    rules: Rules
    key: IssuerKey


def read_issuers(settings: Settings) -> Sequence[Issuer]:
    """The issuers of the file that the settings name; none where they name none.

    Raises: `ConfigurationError` with a line for each problem, without any secret.
    """
    if settings.TRUSTED_ISSUERS is None:
        return ()
    path = Path(settings.TRUSTED_ISSUERS)
    try:
        entries = read_entries(path)
    except ConfigurationError as error:
        raise ConfigurationError(*(f"TRUSTED_ISSUERS: {line}" for line in error.problems)) from None
    problems = [*_ambiguities(entries, settings), *_exposures(path, entries, settings)]
    issuers: list[Issuer] = []
    for entry in entries:
        try:
            issuers.append(_ready(entry, path.parent, settings))
        except ValueError as error:
            problems.append(f"{entry.name}: {error}")
    if problems:
        raise ConfigurationError(*(f"TRUSTED_ISSUERS: {path}: {line}" for line in problems))
    return issuers


def _ambiguities(entries: Sequence[IssuerEntry], settings: Settings) -> Iterator[str]:
    """Issuers whose tokens could be taken for ours, or for each other's."""
    for name, count in Counter(entry.name for entry in entries).items():
        if count > 1:
            yield f"{count} issuers have the name {name}"
    for entry in entries:
        if entry.issuer == settings.JWT_ISSUER:
            yield f"{entry.name}: its issuer is our own JWT_ISSUER"
    for iss, count in Counter(entry.issuer for entry in entries).items():
        if count > MOST_OF_ONE_ISS:
            yield f"more than {MOST_OF_ONE_ISS} issuers {f'are {iss}' if iss else 'set no issuer'}"
    for one, other in combinations(entries, 2):
        if one.issuer != other.issuer:
            continue
        if _material(one) == _material(other) or (one.jwks_url and other.jwks_url):
            yield f"{one.name} and {other.name} cannot be told apart: give each an issuer, or a key"


def _exposures(path: Path, entries: Sequence[IssuerEntry], settings: Settings) -> Iterator[str]:
    holds_secrets = any(entry.secret for entry in entries)
    if settings.is_production and holds_secrets and stat.S_IMODE(path.stat().st_mode) & OTHERS:
        yield f"it holds a secret and is open to others. Run: chmod 600 {path}"


def _material(entry: IssuerEntry) -> str | None:
    """What its key is made of, as far as it is in reach."""
    if entry.shares_a_secret:
        return _secret(entry)
    return entry.public_key or entry.jwks_url


def _secret(entry: IssuerEntry) -> str | None:
    if entry.secret is not None:
        return entry.secret.get_secret_value()
    name = entry.secret_env or ""
    return os.environ.get(name) or dotenv_values(ENV_FILE).get(name)


def _ready(entry: IssuerEntry, folder: Path, settings: Settings) -> Issuer:
    """Raises: ValueError, without any secret."""
    return Issuer(
        name=entry.name,
        allows=entry.allows,
        algorithms=frozenset(entry.algorithms),
        rules=entry.rules,
        key=_key(entry, folder, settings),
    )


def _key(entry: IssuerEntry, folder: Path, settings: Settings) -> IssuerKey:
    """Raises: ValueError."""
    if entry.shares_a_secret:
        return _shared_secret(entry, settings)
    if entry.public_key is not None:
        return _public_key(entry.public_key, entry, folder)
    return PublishedKeys(JwksClient(entry.jwks_url or ""))


def _shared_secret(entry: IssuerEntry, settings: Settings) -> SharedSecret:
    where = f"the secret in {entry.secret_env}" if entry.secret_env else "its secret"
    secret = _secret(entry)
    if not secret:
        raise ValueError(f"{where} is missing: set it in .env or the environment")
    for name in OWN_SECRETS:
        own = getattr(settings, name)
        if own is not None and own.get_secret_value() == secret:
            raise ValueError(f"{where} is also {name}: use each for one purpose alone")
    try:
        return SharedSecret(secret)
    except ValueError as error:
        raise ValueError(f"{where} {error}. Replace it here and at the issuer") from None


def _public_key(spelled: str, entry: IssuerEntry, folder: Path) -> FixedPublicKey:
    """The key in the file's own text, or in another file beside it."""
    try:
        pem = spelled if spelled.startswith(PEM_BEGINS) else (folder / spelled).read_text()
        key = FixedPublicKey(pem)
    except OSError as error:
        raise ValueError(f"public_key cannot be read ({type(error).__name__})") from None
    except ValueError as error:
        raise ValueError(f"public_key {error}") from None
    if entry.algorithms != (key.algorithm,):
        raise ValueError(f"public_key is for {key.algorithm}: algorithms must be just that")
    return key
