"""The address that the server will listen on, taken before anything else is started."""

import errno
import socket
from pathlib import Path

from src.first_run.embedded_redis import already_running, running_instance
from src.first_run.failures import AddressUnavailable

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
# For what a client was sent and does not take, or cannot: then the connection ends. Where the
# system has no such option, only answers too long for its buffers have an end (BoundedHttp).
UNTAKEN_MILLISECONDS = 30_000
LOOPBACK = ("127.0.0.1", "::1", "localhost", *EVERYWHERE)


def take_address(host: str, port: int, *, local: Path) -> socket.socket:
    """A bound socket that does not listen yet: nobody can connect before the server is ready.

    Raises: `AlreadyRunning` when it is this folder's own server that has the port,
    `AddressUnavailable` otherwise.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # inherited by every connection
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_MILLISECONDS)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        other = running_instance(local)
        if other is not None:
            raise already_running(other) from error
        raise AddressUnavailable(_explanation(error, host, port)) from error
    listener.set_inheritable(True)
    return listener


def url_of(listener: socket.socket) -> str:
    """The address as a person opens it."""
    host, port = listener.getsockname()[:2]
    if host in LOOPBACK:
        return f"http://localhost:{port}/"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def reachable_at(listener: socket.socket) -> tuple[str, int]:
    """Host and port at which this machine itself reaches the listener."""
    host, port = listener.getsockname()[:2]
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104


def _explanation(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        another = port + 1 if port < 65_535 else port - 1  # noqa: PLR2004 - the last port
        return f"Port {port} is in use at {host} by another program. Run: make run PORT={another}"
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than you have. Run: make run PORT=8000"
    return f"{host}:{port} cannot be listened on ({error.strerror or error}). Run: make run"
