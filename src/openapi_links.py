"""Where an answer holds what another operation takes: links of the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Document = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A member of the success of one operation, and the parameter of others that it goes into."""

    operation: str
    status: str
    pointer: str
    parameter: str
    targets: tuple[str, ...]

    @property
    def expression(self) -> str:
        return f"$response.body#{self.pointer}"


_OF_CONVERSATION: Final = (
    "read_conversation",
    "read_history",
    "read_history_by_short_address",
    "rename_conversation",
    "delete_conversation",
)
_OF_RECORD: Final = ("read_record", "change_record", "delete_record")
_OF_USER: Final = ("read_user", "change_user", "end_user_sessions")

SOURCES: Final = (
    Source("open_session", "201", "/session/id", "session_id", _OF_CONVERSATION),
    Source("send_message", "200", "/session_id", "session_id", _OF_CONVERSATION),
    Source("list_conversations", "200", "/sessions/0/id", "session_id", _OF_CONVERSATION),
    Source("add_record", "201", "/id", "record_id", _OF_RECORD),
    Source("list_records", "200", "/records/0/id", "record_id", _OF_RECORD),
    Source("list_users", "200", "/users/0/id", "user_id", _OF_USER),
    Source("list_sessions", "200", "/sessions/0/id", "session_id", ("end_session",)),
    Source("read_overview", "200", "/systems/0/slug", "slug", ("read_system",)),
    Source("read_system", "200", "/parts/0/slug", "slug", ("read_part",)),
    Source("find_parts", "200", "/parts/0/slug", "slug", ("read_part",)),
)
# What answers with a refresh token, which others take in their body.
_TOKENS: Final = {"sign_up": "201", "log_in": "200", "change_password": "200", "refresh": "200"}
_OF_TOKEN: Final = ("refresh", "log_out")


def add_links(operations: Mapping[str, Document]) -> None:
    """Add them to the operations, which are given by their ids."""
    for source in SOURCES:
        links = _links_of(operations[source.operation], source.status)
        for target in source.targets:
            parameters = {source.parameter: source.expression}
            links[target] = {"operationId": target, "parameters": parameters}
    for operation, status in _TOKENS.items():
        links = _links_of(operations[operation], status)
        for target in _OF_TOKEN:
            body = {"refresh_token": "$response.body#/refresh_token"}
            links[target] = {"operationId": target, "requestBody": body}


def _links_of(operation: Document, status: str) -> Document:
    links: Document = operation["responses"][status].setdefault("links", {})
    return links
