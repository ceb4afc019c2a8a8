"""Service clients: programs that have an id and a secret of their own, not a person's password."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from src.auth.audit import Event, note
from src.auth.models import ServiceClient
from src.auth.oauth_errors import InvalidClient
from src.auth.store import clients
from src.core.clock import Clock

SECRET_PREFIX: Final = "lks_"  # noqa: S105 - so that scanners of code find one that was left there
SECRET_BYTES: Final = 32
UNKNOWN: Final = "0" * 64  # the hash of no secret


class ClientNotFound(Exception):  # noqa: N818 - a verdict, not a fault
    """No client has the id, or it is disabled."""


class ServiceClients:
    """Registers service clients and tells who they are. `db` is one unit of work."""

    def __init__(self, db: AsyncSession, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def authenticate(self, client_id: str, secret: str) -> ServiceClient:
        """Raises: `InvalidClient`, the same whether the id or the secret is wrong."""
        client = await self._known(client_id)
        await self._db.commit()  # hands the connection back: what follows may wait for Redis
        known_hash = client.secret_hash if client else UNKNOWN
        matches = hmac.compare_digest(hash_of(secret), known_hash)
        if client is None or not matches or client.disabled_at is not None:
            note(Event.CLIENT_REFUSED, client_id=str(client.id) if client else None)
            raise InvalidClient
        return client

    async def create(
        self,
        *,
        name: str,
        customer_id: str | None,
        may_introspect: bool,
    ) -> tuple[ServiceClient, str]:
        """A new client, and its secret, which is nowhere kept."""
        secret = _new_secret()
        client = ServiceClient(
            name=name,
            secret_hash=hash_of(secret),
            customer_id=customer_id,
            may_introspect=may_introspect,
            created_at=self._clock(),
        )
        self._db.add(client)
        await self._db.flush()
        _note(client, "created")
        return client, secret

    async def everyone(self) -> Sequence[ServiceClient]:
        return await clients.everyone(self._db)

    async def disable(self, client_id: str) -> None:
        """Raises: `ClientNotFound`."""
        client = await self._active(client_id)
        client.disabled_at = self._clock()
        await self._db.flush()
        _note(client, "disabled")

    async def replace_secret(self, client_id: str) -> str:
        """A new secret; the old one is refused from now on. Raises: `ClientNotFound`."""
        client = await self._active(client_id)
        secret = _new_secret()
        client.secret_hash = hash_of(secret)
        await self._db.flush()
        _note(client, "new-secret")
        return secret

    async def _active(self, client_id: str) -> ServiceClient:
        client = await self._known(client_id)
        if client is None or client.disabled_at is not None:
            raise ClientNotFound
        return client

    async def _known(self, client_id: str) -> ServiceClient | None:
        try:
            return await clients.by_id(self._db, UUID(client_id))
        except ValueError:
            return None


def hash_of(secret: str) -> str:
    """SHA-256 in hexadecimal.

    A slow hash makes guessing what people think up slow. These secrets are 256 random bits, which
    nobody guesses at any speed, and a fast one lets every call of a service be checked.
    """
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def _note(client: ServiceClient, change: str) -> None:
    note(Event.CLIENT_CHANGED, cause=change, client_id=str(client.id), name=client.name)
