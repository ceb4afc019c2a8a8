"""Password hashing in a pool of its own, and the only home of passlib.

bcrypt at cost 12 takes a quarter of a second of a core. One thread a core at the lowest priority
keeps every other route fast during a flood of log-ins; a bounded queue keeps the flood bounded.
"""

import asyncio
import os
import sys
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from passlib.context import CryptContext

from src.auth.errors import HashingBusy
from src.core.metrics import metrics

T = TypeVar("T")

LOWEST_PRIORITY: Final = 19
WAITING_PER_THREAD: Final = 32
LEAST_WAITING: Final = 64
MAX_PASSWORD_CHARACTERS: Final = 256

# bcrypt_sha256 over "latchkey", cost 4: a broken bcrypt library must not go unnoticed.
_KNOWN_PASSWORD: Final = "latchkey"  # noqa: S105 - a public test vector
_KNOWN_HASH: Final = (
    "$bcrypt-sha256$v=2,t=2b,r=4$TiTJVsQ/DOWfO6nx0jFdG.$ZT9qXM5M.0hpLCW2DA37oMDhQEW/BLW"
)


class PasswordHasher:
    """Hashes and verifies passwords without blocking the event loop.

    Raises (methods): `HashingBusy` at once when the queue is full.
    """

    def __init__(self, *, rounds: int) -> None:
        self._context = CryptContext(
            # bcrypt_sha256 ignores no byte; plain bcrypt stops at the 72nd, so it is only verified.
            schemes=["bcrypt_sha256", "bcrypt"],
            deprecated=["bcrypt"],
            bcrypt_sha256__rounds=rounds,
            bcrypt__rounds=rounds,
        )
        # Another cost makes a hash of no known password of it. Checking one takes as long as ever,
        # and making a true one would take every start a quarter of a second.
        self._dummy_hash = _KNOWN_HASH.replace(",r=4$", f",r={rounds}$")
        threads = _cores()
        self._capacity = threads + max(LEAST_WAITING, threads * WAITING_PER_THREAD)
        self._pending = 0
        self._pool = ThreadPoolExecutor(
            threads,
            thread_name_prefix="password",
            initializer=_lower_priority,
        )

    async def warm_up(self) -> None:
        """Check the library against a known hash; call once, at start.

        Raises: RuntimeError when bcrypt does not work as it should.
        """
        if not await self._run(lambda: self._context.verify(_KNOWN_PASSWORD, _KNOWN_HASH)):
            raise RuntimeError("bcrypt fails its known answer: reinstall with requirements.txt")

    async def hash(self, password: str) -> str:
        """A new salted hash in modular crypt format."""
        return await self._run(lambda: str(self._context.hash(normalised(password))))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password matches. None (an unknown user) takes as long, and never matches."""
        verdict = await self._run(
            lambda: self._verify(password, password_hash or self._dummy_hash),
        )
        return verdict and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash is of an older scheme or cost than new ones."""
        return bool(self._context.needs_update(password_hash))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, password_hash: str) -> bool:
        fitting = is_hashable(password)
        try:
            verdict = self._context.verify(normalised(password if fitting else ""), password_hash)
        except (ValueError, TypeError):  # a stored hash that is none: nobody's password
            return False
        return bool(verdict) and fitting

    async def _run(self, work: Callable[[], T]) -> T:
        if self._pending >= self._capacity:
            raise HashingBusy(cause="hashing queue full")
        self._count(+1)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._pending += change
        metrics().hashing(self._pending)


def normalised(password: str) -> str:
    """NFKC, so that one password typed on two keyboards is one (NIST SP 800-63B-4 §3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def is_hashable(password: str) -> bool:
    """Whether this can be anybody's password at all; what is not costs the same to check."""
    return 0 < len(password) <= MAX_PASSWORD_CHARACTERS and "\x00" not in password


def _cores() -> int:
    """The cores that this process may use, which in a container are often fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _lower_priority() -> None:
    """On Linux a thread has a priority of its own; elsewhere the pool's size must do."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
