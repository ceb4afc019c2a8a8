"""The log of a real process: one escaped line an event, who did what, and no secret anywhere."""

import asyncio
import io
import json
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from src.core.logging import JsonLines, configure_logging, log_event, logging_request
from tests.core.conftest import Server
from tests.factories import Person, log_in, problem, refresh, sign_up
from tests.tokens import claims_of

Client = httpx.AsyncClient
Event = dict[str, Any]

ESC = "\x1b[31m"
FORGED = '{"event": "forged", "user_id": "1"}'
TELL_SECONDS = 30.0


@pytest.fixture
async def http(server: Server) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as client:
        yield client


def lines(server: Server) -> list[str]:
    return server.worker.logged.decode().split("\n")[:-1]


async def events_of(server: Server, response: httpx.Response) -> list[Event]:
    """All lines of one request, once its last is written."""
    request_id = response.headers["x-request-id"]
    for _ in range(int(TELL_SECONDS / 0.02)):
        found = [json.loads(line) for line in lines(server) if request_id in line]
        if any(event["event"] == "request" for event in found):
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("the request was not logged")


async def event_of(server: Server, response: httpx.Response, name: str) -> Event:
    (found,) = [e for e in await events_of(server, response) if e["event"] == name]
    return found


def require_who_where_when(event: Event, response: httpx.Response, user_id: str | None) -> None:
    assert datetime.fromisoformat(event["time"]).utcoffset() == timedelta()
    assert event["request_id"] == response.headers["x-request-id"]
    assert event["ip"] == "127.0.0.1"
    assert event.get("user_id") == user_id


async def credentials(http: Client, person: Person, password: str) -> httpx.Response:
    return await http.post("/auth/login", json={"email": person.email, "password": password})


async def test_sign_up_log_in_and_out_are_logged_with_actor_address_and_request(
    server: Server,
    http: Client,
) -> None:
    body = {"email": f"{secrets.token_hex(8)}@example.com", "password": "correct horse battery"}
    signed_up = await http.post("/auth/signup", json=body)
    user_id = signed_up.json()["user"]["id"]
    logged_in = await http.post("/auth/login", json=body)
    failed = await http.post("/auth/login", json={**body, "password": "wrong"})
    unknown = await http.post("/auth/login", json={**body, "email": "nobody@example.com"})
    authorization = {"Authorization": f"Bearer {logged_in.json()['access_token']}"}
    logged_out = await http.post("/auth/logout", headers=authorization)
    for response, name, actor in (
        (signed_up, "signed-up", user_id),
        (logged_in, "logged-in", user_id),
        (failed, "login-failed", user_id),
        (unknown, "login-failed", None),
        (logged_out, "session-ended", user_id),
    ):
        require_who_where_when(await event_of(server, response, name), response, actor)


async def test_a_change_of_password_is_logged_and_so_is_a_refused_one(
    server: Server,
    http: Client,
) -> None:
    person = await sign_up(http)
    body = {"current_password": "wrong", "new_password": "another long passphrase"}
    refused = await http.post("/auth/password", json=body, headers=person.authorization)
    body["current_password"] = person.password
    changed = await http.post("/auth/password", json=body, headers=person.authorization)
    for response, name in (
        (refused, "password-refused"),
        (changed, "password-changed"),
        (changed, "session-ended"),
    ):
        event = await event_of(server, response, name)
        require_who_where_when(event, response, person.user["id"])


async def test_reuse_of_a_refresh_token_is_logged(server: Server, http: Client) -> None:
    person = await sign_up(http)
    second = (await refresh(http, person.refresh_token)).json()["refresh_token"]
    assert (await refresh(http, second)).status_code == 200
    reused = await refresh(http, person.refresh_token)
    assert problem(reused) == "refresh-token-reused"
    event = await event_of(server, reused, "refresh-refused")
    require_who_where_when(event, reused, person.user["id"])
    assert event["session_id"]


async def test_every_request_is_one_line_that_names_the_route_and_never_the_query(
    server: Server,
    http: Client,
) -> None:
    response = await http.get("/chat/history/018f4e3c-secret?access_token=s3cr3t&limit=1")
    event = await event_of(server, response, "request")
    assert (event["method"], event["status"]) == ("GET", 401)
    assert event["route"] == "/chat/history/{session_id}"
    assert not any("s3cr3t" in line or "018f4e3c-secret" in line for line in lines(server))


async def test_nothing_that_a_client_sends_forges_a_line(server: Server, http: Client) -> None:
    for evil in (f"a\r\n{FORGED}", f"a\n{FORGED}\n", f"{ESC}{FORGED}", f"a\u2028{FORGED}\x85x"):
        await http.post("/auth/login", json={"email": evil, "password": evil})
        await http.post("/auth/signup", json={"email": evil, "password": evil})
        await http.post("/auth/refresh", json={"refresh_token": evil})
        await http.get("/%0d%0a" + FORGED, params={"a": evil})
        await http.post("/auth/signup", json={evil: evil})
    for raw in (ESC.encode() + FORGED.encode(), "\x85\u00a0".encode("latin-1") + FORGED.encode()):
        body = json.dumps({"email": f"{secrets.token_hex(8)}@example.com", "password": "x" * 20})
        request = b"POST /auth/signup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        request += b"User-Agent: %s\r\nX-Request-ID: %s\r\n" % (raw, raw)
        server.exchange(request + b"Content-Length: %d\r\n\r\n%s" % (len(body), body.encode()))
    for line in lines(server):
        event = json.loads(line)
        assert event["event"] != "forged"
        assert line.isascii()
        assert line.isprintable()


def variants(secret: str) -> list[bytes]:
    """A secret as it is, and each segment of a token: a part of one is too much as well."""
    return [part.encode() for part in {secret, *secret.split(".")} if len(part) > 10]


async def journey(http: Client, password: str) -> list[str]:
    """Secrets planted wherever a client could put them, by accident included."""
    person = await sign_up(http, password=password)
    again = await log_in(http, person)
    planted = [password, person.access_token, person.refresh_token, again.access_token]
    key = secrets.token_urlsafe(24)
    refreshed = await refresh(http, again.refresh_token, key=key)
    spent = again.refresh_token
    newest = refreshed.json()
    planted += [spent, key, newest["refresh_token"], newest["access_token"]]
    params = {"access_token": again.access_token, "password": password}
    await http.get("/auth/me", params=params, headers=person.authorization)
    await http.get(f"/{person.access_token}/{password}")
    await http.get(f"/chat/history/{person.access_token}", headers=person.authorization)
    await http.post("/auth/login", json={"email": person.email, "password": password + "x"})
    await http.post("/auth/login", json={"email": password, "password": password})
    await http.post("/auth/login", json={password: password})
    await http.post("/auth/signup", json={"email": person.email, "password": password})
    await http.post("/auth/signup", json={"email": password, "password": password, "id": password})
    await http.post("/auth/refresh", json={"refresh_token": person.access_token})
    await http.post("/auth/refresh", json={"refresh_token": password})
    await http.get("/auth/me", headers={"Authorization": f"Bearer {password}"})
    await http.get("/auth/me", headers={"Authorization": f"Bearer {again.access_token}x"})
    await http.get("/auth/me", headers={"Cookie": f"a={again.access_token}"})
    renewed = "another " + password[::-1]
    body = {"current_password": password, "new_password": renewed}
    changed = await http.post("/auth/password", json=body, headers=person.authorization)
    assert changed.status_code == 200
    planted += [renewed, changed.json()["access_token"], changed.json()["refresh_token"]]
    logout = {"refresh_token": changed.json()["refresh_token"]}
    assert (await http.post("/auth/logout", json=logout)).status_code == 204
    ids = [claims_of(text)["jti"] for text in planted if text.count(".") == 2]
    return [*planted, *ids]


async def test_no_secret_is_in_the_log_the_database_or_redis(
    server: Server,
    http: Client,
) -> None:
    answers: list[bytes] = []

    async def heard(response: httpx.Response) -> None:
        answers.append(await response.aread())

    http.event_hooks["response"].append(heard)
    planted = await journey(http, f"canary-{secrets.token_hex(12)}")
    passwords = [text for text in planted if "canary" in text or "canary" in text[::-1]]
    assert len(passwords) == 2
    assert len(answers) > 15
    for answer in answers:
        for each in passwords:  # but where it was a member's name, which is told to be mended
            assert each.encode() not in answer.replace(f'"pointer": "/{each}"'.encode(), b"")
    await http.get("/healthz")
    left: dict[str, bytes] = {"log": server.worker.logged}
    for suffix in ("", "-wal"):
        file = server.database.with_name(server.database.name + suffix)
        left[file.name] = file.read_bytes() if file.exists() else b""
    async with Redis.from_url(server.redis.url) as connection:
        raw: Any = connection
        for key in await raw.keys("*"):
            left[f"Redis {key!r}"] = key + (await raw.dump(key) or b"") + await plain(raw, key)
    assert len(left) > 3
    header = planted[1].partition(".")[0].encode()  # the same in every token, and no secret
    for secret in planted:
        for text in variants(secret):
            found = [where for where, content in left.items() if text in content]
            assert not found or text == header, (text, found)


async def plain(redis: Any, key: bytes) -> bytes:
    """What a key holds; a dump may be compressed."""
    kind = await redis.type(key)
    if kind == b"hash":
        return repr(await redis.hgetall(key)).encode()
    if kind == b"zset":
        return repr(await redis.zrange(key, 0, -1)).encode()
    if kind == b"stream":
        return repr(await redis.xrange(key)).encode()
    if kind == b"set":
        return repr(await redis.smembers(key)).encode()
    return bytes(await redis.get(key) or b"")


def formatted(message: str, **fields: Any) -> Event:
    record = logging.LogRecord("x", logging.INFO, "x", 1, message, None, None)
    record.fields = fields
    text = JsonLines().format(record)
    assert "\n" not in text
    decoded: Event = json.loads(text)
    return decoded


TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLXRoaXM"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN, f"Bearer {TOKEN}", f"token={TOKEN}&x=1", f"x{TOKEN}", TOKEN[:-30],
        TOKEN.split(".")[1], "x" * 1_990 + TOKEN, TOKEN + "x" * 1_990, f"{TOKEN}.{TOKEN}",
        f"{TOKEN}{'y' * 30_000}", "eyJ" * 30_000, TOKEN + " z" * 985,
    ],
)  # fmt: skip
def test_tokens_are_redacted_wherever_they_stand_and_however_cut(text: str) -> None:
    event = formatted(text, where=text)
    for value in (event["event"], event["where"]):
        assert "c2lnbm" not in value
        assert "eyJ" not in value
        assert len(value) <= 2_000


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter2@localhost:6379", "redis://user:hunter2@localhost/0",
        "postgresql+asyncpg://user:hunter2@localhost/db?sslmode=require",
        "redis://user:hun@hunter2@localhost", "redis://user:a/hunter2@localhost",
        "redis://user:a:hunter2@localhost", "cannot reach 'redis://:hunter2@localhost': refused",
        "redis://user:hunter2?x#y@localhost", "rediss://u:hunter2@[::1]:6379",
    ],
)  # fmt: skip
def test_passwords_in_urls_are_redacted(url: str) -> None:
    text = json.dumps(formatted(url, where=url))
    assert "hunter2" not in text
    assert "localhost" in text or "[::1]" in text


def test_a_url_without_a_password_is_logged_as_it_is() -> None:
    url = "http://localhost:8000/docs?mail=a%40b"
    assert formatted(url)["event"] == url


@pytest.mark.parametrize(
    "evil", ["\r\n", "\n", "\x1b[2J", "\x85", "\u2028", "\u202e", "\x00", "\ud800"]
)
def test_control_and_invisible_characters_are_escaped(evil: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, evil, None, None)
    record.fields = {"device": evil}
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["device"] == evil


def test_an_exception_is_one_line_and_redacted() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("latchkey")
    logger.addHandler(handler)
    try:
        log_event("internal-error", exception=RuntimeError(f"line\nbreak {TOKEN}"))
    finally:
        logger.removeHandler(handler)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["level"] == "ERROR"
    assert "[token]" in json.loads(line)["traceback"]


@pytest.fixture
def untouched() -> Iterator[None]:
    """What configures logging does so for this test alone."""
    root, ours = logging.getLogger(), logging.getLogger("latchkey")
    before = (root.handlers, root.level, ours.level)
    yield
    root.handlers, root.level, ours.level = before


class Collector(logging.Handler):
    """Somebody else's, such as one that sends errors to a tracker."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)


@pytest.mark.usefixtures("untouched")
def test_a_line_is_the_same_whether_somebody_else_listens_or_not() -> None:
    stream, collector = io.StringIO(), Collector()
    configure_logging("INFO", stream=stream)
    for listening in (False, True):
        if listening:
            logging.getLogger().addHandler(collector)
        with logging_request(request_id="r1", ip="127.0.0.1"):
            log_event("seen", device=f"x {TOKEN} \x85", absent=None, status=200, ms=0.4)
            log_event("failed", exception=RuntimeError(TOKEN))
    first, second = ([json.loads(line) for line in part] for part in halves(stream.getvalue()))
    for line in (*first, *second):
        assert datetime.fromisoformat(line.pop("time")).utcoffset() == timedelta()
    assert first == second
    assert first[0] == {
        "level": "INFO", "event": "seen", "request_id": "r1", "ip": "127.0.0.1",
        "device": "x [token] \x85", "status": 200, "ms": 0.4,
    }  # fmt: skip
    assert [record.getMessage() for record in collector.seen] == ["seen", "failed"]


def halves(text: str) -> tuple[list[str], list[str]]:
    found = text.splitlines()
    return found[: len(found) // 2], found[len(found) // 2 :]


@pytest.mark.usefixtures("untouched")
def test_a_filter_that_somebody_adds_is_asked() -> None:
    stream = io.StringIO()
    configure_logging("INFO", stream=stream)
    (handler,) = logging.getLogger().handlers
    handler.addFilter(lambda record: record.getMessage() != "secret")
    log_event("secret")
    log_event("seen")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["seen"]


@pytest.mark.usefixtures("untouched")
def test_a_line_that_cannot_be_written_fails_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it is what fails
    configure_logging("INFO", stream=full)
    log_event("seen")
    log_event("seen")
    with pytest.raises(OSError, match="No space"):
        full.close()
    assert "No space left" in capsys.readouterr().err


async def test_requests_at_the_same_time_keep_their_own_ids(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="latchkey")

    async def request(number: int) -> None:
        with logging_request(request_id=f"r{number}", ip=None):
            await asyncio.sleep(0)
            log_event("seen", number=number)
            await asyncio.sleep(0)
            log_event("seen", number=number)

    await asyncio.gather(*(request(number) for number in range(20)))
    log_event("outside")
    ours = [record for record in caplog.records if record.getMessage() in {"seen", "outside"}]
    said = [record.__dict__["fields"] for record in ours]
    assert len(said) == 41
    assert all(fields["request_id"] == f"r{fields['number']}" for fields in said[:-1])
    assert said[-1] == {}
