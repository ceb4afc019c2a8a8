"""The files in which several workers count together, for as long as they run."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.core.metrics import SHARED_DIRECTORY
from src.first_run.private_files import private_folder


@contextmanager
def shared_metrics(local: Path, *, port: int) -> Iterator[None]:
    """Processes that start inside the block count together.

    What a server before left is thrown away: counters begin at 0 with every start. The port tells
    servers apart that run in one folder.
    """
    directory = local.resolve() / f"metrics-{port}"
    shutil.rmtree(directory, ignore_errors=True)
    os.environ[SHARED_DIRECTORY] = str(private_folder(directory))
    try:
        yield
    finally:
        del os.environ[SHARED_DIRECTORY]
        shutil.rmtree(directory, ignore_errors=True)
