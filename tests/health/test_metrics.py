"""The metrics: what a known journey adds up to, who may read it, and what names it."""

import asyncio
import json
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from src.app import create_app
from src.auth.passwords import PasswordHasher
from src.chat.schemas import Message
from src.chat.speech import Speech, Speeches
from src.core.errors import ServiceUnavailable
from src.core.metrics import SHARED_DIRECTORY, Metrics, telling
from src.core.settings import Settings
from src.first_run.metric_files import shared_metrics
from src.health.prometheus import PrometheusMetrics
from tests.conftest import REPOSITORY, MovableClock, PassTime, running
from tests.factories import bearer, log_in, new_email, problem, refresh, sign_up

pytestmark = pytest.mark.one_database

TOKEN = secrets.token_urlsafe(48)
GRACE = timedelta(seconds=31)
MOST_LOOKS = 2_000

Samples = dict[str, float]


@pytest.fixture
async def counted(
    client: httpx.AsyncClient,  # noqa: ARG001 - empties the stores
    settings: Settings,
    session_clock: MovableClock,
) -> AsyncIterator[httpx.AsyncClient]:
    """An application that counts, from nothing."""
    async with running(create_app(counting(settings), clock=session_clock)) as client_of_it:
        yield client_of_it


def counting(settings: Settings, **changes: str) -> Settings:
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return Settings(_env_file=None, **values | {"METRICS": "on", "METRICS_TOKEN": TOKEN} | changes)


async def scrape(client: httpx.AsyncClient) -> Samples:
    response = await client.get("/metrics", headers=bearer(TOKEN))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=")
    return samples(response.text)


def samples(exposition: str) -> Samples:
    """Every sample under its name and labels, as a query spells them."""
    return {
        sample.name + labelled(sample.labels): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def labelled(labels: Mapping[str, str]) -> str:
    return "".join(f"{{{name}={value}}}" for name, value in sorted(labels.items()))


def of(metric: str, found: Samples) -> Samples:
    """The samples of one metric, by their labels alone."""
    return {k.removeprefix(metric): v for k, v in found.items() if k.startswith(metric + "{")}


async def until(client: httpx.AsyncClient, holds: Callable[[Samples], bool]) -> Samples:
    for _ in range(MOST_LOOKS):
        found = await scrape(client)
        if holds(found):
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


async def test_a_journey_adds_up(counted: httpx.AsyncClient, pass_time: PassTime) -> None:
    person = await sign_up(counted)
    taken = {"email": person.email, "password": person.password}
    assert problem(await counted.post("/auth/signup", json=taken)) == "email-taken"
    wrong = {"email": person.email, "password": "not the password"}
    assert problem(await counted.post("/auth/login", json=wrong)) == "invalid-credentials"
    phone = await log_in(counted, person)

    successor = (await refresh(counted, person.refresh_token)).json()["refresh_token"]
    assert (await refresh(counted, person.refresh_token)).json()["refresh_token"] == successor
    await pass_time(GRACE)
    assert problem(await refresh(counted, person.refresh_token)) == "refresh-token-reused"
    assert problem(await refresh(counted, successor)) == "invalid-refresh-token"
    assert problem(await refresh(counted, "no token")) == "invalid-refresh-token"
    await counted.post("/auth/logout", json={"refresh_token": phone.refresh_token})

    # The reuse and the log-out, which come back from Redis in their own time.
    found = await until(counted, lambda now: now["latchkey_revocation_lag_seconds_count"] >= 2)
    assert of("latchkey_signup_total", found) == {
        "{outcome=succeeded}": 1,
        "{outcome=email-taken}": 1,
    }
    assert of("latchkey_login_total", found) == {
        "{outcome=succeeded}": 1,
        "{outcome=invalid-credentials}": 1,
    }
    assert of("latchkey_refresh_total", found) == {
        "{result=rotated}": 1,
        "{result=replay}": 1,
        "{result=reuse}": 1,
        "{result=ended}": 1,
        "{result=invalid}": 1,
    }
    assert of("latchkey_session_ended_total", found) == {
        "{cause=reuse-detected}": 1,
        "{cause=logout}": 1,
    }
    assert found["latchkey_revocations_caught_up"] == 1
    assert found["latchkey_revocation_lag_seconds_count"] == 2
    assert found["latchkey_redis_unavailable_total"] == 0
    assert found["latchkey_hash_queue_depth"] == found["latchkey_chat_streams"] == 0


async def test_requests_are_told_apart_by_template_and_what_strangers_invent_is_not(
    counted: httpx.AsyncClient,
) -> None:
    for path in ("/nowhere", "/elsewhere?q=1", "/healthz"):
        await counted.get(path)
    await counted.head("/healthz")
    await counted.request("BREW", "/healthz")
    person = await sign_up(counted)
    for _ in range(2):
        path = f"/auth/sessions/{secrets.token_urlsafe(12)}"
        assert (await counted.delete(path, headers=person.authorization)).status_code == 404

    found = of("latchkey_http_request_duration_seconds_count", await scrape(counted))
    assert found == {
        "{method=GET}{route=unknown}{status=4xx}": 2,
        "{method=GET}{route=/healthz}{status=2xx}": 1,
        "{method=HEAD}{route=/healthz}{status=2xx}": 1,
        "{method=unknown}{route=/healthz}{status=4xx}": 1,
        "{method=POST}{route=/auth/signup}{status=2xx}": 1,
        "{method=DELETE}{route=/auth/sessions/{session_id}}{status=4xx}": 2,
    }


async def test_an_outage_of_redis_is_counted(
    client: httpx.AsyncClient,
    settings: Settings,
) -> None:
    person = await sign_up(client)
    without_redis = counting(settings, REDIS_URL="unix:///nowhere/redis.sock")
    async with running(create_app(without_redis)) as lonely:
        assert (await refresh(lonely, person.refresh_token)).status_code == 503
        found = await scrape(lonely)

    assert of("latchkey_refresh_total", found) == {"{result=unavailable}": 1}
    assert found["latchkey_redis_unavailable_total"] == 1
    assert found["latchkey_revocations_caught_up"] == 0


async def test_only_who_has_the_token_reads_them(counted: httpx.AsyncClient) -> None:
    person = await sign_up(counted)

    assert problem(await counted.get("/metrics")) == "authentication-required"
    for wrong in (TOKEN[:-1], TOKEN + "x", "\u00e9", person.access_token):
        headers = {b"Authorization": f"Bearer {wrong}".encode("latin-1")}
        assert problem(await counted.get("/metrics", headers=headers)) == "invalid-token"
    text = (await counted.get("/metrics", headers=bearer(TOKEN))).text
    assert person.email not in text
    assert person.user["id"] not in text


async def test_without_metrics_there_is_no_such_page(client: httpx.AsyncClient) -> None:
    assert problem(await client.get("/metrics", headers=bearer(TOKEN))) == "not-found"


class Heard(Metrics):
    """Remembers how much was under way."""

    def __init__(self) -> None:
        self.depths: list[int] = []
        self.replies: list[int] = []

    def hashing(self, passwords: int) -> None:
        self.depths.append(passwords)

    def speaking(self, replies: int) -> None:
        self.replies.append(replies)


async def test_the_depth_of_the_hashing_queue_rises_and_falls() -> None:
    heard, hasher = Heard(), PasswordHasher(rounds=4)
    with telling(heard):
        await asyncio.gather(*(hasher.hash(new_email()) for _ in range(3)))
    hasher.close()

    assert heard.depths == [1, 2, 3, 2, 1, 0]


async def hello() -> AsyncIterator[str]:
    yield "Hello"


async def keep_nothing(text: str, *, cut: bool) -> Message:  # noqa: ARG001
    raise ServiceUnavailable


async def signed_in() -> bool:
    return True


async def test_replies_under_way_rise_and_fall() -> None:
    heard, speeches = Heard(), Speeches()

    async def listen() -> None:
        speech = Speech(hello(), keep=keep_nothing, is_signed_in=signed_in, speeches=speeches)
        assert "".join([piece async for piece in speech.pieces()]) == "Hello"

    with telling(heard):
        async with speeches.kept():
            await asyncio.gather(listen(), listen())
    await asyncio.sleep(0)  # the last ones are taken off when their tasks have ended

    assert heard.replies == [1, 2, 1, 0]


WORKER = """
from src.health.prometheus import PrometheusMetrics
metrics = PrometheusMetrics()
metrics.logged_in("succeeded")
metrics.hashing(7)
metrics.revocations_caught_up(caught_up=True)
print(metrics.exposition().decode())
"""


def test_workers_count_together_and_what_was_under_way_in_a_dead_one_is_gone(
    tmp_path: Path,
) -> None:
    with shared_metrics(tmp_path, port=8000):
        first, second = (
            subprocess.run(
                [sys.executable, "-c", WORKER],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for _ in range(2)
        )

    assert samples(first)["latchkey_login_total{outcome=succeeded}"] == 1
    assert samples(second)["latchkey_login_total{outcome=succeeded}"] == 2
    assert samples(second)["latchkey_hash_queue_depth"] == 7
    assert not list(tmp_path.iterdir())


def test_a_start_begins_with_nothing_and_its_files_are_its_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SHARED_DIRECTORY, raising=False)
    left = tmp_path / "metrics-8000" / "counter_1.db"
    left.parent.mkdir()
    left.touch()

    with shared_metrics(tmp_path, port=8000):
        assert not left.exists()
        assert left.parent.stat().st_mode & 0o777 == 0o700


def names() -> set[str]:
    """Every metric, as its family is called."""
    families = text_string_to_metric_families(PrometheusMetrics().exposition().decode())
    return {
        f"{family.name}_total" if family.type == "counter" else family.name for family in families
    }


def test_the_dashboard_asks_for_what_there_is_and_for_all_of_it() -> None:
    dashboard = json.loads((REPOSITORY / "deploy" / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for query in queries
        for name in re.findall(r"\blatchkey_\w+", query)
    }

    assert asked == names()


def test_the_operators_page_names_every_metric() -> None:
    text = (REPOSITORY / "docs" / "operations.md").read_text()

    assert set(re.findall(r"`(latchkey_\w+)`", text)) == names()
