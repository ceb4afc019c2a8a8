"""The `AuthenticateCustomer` port for service tokens."""

from src.auth.key_ring import TokenRejected
from src.auth.service_tokens import CustomerMissing, ServiceTokens, TokenExpired
from src.core.customers import InvalidServiceToken, MissingCustomer, ServiceTokenExpired


class CustomerAuthentication:
    """Tells for which customer a service token speaks. No I/O."""

    def __init__(self, tokens: ServiceTokens) -> None:
        self._tokens = tokens

    async def __call__(self, service_token: str) -> str:
        """Raises: `ServiceTokenExpired`, `MissingCustomer`, `InvalidServiceToken`."""
        try:
            return self._tokens.verify(service_token).customer_id
        except TokenExpired as verdict:
            raise ServiceTokenExpired(cause=str(verdict)) from verdict
        except CustomerMissing as verdict:
            raise MissingCustomer(cause=str(verdict)) from verdict
        except TokenRejected as verdict:
            raise InvalidServiceToken(cause=str(verdict)) from verdict
