"""Files that only their owner may read, written whole or not at all, by one process at a time."""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

OWNER_ONLY_FILE = 0o600
OWNER_ONLY_FOLDER = 0o700


def private_folder(folder: Path) -> Path:
    """The folder, made if need be, closed to everybody else."""
    folder.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    folder.chmod(OWNER_ONLY_FOLDER)
    return folder


@contextmanager
def only_one_in(folder: Path) -> Iterator[None]:
    """One process of this machine at a time; the others wait. The lock goes with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, so that no reader and no crash ever meets half of it."""
    replace_privately({path: text.encode()})


def replace_privately(contents: Mapping[Path, bytes]) -> None:
    """Replace files, each in one step, and none before all are written.

    A file keeps its owner where we may give it away: a server goes on reading what root rewrote.
    """
    with ExitStack() as stack:
        staged = {
            path: stack.enter_context(_staged(path, content)) for path, content in contents.items()
        }
        for path, temporary in staged.items():
            temporary.replace(path)


@contextmanager
def _staged(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside `path` with its content to be, gone after the block if nobody renamed it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)  # mkstemp makes it with mode 600
    try:
        with os.fdopen(descriptor, "wb") as file:
            _keep_owner(file.fileno(), path)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _keep_owner(descriptor: int, path: Path) -> None:
    with suppress(FileNotFoundError, PermissionError):
        before = path.stat()
        os.fchown(descriptor, before.st_uid, before.st_gid)
