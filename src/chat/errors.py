"""What can fail with conversations."""

from src.core.errors import Problem


class SessionNotFound(Problem):
    """Another person's session answers the same as one that does not exist."""

    slug = "session-not-found"
    title = "Session not found"
    status = 404
    detail = "Session not found or access denied"
