"""`python -m src.cli`: thin commands over `src/first_run`. Exit codes: `first_run/failures.py`."""

import json
import secrets
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from pydantic import SecretStr

from src.core.settings import Settings, load_settings, raw_setting
from src.first_run.accounts import add_user, seed_demo_users
from src.first_run.audit import verify_history
from src.first_run.client_commands import client_app
from src.first_run.doctor import Verdict, examine
from src.first_run.failures import ExitCode, Refused
from src.first_run.run import LOCAL
from src.first_run.run import run as run_server
from src.first_run.schema import migrate as migrate_database
from src.first_run.schema import require_current
from src.first_run.secret_commands import secrets_app
from src.first_run.serving import ServerOptions
from src.first_run.telling import failures_told, tell

app = typer.Typer(
    help="Latchkey: sign up, log in and stay logged in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
user_app = typer.Typer(no_args_is_help=True, help="Accounts.")
audit_app = typer.Typer(no_args_is_help=True, help="The history of authentication.")
sessions_app = typer.Typer(no_args_is_help=True, help="Where people are logged in.")
app.add_typer(secrets_app, name="secrets")
app.add_typer(user_app, name="user")
app.add_typer(sessions_app, name="sessions")
app.add_typer(client_app, name="client")
app.add_typer(audit_app, name="audit")


@app.command()
def run(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Server processes.")] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Start again on every change.")] = False,
) -> None:
    """Serve, with all that takes: secrets, Redis, migrations and demo users in development."""
    with failures_told():
        run_server(ServerOptions(host=host, port=port, workers=workers, reload=reload), say=_say)


@app.command()
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Look whether everything is there that Latchkey needs."""
    findings = list(examine())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            tell(finding.verdict, f"{finding.name:<10} {finding.verdict:<8} {finding.detail}")
    if any(finding.verdict is Verdict.PROBLEM for finding in findings):
        raise typer.Exit(ExitCode.UNHEALTHY)


@app.command()
def migrate() -> None:
    """Bring the database's tables up to date."""
    with failures_told():
        migrate_database(raw_setting("DATABASE_URL") or "")
    typer.echo("The database is up to date.")


@app.command()
def seed() -> None:
    """Make the demo users, in development."""
    with failures_told():
        settings = load_settings()
        if settings.is_production:
            raise Refused("Demo users are for development: ENVIRONMENT is production.")
        require_current(settings.DATABASE_URL)
        login = seed_demo_users(settings, LOCAL)
    typer.echo(
        f"Demo login: {login.email} / {login.password or '(its password was set elsewhere)'}"
    )


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from src.app import create_app  # noqa: PLC0415 - every other command does without

    settings = Settings(
        _env_file=None,
        ENVIRONMENT="development",
        JWT_SECRET_KEY=SecretStr(secrets.token_urlsafe(48)),  # needed, though nothing is signed
        JWT_REFRESH_SECRET_KEY=SecretStr(secrets.token_urlsafe(48)),
    )
    document = create_app(settings).openapi()
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


@user_app.command("create")
def create(
    email: str,
    *,
    username: Annotated[str | None, typer.Option(help="3 to 32 letters, digits, . _ -")] = None,
    role: Annotated[str | None, typer.Option(help="Beside `user`: admin, or any other.")] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read one line instead of asking.")
    ] = False,
) -> None:
    """Make an account; asks for its password."""
    with failures_told():
        settings = load_settings()
        require_current(settings.DATABASE_URL)
        add_user(
            settings,
            email=email,
            password=_password(password_stdin),
            username=username,
            role=role,
        )
    typer.echo(f"Made the account {email}.")


@user_app.command("role")
def role(
    email: str,
    *,
    add: Annotated[str | None, typer.Option(help="admin, or any other.")] = None,
    remove: Annotated[str | None, typer.Option(help="A role to take away.")] = None,
) -> None:
    """Give a role or take one; the account's sessions end."""
    if not (add or remove):
        raise typer.BadParameter("Say --add ROLE or --remove ROLE.")
    from src.first_run import administration  # noqa: PLC0415 - it loads the whole application

    with failures_told():
        roles = administration.change_roles(load_settings(), email=email, add=add, remove=remove)
    typer.echo(f"{email} has now: {', '.join(roles) or 'no role'}.")


@user_app.command("disable")
def disable(email: str) -> None:
    """End an account's sessions and let nobody log in to it."""
    from src.first_run import administration  # noqa: PLC0415 - it loads the whole application

    with failures_told():
        administration.set_active(load_settings(), email=email, is_active=False)
    typer.echo(f"{email} is disabled.")


@user_app.command("enable")
def enable(email: str) -> None:
    """Let a disabled account log in again."""
    from src.first_run import administration  # noqa: PLC0415 - it loads the whole application

    with failures_told():
        administration.set_active(load_settings(), email=email, is_active=True)
    typer.echo(f"{email} is enabled.")


@user_app.command("reset-password")
def reset_password(
    email: str,
    *,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read one line instead of asking.")
    ] = False,
) -> None:
    """Set a forgotten password anew, best typed by its owner; the account's sessions end."""
    from src.first_run import administration  # noqa: PLC0415 - it loads the whole application

    with failures_told():
        administration.reset_password(
            load_settings(), email=email, password=_password(password_stdin)
        )
    typer.echo(f"{email} has another password, and is logged in nowhere.")


@sessions_app.command("list")
def list_sessions(email: str) -> None:
    """Where somebody is logged in, the most recently used first."""
    from src.first_run import administration  # noqa: PLC0415 - it loads the whole application

    with failures_told():
        live = administration.list_sessions(load_settings(), email=email)
    for session in live:
        used = session.last_used_at.isoformat(timespec="seconds")
        typer.echo(f"{session.id}  {used}  {session.ip or '-'}  {session.device}")
    if not live:
        typer.echo(f"{email} is logged in nowhere.", err=True)


@sessions_app.command("revoke")
def revoke(
    email: str,
    *,
    session: Annotated[str | None, typer.Option(help="This one only, by its id.")] = None,
) -> None:
    """End all of somebody's sessions, or one of them."""
    from src.first_run import administration  # noqa: PLC0415 - it loads the whole application

    with failures_told():
        administration.end_sessions(load_settings(), email=email, session_id=session)
    typer.echo(f"Ended {'session ' + session if session else 'every session'} of {email}.")


@audit_app.command("verify")
def verify(
    *,
    expect_head: Annotated[
        str | None, typer.Option(help="A head that was printed earlier: finds a cut-off end.")
    ] = None,
) -> None:
    """Look whether any row of the history was changed, moved, added or removed."""
    with failures_told():
        chain = verify_history(raw_setting("DATABASE_URL") or "", expected_head=expect_head)
    typer.echo(f"{chain.count} events, head {chain.head}")


def _password(from_stdin: bool) -> str:  # noqa: FBT001 - the option as it is
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _say(text: str) -> None:
    """At once, for whoever waits at a terminal or reads a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    app()
