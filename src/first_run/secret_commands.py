"""`python -m src.cli secrets …`: thin commands over `src/first_run/secret_*.py`."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from src.core.clock import utc_now
from src.core.settings import ENV_FILE, load_settings
from src.first_run.doctor import Verdict
from src.first_run.env_file import NAME
from src.first_run.failures import ExitCode
from src.first_run.secret_checks import Check, check_env_file, check_live, check_pair
from src.first_run.secret_file import SECRET_NAMES, Outcome, write_secrets
from src.first_run.secret_rotation import Which
from src.first_run.secret_rotation import rotate as rotate_keys
from src.first_run.telling import failures_told, tell

secrets_app = typer.Typer(
    no_args_is_help=True, help="Secrets in env files, and the keys that sign."
)


@secrets_app.command("generate")
def generate(
    *,
    env_file: Annotated[
        list[Path] | None, typer.Option(help="Instead of .env; may be given several times.")
    ] = None,
    shared: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A secret that all the files get in common."),
    ] = None,
    only_shared: Annotated[
        bool, typer.Option("--only-shared", help="None but those: not Latchkey's own two.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print what was written.")] = False,
) -> None:
    """Write the secrets that env files lack. What is there stays."""
    if not all(NAME.fullmatch(name) for name in shared or ()):
        raise typer.BadParameter("--shared takes the name of a setting.")
    if only_shared and not shared:
        raise typer.BadParameter("--only-shared goes with --shared NAME.")
    with failures_told():
        outcomes = write_secrets(
            env_file or [Path(ENV_FILE)],
            own=() if only_shared else SECRET_NAMES,
            shared=shared or (),
        )
    for outcome in outcomes:
        _tell_outcome(outcome, show=show)


@secrets_app.command("rotate")
def rotate(
    *,
    kind: Annotated[Which, typer.Option(help="Keys of which tokens.")] = Which.BOTH,
) -> None:
    """Add a signing key and retire the oldest, one step at a time; nobody is signed out."""
    with failures_told():
        lines = rotate_keys(load_settings(), kind, utc_now())
    for line in lines:
        typer.echo(line)


@secrets_app.command("verify")
def verify(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="With --pair: what both sides share."),
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(help="Instead of the environment; may be given several times."),
    ] = None,
    pair: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="FILE FILE", help="The env files of two services that share secrets."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Look whether secrets are there, strong, private and apart. Shows fingerprints alone."""
    if names and not pair:
        raise typer.BadParameter("Names go with --pair FILE FILE.")
    if pair and pair[0] == pair[1]:
        raise typer.BadParameter("A pair is two files.")
    checks = list(dict.fromkeys(_checks(env_file or [], pair, names or [])))
    healthy = all(check.verdict is not Verdict.PROBLEM for check in checks)
    if as_json:
        document = {"ok": healthy, "checks": [asdict(check) for check in checks]}
        typer.echo(json.dumps(document, indent=2))
    else:
        for check in checks:
            shown = f" (fingerprint {check.fingerprint})" if check.fingerprint else ""
            line = f"{check.source}: {check.subject} {check.detail}{shown}"
            tell(check.verdict, f"{check.verdict:<8} {line}")
    if not healthy:
        raise typer.Exit(ExitCode.UNHEALTHY)


def _checks(
    env_files: list[Path], pair: tuple[Path, Path] | None, names: list[str]
) -> Iterator[Check]:
    """A file of a pair may be no file of Latchkey's: it is looked at whole only when asked to."""
    if not env_files and not pair:
        yield from check_live()
    for path in env_files:
        yield from check_env_file(path)
    if pair:
        yield from check_pair(*pair, names)


def _tell_outcome(outcome: Outcome, *, show: bool) -> None:
    *first, last = outcome.written or [""]
    names = f"{', '.join(first)} and {last}" if first else last
    if outcome.written:
        typer.echo(f"Wrote {names} to {outcome.path} (readable by you alone).")
    else:
        typer.echo(f"{outcome.path} has its secrets already; nothing was changed.")
    for name, weakness in outcome.weak.items():
        typer.echo(
            f"{name} in {outcome.path} {weakness}. It was kept: remove it, then run this again.",
            err=True,
        )
    if show:
        for name, secret in outcome.written.items():
            typer.echo(f"{name}={secret}")
