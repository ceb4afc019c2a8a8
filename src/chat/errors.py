"""What can fail with conversations."""

from collections.abc import Mapping
from typing import ClassVar

from src.core.errors import Problem


class SessionNotFound(Problem):
    """Another person's session answers the same as one that does not exist."""

    slug = "session-not-found"
    title = "Session not found"
    status = 404
    detail = "Session not found or access denied"


class AssistantUnavailable(Problem):
    """A responder could not begin its reply, or could not finish it."""

    slug = "assistant-unavailable"
    title = "Assistant unavailable"
    status = 503
    detail = "The assistant does not answer at the moment. Your message is kept: try again shortly."
    headers: ClassVar[Mapping[str, str]] = {"Retry-After": "5"}


class IdempotencyKeyReused(Problem):
    """Source: draft-ietf-httpapi-idempotency-key-header, on error responses."""

    slug = "idempotency-key-reused"
    title = "Idempotency key reused"
    status = 422
    detail = "This Idempotency-Key was used for another request. Take a new one for each."
