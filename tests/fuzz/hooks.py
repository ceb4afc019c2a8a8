"""What Schemathesis loads: who it is, and which refusals of valid data are right all the same."""

import json
import os
from typing import Any, Final

import httpx
import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.openapi.checks import RejectedPositiveData

# `Authorization` by security scheme; for access tokens, what to log in with.
CREDENTIALS: Final[dict[str, Any]] = json.loads(os.environ["FUZZ_CREDENTIALS"])
Case = schemathesis.Case[Any]
CLIENT: Final = httpx.Client(trust_env=False, timeout=30)

# What no schema says, by the problem's name or the exact words of its only error.
BEYOND_SCHEMAS: Final = {
    "idempotency-key-reused": "whether a key is new depends on the requests before",
    "weak-password": "the shortest length is a setting, and common passwords are 30,000",
    "NUL and lone surrogates are not accepted": "true of every text, and said in the description",
    "This is not an e-mail address such as ada@example.com.": "more than JSON Schema's `email`",
    "The e-mail address contains invisible or control characters.": "Unicode's categories",
    "Use the slug of a part of the catalogue.": "the catalogue has hundreds",
    "There is only one of this part: use none.": "depends on another member",
    "Only a symptom or a condition has a severity.": "depends on another member, or on the record",
    "Input should be a valid integer": "to JSON Schema 1.0 is one",
    "This day is in the future.": "depends on the day",
    "This day is before started_on.": "depends on another member, or on the record",
}
# What holds for one operation alone.
BEYOND_SCHEMAS_OF: Final = {
    "GET /anatomy/parts": {
        "Use the next_cursor of an earlier answer.": "it is a slug of the catalogue",
    },
    "POST /auth/refresh": {
        "Field required": "without cookies a refresh token is, with them it may not be there",
    },
}


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """The `Authorization` of whoever the run is; logs in each time, for runs log out as well."""

    def get(self, _: Case, context: schemathesis.AuthContext) -> str | None:
        scheme = scheme_of(context)
        credential = CREDENTIALS.get(scheme)
        if scheme == "AccessToken" and credential:
            return logged_in(str(context.operation.base_url).rstrip("/"), credential)
        return credential

    def set(self, case: Case, data: str, _: schemathesis.AuthContext) -> None:
        case.headers["Authorization"] = data


def scheme_of(context: schemathesis.AuthContext) -> str:
    """The first scheme of the operation, or nothing for a public one."""
    requirements = context.operation.definition.raw.get("security", [{}])
    return next(iter(requirements[0]), "")


def logged_in(base_url: str, credential: dict[str, str]) -> str:
    response = CLIENT.post(f"{base_url}/auth/login", json=credential)
    response.raise_for_status()
    return f"Bearer {response.json()['access_token']}"


@schemathesis.hook
def filter_failure(
    _: schemathesis.HookContext,
    failure: Failure,
    case: Case,
    response: Response,
) -> bool:
    """Whether it is a failure: not where valid data are refused for what no schema says."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    excused = BEYOND_SCHEMAS | BEYOND_SCHEMAS_OF.get(case.operation.label, {})
    return not (names_a_client_twice(case) or reasons(response.json()) <= set(excused))


def names_a_client_twice(case: Case) -> bool:
    """By Basic and in the form, of which RFC 6749 §2.3 allows one."""
    in_form = isinstance(case.body, dict) and case.body.keys() & {"client_id", "client_secret"}
    return bool(in_form) and case.headers.get("Authorization", "").startswith("Basic ")


def reasons(refusal: dict[str, Any]) -> set[str]:
    """The words of each error, or the problem's name if it has none; OAuth's `error` as it is."""
    name = str(refusal.get("type", refusal["error"])).removeprefix("urn:problem:")
    errors = {error["detail"] for error in refusal.get("errors", [])}
    return errors if name == "invalid-request" else {name}
