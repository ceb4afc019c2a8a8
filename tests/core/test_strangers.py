"""Whose something is: every route that takes an id, found in the OpenAPI document.

A new route is covered by itself. Where no object can be made for it, the tests say what to add.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from tests.factories import Person, problem, sign_up
from tests.features import pointers, without_request_id

MARK = "of nobody else"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")
FEATURES = ("/chat/", "/anatomy/")
# Slugs of the catalogue, which is the same for everybody.
NOBODYS = ("/anatomy/systems/", "/anatomy/parts/")
ADMINISTRATORS = "/admin/"

Operation = tuple[str, str]  # method, path


async def new_conversation(client: httpx.AsyncClient, person: Person) -> str:
    body = {"title": MARK, "initial_message": f"What is {MARK}?"}
    made = await client.post("/chat/session/new", json=body, headers=person.authorization)
    return str(made.json()["session"]["id"])


async def new_record(client: httpx.AsyncClient, person: Person) -> str:
    body = {"part": "lung", "kind": "note", "note": MARK}
    made = await client.post("/anatomy/records", json=body, headers=person.authorization)
    return str(made.json()["id"])


async def log_in_session(client: httpx.AsyncClient, person: Person) -> str:
    listed = await client.get("/auth/sessions", headers=person.authorization)
    return str(listed.json()["sessions"][0]["id"])


async def account(client: httpx.AsyncClient, person: Person) -> str:  # noqa: ARG001
    return str(person.user["id"])


@dataclass(frozen=True)
class Owned:
    """How to make a person's object, to change it, and an id that nobody's object has."""

    make: Callable[[httpx.AsyncClient, Person], Awaitable[str]]
    change: dict[str, Any] = field(default_factory=dict)
    missing: Callable[[], str] = lambda: str(uuid4())
    refusal: str | None = None  # where it is not a 404


CONVERSATION = Owned(new_conversation, {"title": "taken"})
# By the part of the path before the id.
OWNED = {
    "/chat/session/": CONVERSATION,
    "/chat/history/": CONVERSATION,
    "/anatomy/records/": Owned(new_record, {"note": "taken"}),
    "/auth/sessions/": Owned(log_in_session, missing=lambda: secrets.token_urlsafe(12)),
    f"{ADMINISTRATORS}users/": Owned(account, {"is_active": False}, refusal="insufficient-role"),
}
# A body for each route of a feature that takes one and no id.
BODIES = {
    "/chat/session/new": {"title": "a"},
    "/chat/message": {"message": "What is a spleen?"},
    "/anatomy/records": {"part": "lung", "kind": "note", "note": "a"},
}


def operations(app: FastAPI, prefixes: tuple[str, ...] = ("/",)) -> Iterator[Operation]:
    """Those that need a token."""
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            if path.startswith(prefixes) and operation.get("security"):
                yield method.upper(), path


def takes_an_id(path: str) -> bool:
    return "{" in path and not path.startswith(NOBODYS)


def owned(path: str) -> Owned:
    before_id = path.partition("{")[0]
    if before_id not in OWNED:
        pytest.fail(f"add to OWNED in {__name__} how to make what {path} takes the id of")
    return OWNED[before_id]


def with_id(path: str, value: str) -> str:
    before, _, rest = path.partition("{")
    return before + value + rest.partition("}")[2]


async def made_by(app: FastAPI, client: httpx.AsyncClient, person: Person) -> dict[str, str]:
    """One object for each path that takes an id, by the path's beginning."""
    beginnings = {path.partition("{")[0]: path for _, path in operations(app) if takes_an_id(path)}
    return {each: await owned(path).make(client, person) for each, path in beginnings.items()}


async def seen_by(
    app: FastAPI,
    client: httpx.AsyncClient,
    person: Person,
    ids: dict[str, str],
) -> dict[str, tuple[int, bytes]]:
    """Every list, and everything with one of these ids, as the person reads it.

    Nothing for administrators: to ask for it is noted in one's own history.
    """
    seen = {}
    for method, path in operations(app):
        if method == "GET" and not path.startswith((*NOBODYS, ADMINISTRATORS)):
            address = with_id(path, ids.get(path.partition("{")[0], ""))
            response = await client.get(address, headers=person.authorization)
            seen[address] = without_request_id(response)
    return seen


async def test_anothers_id_answers_as_a_missing_one_and_nothing_is_changed(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    ada, bob = await sign_up(client), await sign_up(client)
    ids = await made_by(app, client, ada)
    before = await seen_by(app, client, ada, ids)
    asked = 0
    for method, path in operations(app):
        if not takes_an_id(path):
            continue
        kind = owned(path)
        body = kind.change if method in ("PATCH", "PUT", "POST") else None
        answers = [
            await client.request(method, with_id(path, each), json=body, headers=bob.authorization)
            for each in (ids[path.partition("{")[0]], kind.missing())
        ]
        assert without_request_id(answers[0]) == without_request_id(answers[1]), (method, path)
        if kind.refusal:
            assert problem(answers[0]) == kind.refusal, (method, path)
        else:
            assert answers[0].status_code == 404, (method, path)
        asked += 1
    assert asked >= 12
    assert await seen_by(app, client, ada, ids) == before


@on_sqlite
async def test_no_list_holds_anything_of_somebody_else(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    ada, bob = await sign_up(client), await sign_up(client)
    foreign = [*(await made_by(app, client, ada)).values(), MARK, ada.email, ada.user["id"]]
    seen = await seen_by(app, client, bob, {})
    lists = {address: body for address, (status, body) in seen.items() if status == 200}
    assert {"/chat/sessions", "/anatomy/", "/anatomy/records", "/auth/sessions"} <= set(lists)
    for address, body in lists.items():
        assert not [each for each in foreign if each.encode() in body], address


@on_sqlite
async def test_a_conversation_of_somebody_else_cannot_be_talked_in(
    client: httpx.AsyncClient,
) -> None:
    ada, bob = await sign_up(client), await sign_up(client)
    of_ada = await new_conversation(client, ada)
    answers = [
        await client.post(
            "/chat/message",
            json={"message": "hello", "session_id": session_id},
            headers=bob.authorization,
        )
        for session_id in (of_ada, str(uuid4()))
    ]
    assert problem(answers[0]) == "session-not-found"
    assert without_request_id(answers[0]) == without_request_id(answers[1])


@on_sqlite
async def test_a_user_id_changes_nothing_wherever_it_is(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    ada, bob = await sign_up(client), await sign_up(client)
    ids = await made_by(app, client, ada)
    before = await seen_by(app, client, ada, ids)
    named: dict[str, Any] = {
        "params": {"user_id": ada.user["id"]},
        "headers": {
            **bob.authorization,
            "User-Id": ada.user["id"],
            "X-User-Id": ada.user["id"],
            "Cookie": f"user_id={ada.user['id']}",
        },
    }
    for method, path in operations(app, FEATURES):
        address, body = path, BODIES.get(path)
        if takes_an_id(path):
            address = with_id(path, await owned(path).make(client, bob))
            body = owned(path).change
        address = address.replace("{slug}", "lung" if "/parts/" in path else "respiratory")
        if method == "GET":
            plain = await client.get(address, headers=bob.authorization)
            answer = await client.get(address, **named)
            assert without_request_id(answer) == without_request_id(plain), path
        elif method == "DELETE":
            assert (await client.delete(address, **named)).is_success, path
        else:
            assert body, f"add a body for {path} to BODIES in {__name__}"
            assert (await client.request(method, address, json=body, **named)).is_success, path
            claimed = {**body, "user_id": ada.user["id"]}
            refused = await client.request(method, address, json=claimed, headers=bob.authorization)
            assert pointers(refused) == ["/user_id"], path
    assert await seen_by(app, client, ada, ids) == before
