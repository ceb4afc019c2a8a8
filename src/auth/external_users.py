"""Users whom a trusted issuer vouches for: they cannot sign up, log in or set a password here."""

from typing import Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.models import User
from src.core.db import new_id

# What no hash is: no password matches it (as `!` in /etc/shadow).
NO_PASSWORD: Final = "!"  # noqa: S105


RESERVED_DOMAIN: Final = ".invalid"  # RFC 2606 §2: nobody can have it


def is_placeholder(email: str) -> bool:
    """Whether this is an address that `add_external_user` has made up."""
    return email.endswith(RESERVED_DOMAIN)


async def add_external_user(db: AsyncSession, *, issuer: str) -> UUID:
    """Add one to the unit of work; the caller commits.

    The address is one that nobody can be mailed at, sign up or log in with: `parse_email` refuses
    its domain.
    """
    user_id = new_id()
    address = f"{user_id.hex}@{issuer}{RESERVED_DOMAIN}"
    db.add(
        User(
            id=user_id,
            email=address,
            email_key=address,
            password_hash=NO_PASSWORD,
            roles=["user"],
        ),
    )
    await db.flush()
    return user_id
