"""Who may do what: a route names the role that it needs."""

from collections.abc import Awaitable, Callable

from src.auth.audit import Event, note
from src.auth.errors import InsufficientRole
from src.core.identity import CurrentIdentity, Identity


def require_role(role: str) -> Callable[[Identity], Awaitable[Identity]]:
    """A dependency that lets in who has the role, and gives their identity.

    The token's `roles` are enough: a change of roles ends every session of the user, so tokens
    with the old ones are refused within a second.
    Raises (in a request): `AuthenticationRequired`, `InvalidToken`, `InsufficientRole`.
    """

    async def checked(identity: CurrentIdentity) -> Identity:
        if role not in identity.roles:
            note(Event.ROLE_REFUSED, user_id=identity.user_id, needed=role)
            raise InsufficientRole(cause=f"needs {role}")
        return identity

    return checked
