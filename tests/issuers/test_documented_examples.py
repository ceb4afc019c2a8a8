"""The examples of docs/issuers.md are read as they stand, and accept what they are for."""

import json
import re
import secrets
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from src.core.clock import utc_now
from src.issuers.configuration import read_issuers
from src.issuers.trusted import TrustedIssuers
from tests.conftest import REPOSITORY, make_settings
from tests.issuers.minting import (
    SUBJECT,
    Minted,
    by_flask,
    by_next_auth,
    by_pyjwt,
    by_simplejwt,
    for_a_customer,
    public_pem,
)

EXAMPLES = re.findall(r"```json\n(.*?)```", (REPOSITORY / "docs/issuers.md").read_text(), re.DOTALL)


def by_own_code(key: str, how: Minted) -> str:
    claims = jwt.decode(by_pyjwt(key, how), options={"verify_signature": False})
    return jwt.encode({**claims, "iss": "https://backend.example.com"}, key)


MINTED_FOR: dict[str, Any] = {
    "django": by_simplejwt,
    "flask": by_flask,
    "backend": by_own_code,
    "nextauth": by_next_auth,
    "crm": lambda key, how: for_a_customer(key, how.subject),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
async def test_an_example_works(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, key = tmp_path / "issuers.json", secrets.token_urlsafe(48)
    path.write_text(example)
    (tmp_path / "partner.pem").write_text(public_pem(ec.generate_private_key(ec.SECP256R1())))
    entries = json.loads(example)["issuers"]
    for entry in entries:
        monkeypatch.setenv(entry.get("secret_env", "NOT_NEEDED"), key)
    trusted = TrustedIssuers(read_issuers(make_settings(TRUSTED_ISSUERS=str(path))), clock=utc_now)
    for name in {entry["name"] for entry in entries} & MINTED_FOR.keys():
        verified = await trusted.verify(MINTED_FOR[name](key, Minted()))
        assert (verified.issuer, verified.about.subject) == (name, SUBJECT)


def test_every_kind_has_its_example() -> None:
    named = {entry["name"] for example in EXAMPLES for entry in json.loads(example)["issuers"]}
    assert named == {*MINTED_FOR, "idp", "partner"}
