"""The refresh token as a cookie that no script can read and no other origin can set."""

from dataclasses import dataclass

from starlette.datastructures import Headers


@dataclass(frozen=True, slots=True)
class RefreshCookie:
    """Its name and attributes; not `secure` is for browsers that refuse it on http://localhost.

    `Path=/` because the prefix demands it; only routes under /auth/ ever look for it.
    Source: RFC 6265bis §4.1.2 (attributes) and §4.1.3 (the prefixes `__Host-` and `__Host-Http-`).
    """

    secure: bool

    @property
    def name(self) -> str:
        return "__Host-Http-refresh" if self.secure else "refresh"

    def setting(self, token: str, *, max_age: int) -> str:
        """The `Set-Cookie` that keeps a token for `max_age` seconds."""
        secure = "Secure; " if self.secure else ""
        return f"{self.name}={token}; {secure}HttpOnly; SameSite=Strict; Path=/; Max-Age={max_age}"

    def clearing(self) -> str:
        """The `Set-Cookie` that takes it away: the same attributes, or browsers keep it."""
        return self.setting("", max_age=0)

    def values(self, headers: Headers) -> list[str]:
        """What a request presents under this name; more than one is somebody's meddling."""
        pairs = [
            pair.strip().partition("=")
            for line in headers.getlist("cookie")
            for pair in line.split(";")
        ]
        return [value for name, _, value in pairs if name == self.name]
