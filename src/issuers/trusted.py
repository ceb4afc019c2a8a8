"""Which trusted issuer a token is of, and whom it says that it speaks for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from src.core.clock import Clock
from src.core.settings import Settings
from src.issuers.claims import Subject, examined
from src.issuers.compact import CompactJws, NoIssuer, parse_compact
from src.issuers.configuration import Issuer, read_issuers
from src.issuers.entries import Allows


@dataclass(frozen=True, slots=True)
class TrustedToken:
    """What a verified token says: equal subjects of two issuers are two people."""

    issuer: str
    allows: Allows
    about: Subject


class TrustedIssuers:
    """Verifies tokens of the configured issuers, each under its own key and rules."""

    def __init__(self, issuers: Sequence[Issuer], *, clock: Clock) -> None:
        self._issuers = issuers
        self._clock = clock

    async def verify(self, token: str) -> TrustedToken:
        """What the token says does no more than choose whose keys are tried.

        The first whose key fits decides: its rules are not evaded by way of another issuer.
        Raises: `NoIssuer`, `TokenExpired`, `SubjectMissing`, `TokenRefused` for whatever else is
        wrong; `KeysUnreachable`.
        """
        parsed = parse_compact(token)
        for issuer in self._in_question(parsed):
            if await issuer.key.signed(parsed):
                about = examined(parsed.claims, issuer.rules, now=self._clock().timestamp())
                return TrustedToken(issuer.name, issuer.allows, about)
        raise NoIssuer("no trusted issuer has signed it")

    @property
    def any_of_services(self) -> bool:
        return any(issuer.allows == "service" for issuer in self._issuers)

    def _in_question(self, token: CompactJws) -> list[Issuer]:
        """Issuers without an `iss` are asked for tokens without one alone."""
        return [
            issuer
            for issuer in self._issuers
            if token.algorithm in issuer.algorithms
            and token.claims.get("iss") == issuer.rules.issuer
        ]


@asynccontextmanager
async def trusting(settings: Settings, clock: Clock) -> AsyncIterator[TrustedIssuers | None]:
    """The issuers of the settings' file, their connections closed at the end.

    None where the settings name no file. Raises: `ConfigurationError`.
    """
    issuers = read_issuers(settings)
    try:
        yield TrustedIssuers(issuers, clock=clock) if issuers else None
    finally:
        for issuer in issuers:
            await issuer.key.aclose()
