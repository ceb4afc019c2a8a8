"""Keys of every algorithm, signing by hand: tests do not trust the code under test."""

import json
import secrets
from base64 import b64encode
from functools import cached_property

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from src.auth.access_tokens import TOKEN_TYPE, AccessKey
from src.auth.key_ring import KeyPair, SigningKey
from tests.tokens import encoded, sign_segments


class HmacKey:
    """HS256 by hand."""

    algorithm = "HS256"
    other_digests = ("sha384", "sha512", "sha1", "md5", "sha224", "sha3_256")
    spellings = 4  # of a signature, by the stray bits of its last character

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self.jwk: dict[str, str] = {"kty": "oct", "k": encoded(secret.encode())}
        self.guesses = (f"{secret}\n", secret[:-1], secret.swapcase())

    @cached_property
    def built(self) -> AccessKey:
        return SigningKey(secret=self._secret, token_type=TOKEN_TYPE)

    def sign(self, header: str, claims: str, digest: str = "sha256") -> str:
        return sign_segments(header, claims, secret=self._secret, digest=digest)


class AsymmetricKey:
    """ES256 or RS256 by the library below the one that the code uses."""

    other_digests = ("sha384", "sha512", "sha224")
    spellings = 16

    def __init__(self, private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self._private = private
        self.algorithm = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES256"

    @cached_property
    def built(self) -> AccessKey:
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return KeyPair(private_key=pem.decode(), algorithm=self.algorithm, token_type=TOKEN_TYPE)

    @property
    def jwk(self) -> dict[str, str]:
        assert isinstance(self.built, KeyPair)
        return self.built.public_jwk

    @property
    def guesses(self) -> tuple[str, ...]:
        """What an attacker knows: the public key, in every form that a library may take."""
        public = self._private.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        texts = [pem, pem.strip(), pem.replace("\n", "\r\n"), "".join(pem.splitlines()[1:-1])]
        forms = [b64encode(der).decode(), der.hex(), json.dumps(self.jwk), *self.jwk.values()]
        return (*texts, *forms)

    def sign(self, header: str, claims: str, digest: str = "sha256") -> str:
        message = f"{header}.{claims}"
        algorithm = getattr(hashes, digest.upper())()
        if isinstance(self._private, rsa.RSAPrivateKey):
            raw = self._private.sign(message.encode(), padding.PKCS1v15(), algorithm)
        else:
            numbers = decode_dss_signature(
                self._private.sign(message.encode(), ec.ECDSA(algorithm))
            )
            raw = b"".join(number.to_bytes(32, "big") for number in numbers)
        return f"{message}.{encoded(raw)}"

    def sign_der(self, header: str, claims: str) -> str:
        """As X.509 and not RFC 7518 §3.4 would have it."""
        message = f"{header}.{claims}"
        assert isinstance(self._private, ec.EllipticCurvePrivateKey)
        raw = self._private.sign(message.encode(), ec.ECDSA(hashes.SHA256()))
        return f"{message}.{encoded(raw)}"


AnyKey = HmacKey | AsymmetricKey


def new_keys() -> dict[str, AnyKey]:
    return {
        "HS256": HmacKey(secrets.token_urlsafe(48)),
        "ES256": AsymmetricKey(ec.generate_private_key(ec.SECP256R1())),
        "RS256": AsymmetricKey(rsa.generate_private_key(65537, 2048)),
    }
