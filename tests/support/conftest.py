"""Support alone, for people of a real Better Auth database, with a responder tests speak for."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from src.chat.speech import Pace, Speeches
from src.core.db import SessionMaker
from src.support.router import router
from tests.chat.conftest import Speaker
from tests.features import client_of, sessionmaker
from tests.issuers.better_auth_tables import LAYOUTS, Deployment, deployed
from tests.support.chatkit import Customer, text

SupportBy = Callable[[Speaker], httpx.AsyncClient]

__all__ = ["sessionmaker"]  # a fixture


@pytest.fixture(scope="session")
async def deployment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    path = tmp_path_factory.mktemp("better-auth") / "better-auth.db"
    path.touch()
    async with deployed(LAYOUTS["kysely-sqlite"], f"sqlite:///{path}") as deployment:
        yield deployment


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def speeches() -> Speeches:
    return Speeches(Pace(look=0.01))


@pytest.fixture
async def support_by(
    sessionmaker: SessionMaker, deployment: Deployment, speeches: Speeches
) -> AsyncIterator[SupportBy]:
    """Clients of support, by who replies there; they share all else."""

    def client(speaker: Speaker) -> httpx.AsyncClient:
        return client_of(
            router,
            sessionmaker=sessionmaker,
            better_auth=deployment.better_auth,
            responder=speaker,
            speeches=speeches,
        )

    async with speeches.kept():
        yield client


@pytest.fixture
async def support(support_by: SupportBy, speaker: Speaker) -> AsyncIterator[httpx.AsyncClient]:
    async with support_by(speaker) as client:
        yield client


@pytest.fixture
async def ada(support: httpx.AsyncClient, deployment: Deployment) -> Customer:
    return await somebody(support, deployment)


@pytest.fixture
async def bob(support: httpx.AsyncClient, deployment: Deployment) -> Customer:
    return await somebody(support, deployment)


async def somebody(client: httpx.AsyncClient, deployment: Deployment) -> Customer:
    user = await deployment.add_user()
    return Customer(client, deployment, user, await deployment.sign_in(user))


@pytest.fixture
async def thread(ada: Customer, speaker: Speaker) -> dict[str, Any]:
    """A thread of Ada's with one question and its reply, as ChatKit gets it."""
    speaker.say("It filters ", "blood.", None)
    events = await ada.hear("threads.create", input=text("What does the spleen do?"))
    speaker.asked.clear()
    return await ada.read("threads.get_by_id", thread_id=events[0]["thread"]["id"])
