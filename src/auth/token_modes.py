"""How the refresh token travels: in JSON bodies, or in a cookie that scripts cannot read."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from fastapi import Request
from starlette.datastructures import MutableHeaders

from src.auth.cookies import RefreshCookie
from src.auth.errors import InvalidRefreshToken, InvalidTokenMode
from src.auth.schemas import TokenResponse
from src.core.errors import FieldError, InvalidRequest, Problem


class BodyMode:
    """Cookies are neither read nor set."""

    def presented(self, in_body: str | None) -> str | None:
        return in_body

    def required(self, in_body: str | None) -> str:
        """Raises: `InvalidRequest`."""
        if in_body is None:
            raise InvalidRequest(FieldError("/refresh_token", "Field required"))
        return in_body

    def replaced(self) -> str | None:
        return None

    def deliver(self, tokens: TokenResponse) -> TokenResponse:
        return tokens

    def clearing_on(self, *_: type[Problem]) -> AbstractContextManager[None]:
        return nullcontext()

    def leaving(self) -> AbstractContextManager[None]:
        return nullcontext()


class CookieMode:
    """The refresh token is in the cookie alone: no body has it, in either direction."""

    def __init__(self, cookie: RefreshCookie, request: Request, headers: MutableHeaders) -> None:
        self._cookie = cookie
        self._request = request
        self._headers = headers

    def presented(self, in_body: str | None) -> str | None:
        """The cookie's value. Raises: `InvalidTokenMode`, `InvalidRefreshToken` for several."""
        if in_body is not None:
            raise InvalidTokenMode
        values = self._cookie.values(self._request.headers)
        if len(values) > 1:
            raise InvalidRefreshToken(cause="several cookies")
        return values[0] if values else None

    def required(self, in_body: str | None) -> str:
        """The cookie's value. Raises: `InvalidTokenMode`, `InvalidRefreshToken`."""
        token = self.presented(in_body)
        if token is None:
            raise InvalidRefreshToken(cause="no cookie")
        return token

    def replaced(self) -> str | None:
        """The cookie's value before the answer sets another; None for several."""
        values = self._cookie.values(self._request.headers)
        return values[0] if len(values) == 1 else None

    def deliver(self, tokens: TokenResponse) -> TokenResponse:
        """The answer without its refresh token, which the cookie takes."""
        assert tokens.refresh_token  # noqa: S101 - services always issue one
        self._headers["Set-Cookie"] = self._cookie.setting(
            tokens.refresh_token,
            max_age=tokens.refresh_expires_in,
        )
        return tokens.model_copy(update={"refresh_token": None})

    @contextmanager
    def clearing_on(self, *problems: type[Problem]) -> Iterator[None]:
        """The answer to one of these problems clears the cookie."""
        try:
            yield
        except problems as problem:
            problem.all_headers["Set-Cookie"] = self._cookie.clearing()
            raise

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Whatever the answer, it clears the cookie: who leaves, leaves nothing behind."""
        self._headers["Set-Cookie"] = self._cookie.clearing()
        with self.clearing_on(Problem):
            yield
