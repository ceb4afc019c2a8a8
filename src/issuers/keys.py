"""What an issuer's tokens are verified with: a shared secret, a public key or a JWK Set."""

from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

from src.core.secret_strength import weakness_of
from src.issuers.compact import CompactJws
from src.issuers.jwks import RSA_BITS, JwksClient

HMAC_ALGORITHMS: Final = ("HS256", "HS384", "HS512")
PUBLIC_KEY_ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_ALGORITHMS: Final = get_default_algorithms()


class IssuerKey(Protocol):
    """Tells whether a signature is the issuer's; the caller has checked its algorithm.

    Raises: `KeysUnreachable` when that cannot be told.
    """

    async def signed(self, token: CompactJws) -> bool: ...

    async def aclose(self) -> None: ...


class SharedSecret:
    """A secret that the issuer shares with us: we could sign as well, but never do."""

    def __init__(self, secret: str) -> None:
        """Raises: ValueError, without the secret, for a weak one or one that is none."""
        weakness = weakness_of(secret)
        if weakness:
            raise ValueError(weakness)
        try:
            # The three differ in their hash alone.
            self._key = _ALGORITHMS["HS256"].prepare_key(secret)
        except InvalidKeyError:
            raise ValueError("is a public key or a JWK, which is no secret") from None

    async def signed(self, token: CompactJws) -> bool:
        algorithm = _ALGORITHMS[token.algorithm]
        return algorithm.verify(token.signing_input, self._key, token.signature)

    async def aclose(self) -> None:
        """Nothing is open."""


class FixedPublicKey:
    """A public key that the configuration names; its kind decides on the one algorithm."""

    def __init__(self, pem: str) -> None:
        """Raises: ValueError for what is no public key in PEM, or one of another kind."""
        try:
            self._key = load_pem_public_key(pem.encode())
        except Exception:  # noqa: BLE001 - cryptography has several; none may show what was read
            raise ValueError("is no public key in PEM (-----BEGIN PUBLIC KEY-----)") from None
        self.algorithm = _algorithm_of(self._key)

    async def signed(self, token: CompactJws) -> bool:
        algorithm = _ALGORITHMS[self.algorithm]
        return token.algorithm == self.algorithm and algorithm.verify(
            token.signing_input, self._key, token.signature
        )

    async def aclose(self) -> None:
        """Nothing is open."""


class PublishedKeys:
    """The keys of a JWK Set, by the token's `kid`; each verifies its own algorithm alone."""

    def __init__(self, client: JwksClient) -> None:
        self._client = client

    async def signed(self, token: CompactJws) -> bool:
        key = await self._client.key_for(token.kid) if token.kid else None
        return (
            key is not None
            and key.algorithm_name == token.algorithm
            and key.Algorithm.verify(token.signing_input, key.key, token.signature)
        )

    async def aclose(self) -> None:
        await self._client.aclose()


def _algorithm_of(key: object) -> str:
    """Raises: ValueError for a key that we do not verify with."""
    if isinstance(key, RSAPublicKey) and key.key_size in RSA_BITS:
        return "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA"
    raise ValueError("is neither RSA of 2048 to 8192 bits, nor on P-256, nor Ed25519")
