"""What can fail with support threads."""

from src.core.errors import AuthenticationRequired, Problem


class MissingBetterAuthToken(AuthenticationRequired):
    detail = "Invalid or expired JWT token"


class ThreadNotFound(Problem):
    """Another person's thread answers the same as one that does not exist."""

    slug = "thread-not-found"
    title = "Thread not found"
    status = 404
    detail = "Thread not found or access denied"


class ItemNotFound(Problem):
    slug = "item-not-found"
    title = "Item not found"
    status = 404
    detail = "The thread has no such item, or it is none that this can be done with."


class NotOffered(Problem):
    slug = "not-offered"
    title = "Not offered"
    status = 422
    detail = "Attachments, transcription and actions are not offered here."
