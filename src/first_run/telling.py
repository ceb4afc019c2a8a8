"""How commands say what they found, and how one that fails says so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from src.core.settings import ConfigurationError
from src.first_run.doctor import Verdict
from src.first_run.failures import CommandFailure, ExitCode

COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "red"}


@contextmanager
def failures_told() -> Iterator[None]:
    """The message on standard error, without a traceback, and the exit code of its kind."""
    try:
        yield
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.CONFIGURATION) from error
    except CommandFailure as failure:
        typer.echo(str(failure), err=True)
        raise typer.Exit(failure.exit_code) from failure


def tell(verdict: Verdict, text: str) -> None:
    """One line with the verdict's sign, coloured where there is a terminal that shows colours."""
    sign = typer.style(verdict.sign, fg=COLOURS[verdict], bold=True)
    typer.echo(f"{sign} {text}", color=False if os.environ.get("NO_COLOR") else None)
