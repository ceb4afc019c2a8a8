"""What `uvicorn src.main:app` serves."""

import sys
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from src.app import create_app
from src.auth.keys import Keys
from src.core.settings import ConfigurationError, load_settings
from src.first_run.failures import CommandFailure, ExitCode
from src.first_run.schema import migrate
from src.issuers.configuration import read_issuers


def _build() -> FastAPI:
    settings = load_settings(serving=True)
    Keys(settings)  # what is wrong with their file is told before the port opens
    read_issuers(settings)
    if not settings.is_production:
        # In a thread, because Uvicorn imports this module inside its event loop.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(migrate, settings.DATABASE_URL).result()
    return create_app(settings)


try:
    app = _build()
except (ConfigurationError, CommandFailure) as error:
    # The message alone, before the port opens: a traceback would bury what mends it.
    sys.stderr.write(f"{error}\n")
    sys.exit(ExitCode.CONFIGURATION)
