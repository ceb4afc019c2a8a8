"""The application of one worker, from the environment: checked, and in development migrated."""

import sys
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from src.app import create_app
from src.auth.keys import Keys
from src.core.settings import ConfigurationError, Settings, load_settings
from src.first_run.failures import CommandFailure, ExitCode
from src.issuers.configuration import read_issuers


def build() -> FastAPI:
    """What is wrong with the configuration ends the process with one line for each problem.

    The message alone, before the port opens: a traceback would bury what mends it.
    """
    try:
        return _application()
    except (ConfigurationError, CommandFailure) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(ExitCode.CONFIGURATION)


def _application() -> FastAPI:
    settings = load_settings(serving=True)
    Keys(settings)  # what is wrong with their file is told before the port opens
    read_issuers(settings)
    if not settings.is_production:
        _migrate(settings)
    return create_app(settings)


def _migrate(settings: Settings) -> None:
    """In a thread, because Uvicorn imports this module inside its event loop."""
    # Alembic takes 8 MiB and a tenth of the start, for which production has no use.
    from src.first_run.schema import migrate  # noqa: PLC0415

    with ThreadPoolExecutor(1) as thread:
        thread.submit(migrate, settings.DATABASE_URL).result()
