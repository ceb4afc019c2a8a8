"""What `uvicorn src.main:app` serves."""

import sys

from src.app import create_app
from src.core.settings import ConfigurationError, load_settings
from src.first_run.failures import ExitCode

try:
    app = create_app(load_settings(serving=True))
except ConfigurationError as error:
    # The message alone, before the port opens: a traceback would bury what mends it.
    sys.stderr.write(f"{error}\n")
    sys.exit(ExitCode.CONFIGURATION)
