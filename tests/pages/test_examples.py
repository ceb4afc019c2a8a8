"""The OpenAPI document is valid, and what "Execute" sends from it unchanged is accepted."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from src.app import create_app
from src.auth.models import User
from src.core.bodies import FORM_TYPE
from src.openapi_examples import BODIES
from tests.clients import register
from tests.conftest import make_settings
from tests.factories import Person, bearer, log_in, sign_up

pytestmark = pytest.mark.one_database

Document = dict[str, Any]

REFRESH_TOKEN = "<refresh token>"  # docs.js puts the newest in its place
RATE_LIMITS = {"ratelimit", "ratelimit-policy"}  # off in these tests
ELSEWHERE = {"BetterAuthToken"}  # whose tokens no user of ours has


class Operation(NamedTuple):
    method: str
    path: str
    spec: Document

    @property
    def name(self) -> str:
        return str(self.spec["operationId"])

    @property
    def scheme(self) -> str | None:
        """How the caller authenticates."""
        return next((name for each in self.spec.get("security", []) for name in each), None)

    @property
    def bodies(self) -> dict[str, Document]:
        """Per media type its schema and example."""
        content: dict[str, Document] = self.spec.get("requestBody", {}).get("content", {})
        return content


@pytest.fixture(scope="module")
def document() -> Document:
    decoded: Document = json.loads(json.dumps(create_app(make_settings()).openapi()))
    return decoded


def operations(document: Document) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, spec in methods.items():
            yield Operation(method.upper(), path, spec)


def problems_of(schema: Document, example: object, document: Document) -> list[str]:
    """What is wrong with an example."""
    rooted = {**schema, "components": document["components"]}
    return [error.message for error in OAS31Validator(rooted).iter_errors(example)]


def test_the_document_is_valid_openapi(document: Document) -> None:
    validate(document)


def test_tags_are_those_that_are_described(document: Document) -> None:
    used = {tag for operation in operations(document) for tag in operation.spec["tags"]}
    described = [tag["name"] for tag in document["tags"]]

    assert len(described) == len(used)
    assert used == set(described)


def test_every_body_and_every_id_has_an_example_that_fits_its_schema(document: Document) -> None:
    for operation in operations(document):
        for media_type, content in operation.bodies.items():
            wrong = problems_of(content["schema"], content["example"], document)
            assert not wrong, (operation.name, media_type)
        for parameter in operation.spec.get("parameters", []):
            assert "example" in parameter or not parameter["required"], operation.name
            if "example" in parameter:
                wrong = problems_of(parameter["schema"], parameter["example"], document)
                assert not wrong, (operation.name, parameter["name"])


async def test_what_execute_sends_succeeds_when_ids_are_real(
    client: httpx.AsyncClient,
    engine: AsyncEngine,
    document: Document,
) -> None:
    first, *others = (each for each in operations(document) if each.scheme not in ELSEWHERE)
    assert first.name == "sign_up"
    user = (await execute(client, first, {}, {})).json()["user"]
    await make_administrator(engine, user["email"])
    person = Person(user["email"], BODIES["sign_up"]["password"], "", "", user)
    program = await register(engine, customer_id="acme", may_introspect=True)
    service_token = await program.service_token(client)

    for operation in sorted(others, key=lambda each: each.name == "change_password"):
        person = await log_in(client, person)
        headers = {
            None: {},
            "AccessToken": person.authorization,
            "ServiceClient": program.basic,
            "ServiceToken": bearer(service_token),
        }[operation.scheme]
        ids = await ids_for(client, operation, person)
        await execute(client, operation, headers, {REFRESH_TOKEN: person.refresh_token, **ids})


async def make_administrator(engine: AsyncEngine, email: str) -> None:
    async with engine.begin() as connection:
        named = col(User.email) == email
        await connection.execute(update(User).where(named).values(roles=["user", "admin"]))


async def ids_for(
    client: httpx.AsyncClient,
    operation: Operation,
    person: Person,
) -> dict[str, str]:
    """Ids that exist, by the name of the path's parameter."""
    match operation.path.split("/")[1:]:
        case ["auth", "sessions", _]:
            me = (await client.get("/auth/sessions", headers=person.authorization)).json()
            return {"session_id": me["sessions"][-1]["id"]}
        case ["chat", _, "{session_id}", *_]:
            opened = await client.post("/chat/session/new", headers=person.authorization)
            return {"session_id": opened.json()["session"]["id"]}
        case ["anatomy", "records", "{record_id}"]:
            new = {"part": "femur", "kind": "symptom", "severity": 5}
            added = await client.post("/anatomy/records", json=new, headers=person.authorization)
            return {"record_id": added.json()["id"]}
        case ["admin", "users", "{user_id}", *_]:
            return {"user_id": (await sign_up(client)).user["id"]}
    return {}


async def execute(
    client: httpx.AsyncClient,
    operation: Operation,
    headers: dict[str, str],
    real: dict[str, str],
) -> httpx.Response:
    """Send every example body of an operation; the answer to the last one.

    `real` has what takes the place of examples: ids by their names, tokens by their example.
    """
    examples = {
        (parameter["in"], parameter["name"]): parameter["example"]
        for parameter in operation.spec.get("parameters", [])
        if "example" in parameter
    }
    path = {name: text for (place, name), text in examples.items() if place == "path"}
    query = {name: text for (place, name), text in examples.items() if place == "query"}
    for media_type, content in (operation.bodies or {"": {}}).items():
        body = {name: real.get(str(v), v) for name, v in content.get("example", {}).items()}
        response = await client.request(
            operation.method,
            operation.path.format_map(path | real),
            params=query,
            headers=headers,
            json=body if media_type == "application/json" else None,
            data=body if media_type == FORM_TYPE else None,
        )
        assert response.is_success, (operation.name, response.text)
        described = operation.spec["responses"][str(response.status_code)]
        assert {name.lower() for name in described["headers"]} - RATE_LIMITS <= {*response.headers}
    return response
