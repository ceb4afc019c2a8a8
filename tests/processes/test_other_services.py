"""Services that share the secret, each a process of its own: one call in each direction."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.clients import register
from tests.factories import bearer
from tests.processes.workers import SERVICE_SECRET, Workers

pytestmark = pytest.mark.one_database

SCRIPT = Path(__file__).with_name("other_service.py")
END_SECONDS = 60.0


def other_service(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments],
        env={"PATH": os.environ["PATH"], "SHARED_SECRET": SERVICE_SECRET},
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving() -> Iterator[httpx.Client]:
    """A client of the other service."""
    with other_service("serve") as process:
        assert process.stdout is not None
        try:
            base = f"http://127.0.0.1:{int(process.stdout.readline())}"
            with httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
                yield client
        finally:
            process.terminate()


async def test_another_service_accepts_the_token_that_a_client_got_here(
    pair: Workers, engine: AsyncEngine
) -> None:
    program = await register(engine, customer_id="acme")
    token = await program.service_token(pair.next)
    header, claims, signature = token.split(".")
    with serving() as service:
        answer = service.get("/", headers=bearer(token))
        forged = service.get("/", headers=bearer(f"{header}.{claims}.{signature[::-1]}"))
    assert (answer.status_code, answer.json()) == (200, {"customer_id": "acme"})
    assert forged.status_code == 401


async def test_a_token_that_another_service_signed_is_accepted_here(pair: Workers) -> None:
    with other_service("call", pair.workers[0].base) as process:
        printed, _ = process.communicate(timeout=END_SECONDS)
    assert process.returncode == 0
    (memory,) = json.loads(printed)["memories"]
    assert (memory["user_id"], memory["text"]) == ("+15550100", "likes tea")
