"""Service clients from the command line, which needs the database alone."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from src.auth.audit import Audit
from src.auth.models import CLIENT_NAME_LENGTH, ServiceClient
from src.auth.service_clients import ClientNotFound, ServiceClients
from src.auth.service_tokens import canonical_customer_id
from src.core.clock import utc_now
from src.core.db import build_engine, build_sessionmaker, unit_of_work
from src.core.logging import configure_logging
from src.core.settings import Settings
from src.first_run.failures import Refused
from src.first_run.schema import failures_explained, require_current

T = TypeVar("T")


def create_client(
    settings: Settings,
    *,
    name: str,
    customer_id: str | None,
    may_introspect: bool,
) -> tuple[ServiceClient, str]:
    """A new client and its secret, which cannot be shown again. Raises: `CommandFailure`."""
    customer = _checked(customer_id)
    if customer is None and not may_introspect:
        raise Refused("A client is for something: say --customer-id ID, --introspect, or both.")
    if not name.isprintable() or not 1 <= len(name) <= CLIENT_NAME_LENGTH:
        raise Refused(f"A name is 1 to {CLIENT_NAME_LENGTH} printable characters.")

    async def create(clients: ServiceClients) -> tuple[ServiceClient, str]:
        return await clients.create(
            name=name,
            customer_id=customer,
            may_introspect=may_introspect,
        )

    return _with_clients(settings, create)


def list_clients(settings: Settings) -> Sequence[ServiceClient]:
    """All clients, the oldest first. Raises: `CommandFailure`."""
    return _with_clients(settings, ServiceClients.everyone)


def disable_client(settings: Settings, client_id: str) -> None:
    """Refuse a client from now on, for good. Raises: `CommandFailure`."""
    _with_clients(settings, lambda clients: clients.disable(client_id))


def replace_secret(settings: Settings, client_id: str) -> str:
    """A new secret in place of the old one. Raises: `CommandFailure`."""
    return _with_clients(settings, lambda clients: clients.replace_secret(client_id))


def _checked(customer_id: str | None) -> str | None:
    try:
        return None if customer_id is None else canonical_customer_id(customer_id)
    except ValueError as error:
        raise Refused(str(error)) from error


def _with_clients(settings: Settings, task: Callable[[ServiceClients], Awaitable[T]]) -> T:
    require_current(settings.DATABASE_URL)
    configure_logging(settings.LOG_LEVEL, stream=sys.stderr)
    try:
        with failures_explained(settings.DATABASE_URL):
            return asyncio.run(_run(settings, task))
    except ClientNotFound as error:
        raise Refused("No client has this id, or it is disabled.") from error


async def _run(settings: Settings, task: Callable[[ServiceClients], Awaitable[T]]) -> T:
    engine = build_engine(settings.DATABASE_URL)
    sessionmaker = build_sessionmaker(engine)
    try:
        async with (
            Audit(sessionmaker, clock=utc_now).recording(device="command line"),
            unit_of_work(sessionmaker) as db,
        ):
            return await task(ServiceClients(db, clock=utc_now))
    finally:
        await engine.dispose()
