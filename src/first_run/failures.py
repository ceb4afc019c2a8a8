"""What a command can fail with: one exit code for each kind, and the sentence that is printed."""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of `python -m src.cli` and of a bare `uvicorn src.main:app`.

    3 is also uvicorn's own "could not start": its supervisor stops on it instead of starting
    workers over and over.
    """

    OK = 0
    FAILED = 1  # unforeseen: there is a traceback
    USAGE = 2  # the command line itself is wrong
    CONFIGURATION = 3  # a setting is missing, weak or contradicts another
    REDIS = 4  # Redis does not answer or cannot be started
    DATABASE = 5  # the database does not answer or cannot be migrated
    ADDRESS = 6  # the port is in use or may not be opened
    RUNNING = 7  # Latchkey already runs from this folder
    REFUSED = 8  # what was asked for is not acceptable: a taken e-mail, a weak password
    UNHEALTHY = 9  # the doctor or `secrets verify` found something that must not be
    CHAIN_BROKEN = 10  # the history of authentication is not what was written


class CommandFailure(Exception):  # noqa: N818 - its subclasses say what failed
    """Ends a command with its exit code. The message says what, why and what mends it."""

    exit_code: ClassVar[ExitCode]


class RedisUnavailable(CommandFailure):
    exit_code = ExitCode.REDIS


class DatabaseUnavailable(CommandFailure):
    exit_code = ExitCode.DATABASE


class AddressUnavailable(CommandFailure):
    exit_code = ExitCode.ADDRESS


class AlreadyRunning(CommandFailure):
    exit_code = ExitCode.RUNNING


class Refused(CommandFailure):
    exit_code = ExitCode.REFUSED


class ChainBroken(CommandFailure):
    exit_code = ExitCode.CHAIN_BROKEN
