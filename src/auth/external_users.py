"""Users whom a trusted issuer vouches for: they cannot sign up, log in or set a password here."""

from typing import Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.models import User
from src.core.db import new_id

# What no hash is: no password matches it (as `!` in /etc/shadow).
NO_PASSWORD: Final = "!"  # noqa: S105


async def add_external_user(db: AsyncSession, *, issuer: str) -> UUID:
    """Add one to the unit of work; the caller commits.

    The address is one that nobody can have, be mailed at or log in with: `parse_email` refuses
    the domain `.invalid`, which is reserved for this (RFC 2606 §2).
    """
    user_id = new_id()
    address = f"{user_id.hex}@{issuer}.invalid"
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
