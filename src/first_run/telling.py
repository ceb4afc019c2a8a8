"""How a command that fails says so."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from src.core.settings import ConfigurationError
from src.first_run.failures import CommandFailure, ExitCode


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
