"""What can fail with the body's parts and a person's records."""

from src.core.errors import Problem


class PartNotFound(Problem):
    slug = "part-not-found"
    title = "Part not found"
    status = 404
    detail = "The catalogue has no part of this name; GET /anatomy/parts finds them."


class SystemNotFound(Problem):
    slug = "system-not-found"
    title = "System not found"
    status = 404
    detail = "The catalogue has no system of this name; GET /anatomy/ lists them."


class RecordNotFound(Problem):
    """Another person's record answers the same as one that does not exist."""

    slug = "record-not-found"
    title = "Record not found"
    status = 404
    detail = "Record not found or access denied"
