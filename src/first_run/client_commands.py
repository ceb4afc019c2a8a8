"""`python -m src.cli client …`: thin commands over `src/first_run/clients.py`."""

from typing import Annotated

import typer

from src.core.settings import load_settings
from src.first_run.clients import create_client, disable_client, list_clients, replace_secret
from src.first_run.telling import failures_told

client_app = typer.Typer(no_args_is_help=True, help="Programs that have an id and a secret.")


@client_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="For people: what it is.")],
    *,
    customer_id: Annotated[
        str | None, typer.Option(help="It gets service tokens for this customer.")
    ] = None,
    introspect: Annotated[
        bool, typer.Option("--introspect", help="It may ask about tokens, and revoke them.")
    ] = False,
) -> None:
    """Register a program. Its secret is shown now and never again."""
    with failures_told():
        client, secret = create_client(
            load_settings(),
            name=name,
            customer_id=customer_id,
            may_introspect=introspect,
        )
    typer.echo(f"client_id      {client.id}")
    typer.echo(f"client_secret  {secret}")


@client_app.command("list")
def list_all() -> None:
    """The registered programs, the oldest first."""
    with failures_told():
        clients = list_clients(load_settings())
    for client in clients:
        state = "disabled" if client.disabled_at else "active"
        customer = f"customer {client.customer_id}" if client.customer_id else "no customer"
        uses = f"{customer}, introspects" if client.may_introspect else customer
        since = client.created_at.isoformat(timespec="seconds")
        typer.echo(f"{client.id}  {state:<8}  {since}  {client.name} ({uses})")


@client_app.command("disable")
def disable(client_id: str) -> None:
    """Refuse a program for good. Tokens that it has expire within 15 minutes."""
    with failures_told():
        disable_client(load_settings(), client_id)
    typer.echo(f"{client_id} is disabled.")


@client_app.command("new-secret")
def new_secret(client_id: str) -> None:
    """Replace a program's secret; the old one is refused at once."""
    with failures_told():
        secret = replace_secret(load_settings(), client_id)
    typer.echo(f"client_secret  {secret}")
