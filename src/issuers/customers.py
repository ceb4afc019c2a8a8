"""The `AuthenticateCustomer` port for our own service tokens and those of trusted issuers."""

from collections.abc import Callable

from src.core.customers import (
    AuthenticateCustomer,
    InvalidServiceToken,
    MissingCustomer,
    ServiceTokenExpired,
)
from src.issuers.compact import NoIssuer, SubjectMissing, TokenExpired, TokenRefused
from src.issuers.trusted import TrustedIssuers


class ExternalCustomerAuthentication:
    """A token is an issuer's if its key has signed it; then nobody else is asked about it.

    An issuer of services may speak for any customer; customers are the same whoever speaks for
    them. `canonical` is a customer's id in its one spelling, or raises ValueError. Without `own`
    there are no service tokens of ours.
    """

    def __init__(
        self,
        own: AuthenticateCustomer | None,
        *,
        issuers: TrustedIssuers,
        canonical: Callable[[object], str],
    ) -> None:
        self._own = own
        self._issuers = issuers
        self._canonical = canonical

    async def __call__(self, service_token: str) -> str:
        """Raises: as the port does, of which `KeysUnreachable` is a `ServiceUnavailable`."""
        try:
            return await self._of_an_issuer(service_token)
        except TokenExpired as verdict:
            raise ServiceTokenExpired(cause=str(verdict)) from verdict
        except SubjectMissing as verdict:
            raise MissingCustomer(cause=str(verdict)) from verdict
        except NoIssuer as verdict:
            if self._own is None:
                raise InvalidServiceToken(cause=str(verdict)) from verdict
        except (TokenRefused, ValueError) as verdict:
            raise InvalidServiceToken(cause=str(verdict)) from verdict
        return await self._own(service_token)

    async def _of_an_issuer(self, service_token: str) -> str:
        token = await self._issuers.verify(service_token)
        if token.allows != "service":
            raise TokenRefused("its issuer may speak for users alone")
        return self._canonical(token.about.subject)
