"""The application of one worker, from the environment: checked, and in development migrated."""

import sys
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from src.app import create_app
from src.auth.keys import Keys
from src.core.settings import ConfigurationError, load_settings
from src.first_run.failures import CommandFailure, ExitCode
from src.first_run.schema import migrate
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
        # In a thread, because Uvicorn imports this module inside its event loop.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(migrate, settings.DATABASE_URL).result()
    return create_app(settings)
