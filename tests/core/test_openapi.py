"""The OpenAPI document: what generated clients and the docs page are told."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from src.app import create_app
from tests.clients import oauth_error
from tests.conftest import REPOSITORY, make_settings
from tests.factories import problem

Document = dict[str, Any]

PROBLEM_TYPE = "application/problem+json"
SNAPSHOT = REPOSITORY / "tests" / "openapi.json"
# All that answers without a token; log-out takes the refresh token in its place.
PUBLIC = {
    "POST /auth/signup", "POST /auth/login", "POST /auth/refresh", "GET /healthz", "GET /readyz",
    "GET /auth/revocations", "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
}  # fmt: skip
# What takes another credential than an access token, by the scheme of it.
OF_CLIENTS = {"POST /auth/token", "POST /auth/introspect", "POST /auth/revoke"}
OF_SERVICES = {"POST /v2/context/enriched", "POST /v2/context/memories"}
OTHER_SCHEMES = {
    **dict.fromkeys(OF_CLIENTS, "ServiceClient"),
    **dict.fromkeys(OF_SERVICES, "ServiceToken"),
    "POST /support/chatkit": "BetterAuthToken",
}
PUBLIC_PAGES = {
    "/", "/docs", "/docs/docs.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css",
    "/docs/favicon-32x32.png", "/openapi.json",
}  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def document() -> Document:
    text = json.dumps(create_app(make_settings()).openapi())
    decoded: Document = json.loads(text)
    return decoded


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def problems(operation: Document) -> Iterator[tuple[str, Document]]:
    """Every failure but those of OAuth, which have a form of their own (RFC 6749 §5.2)."""
    for status, response in operation["responses"].items():
        if status >= "400" and not is_oauth_error(response):
            yield status, response


def is_oauth_error(response: Document) -> bool:
    schema = {"$ref": "#/components/schemas/OAuthErrorView"}
    return bool(response.get("content", {}).get("application/json", {}).get("schema") == schema)


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def filled(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "018f4e3c-5b1a-7d2e-8c3f-0123456789ab", path)


def test_the_snapshot_is_the_document(document: Document) -> None:
    assert json.loads(SNAPSHOT.read_text()) == document, "run: make openapi, and review the change"


def test_the_document_is_whole(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Latchkey"
    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert node
    used = set(references(document))
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in used, f"{name} is never used"


def test_every_operation_has_a_unique_plain_name_a_summary_and_a_success(
    document: Document,
) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))
    for route, operation in operations(document):
        assert re.fullmatch(r"[a-z][a-z_]*", operation["operationId"]), route
        assert operation["summary"], route
        assert operation.get("description"), route
        assert operation["tags"], route
        assert any(status.startswith("2") for status in operation["responses"]), route
        for name in re.findall(r"\{([^}]+)\}", route):
            assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == {name}


def test_every_failure_is_documented_as_a_problem_with_examples(document: Document) -> None:
    for route, operation in operations(document):
        for status, response in problems(operation):
            assert list(response["content"]) == [PROBLEM_TYPE], (route, status)
            content = response["content"][PROBLEM_TYPE]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            for slug, example in content["examples"].items():
                assert example["value"]["type"] == f"urn:problem:{slug}"
                assert str(example["value"]["status"]) == status


def test_successes_are_no_problems(document: Document) -> None:
    for route, operation in operations(document):
        for status, response in operation["responses"].items():
            if status < "400":
                assert PROBLEM_TYPE not in response.get("content", {}), route


def test_what_takes_a_body_names_the_ways_in_which_a_body_fails(document: Document) -> None:
    taking = [
        operation
        for route, operation in operations(document)
        if "requestBody" in operation and route not in OF_CLIENTS
    ]
    assert len(taking) >= 8
    for operation in taking:
        named = {
            slug
            for _, response in problems(operation)
            for slug in response["content"][PROBLEM_TYPE]["examples"]
        }
        assert {
            "malformed-body", "payload-too-large", "unsupported-media-type", "invalid-request",
        } <= named, operation["operationId"]  # fmt: skip


def test_protected_operations_offer_both_ways_to_authorise(document: Document) -> None:
    schemes = document["components"]["securitySchemes"]
    assert schemes["AccessToken"]["scheme"] == "bearer"
    assert schemes["Password"]["flows"]["password"]["tokenUrl"] == "/auth/login"
    for route, operation in operations(document):
        if route in PUBLIC or route == "POST /auth/logout":
            assert "security" not in operation, route
        elif route in OTHER_SCHEMES:
            assert operation["security"] == [{OTHER_SCHEMES[route]: []}], route
            assert {"401", "503"} <= set(operation["responses"]), route
        else:
            assert operation["security"] == [{"AccessToken": []}, {"Password": []}], route
            assert {"401", "503"} <= set(operation["responses"]), route


def test_request_bodies_take_no_unknown_members(document: Document) -> None:
    for route, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schemas = content["schema"].get("anyOf", [content["schema"]])
            for schema in schemas:
                if "$ref" in schema:
                    name = schema["$ref"].rpartition("/")[2]
                    declared = document["components"]["schemas"][name]
                    assert declared["additionalProperties"] is False, route


async def test_every_route_but_the_public_few_answers_401_without_a_token(
    client: httpx.AsyncClient,
    document: Document,
) -> None:
    for route, _ in operations(document):
        if route in PUBLIC | OF_CLIENTS:
            continue
        method, path = route.split()
        for headers in ({}, {"X-User-Id": "1", "X-Forwarded-User": "admin", "Cookie": "user=1"}):
            response = await client.request(method, filled(path), headers=headers)
            assert response.status_code == 401, route
            assert problem(response) == "authentication-required", route
            assert response.headers["cache-control"] == "no-store", route
        refused = await client.request(
            method, filled(path), headers={"Authorization": "Bearer a.b.c"}
        )
        assert problem(refused) == "invalid-token", route


def test_oauth_errors_are_those_of_routes_for_clients(document: Document) -> None:
    for route, operation in operations(document):
        found = {s for s, response in operation["responses"].items() if is_oauth_error(response)}
        assert found == ({"400", "401"} if route in OF_CLIENTS else set()), route


async def test_what_is_for_clients_answers_401_without_one(client: httpx.AsyncClient) -> None:
    for route in OF_CLIENTS:
        for headers in ({}, {"Authorization": "Bearer a.b.c"}, {"Cookie": "client_id=1"}):
            response = await client.post(route.split()[1], headers=headers)
            assert (response.status_code, oauth_error(response)) == (401, "invalid_client")


async def test_no_method_of_any_address_is_forgotten_by_the_document(
    client: httpx.AsyncClient,
    document: Document,
) -> None:
    for path, documented in document["paths"].items():
        for method in METHODS:
            response = await client.request(method, filled(path))
            if method.lower() not in documented:
                assert response.status_code == 405, f"{method} {path}"


def test_every_address_is_documented_or_a_listed_page(app: FastAPI, document: Document) -> None:
    served = {route.path_format for route in _routes(app.router.routes)}
    assert served == set(document["paths"]) | PUBLIC_PAGES


def _routes(routes: Any) -> Iterator[Any]:
    """The plain routes, those of included routers as well."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from _routes(included.routes)


def test_links_lead_to_operations_and_members_that_there_are(document: Document) -> None:
    by_id = {operation["operationId"]: operation for _, operation in operations(document)}
    links = [
        link
        for operation in by_id.values()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert len(links) >= 20
    for link in links:
        target = by_id[link["operationId"]]
        taken = {parameter["name"] for parameter in target.get("parameters", [])}
        assert set(link.get("parameters", {})) <= taken, link
        assert "requestBody" in target or "requestBody" not in link, link


def test_no_parameter_is_said_to_be_null(document: Document) -> None:
    for route, operation in operations(document):
        for parameter in operation.get("parameters", []):
            assert "type" in parameter["schema"] or "enum" in parameter["schema"], route
            assert {"type": "null"} not in parameter["schema"].get("anyOf", []), route
