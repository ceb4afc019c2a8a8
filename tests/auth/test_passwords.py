"""Hashing by itself: what a process does before its first log-in."""

from collections.abc import Iterator

import pytest
from passlib.context import CryptContext

from src.auth import passwords
from src.auth.passwords import PasswordHasher

COST = "$bcrypt-sha256$v=2,t=2b,r=5$"  # not that of the known answer


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    made = PasswordHasher(rounds=5)
    yield made
    made.close()


async def test_a_bcrypt_that_fails_its_known_answer_starts_no_process(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hasher.warm_up()
    monkeypatch.setattr(passwords, "_KNOWN_PASSWORD", "latchkex")
    with pytest.raises(RuntimeError, match="fails its known answer"):
        await hasher.warm_up()


async def test_the_first_unknown_user_costs_one_check_and_no_hash_more(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one who is known: else the first log-in of a worker would tell them apart by its time."""
    await hasher.warm_up()
    known = await hasher.hash("a password of somebody")
    done: list[str] = []
    for name in ("hash", "verify"):
        monkeypatch.setattr(CryptContext, name, _noting(done, name))
    for password_hash in (None, known):
        done.clear()
        assert await hasher.verify("a password of somebody", password_hash) is bool(password_hash)
        assert done == [f"verify {COST}"]


def _noting(done: list[str], name: str) -> object:
    original = getattr(CryptContext, name)

    def noted(*arguments: object) -> object:
        done.append(f"{name} {str(arguments[-1])[: len(COST)]}")
        return original(*arguments)

    return noted
