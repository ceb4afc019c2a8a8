"""A server that makes the classic mistake, to show that `login_timing` sees it. Never for use."""

from src.auth.passwords import PasswordHasher
from src.main import app as app  # noqa: PLC0414 - what uvicorn serves

_verify = PasswordHasher.verify


async def _verify_at_once(self: PasswordHasher, password: str, password_hash: str | None) -> bool:
    """Nobody's password is checked in no time, instead of against the dummy hash."""
    return password_hash is not None and await _verify(self, password, password_hash)


PasswordHasher.verify = _verify_at_once  # type: ignore[method-assign]
