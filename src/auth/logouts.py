"""What somebody who logs out presents."""

from dataclasses import dataclass
from enum import StrEnum


class LogoutScope(StrEnum):
    """Which sessions a log-out ends: this one, all others, or all."""

    LOCAL = "local"
    OTHERS = "others"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class LogoutCredential:
    """One of the two tokens names the session that logs out; the scope, what else ends."""

    refresh_token: str | None = None
    access_token: str | None = None
    scope: LogoutScope = LogoutScope.LOCAL
