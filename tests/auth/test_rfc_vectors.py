"""The examples of the standards, through the keys that verify our own tokens."""

import pytest
from jose import jwk

from src.auth.key_ring import KeyRing, PublicKey, TokenRejected, VerifyingKey

CLAIMS = {"iss": "joe", "exp": 1300819380, "http://example.com/is_root": True}
PAYLOAD = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
# RFC 7515 A.1, which is the example of RFC 7519 §3.1 as well.
HS256_KEY = {
    "kty": "oct",
    "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
}
HS256 = (
    f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}."
    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)
# RFC 7515 A.2
RS256_KEY = {
    "kty": "RSA",
    "alg": "RS256",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt"
    "0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5"
    "z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aG"
    "hyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
RS256 = (
    f"eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb"
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO"
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)
# RFC 7515 A.3
ES256_KEY = {
    "kty": "EC",
    "alg": "ES256",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
ES256 = (
    f"eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
# RFC 7638 §3.1
THUMBPRINT_KEY = {
    "kty": "RSA",
    "alg": "RS256",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_B"
    "JECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q"
    "vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6We"
    "Zu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
}
# RFC 7519 §6.1 (and RFC 7515 A.5): unsecured
UNSECURED = f"eyJhbGciOiJub25lIn0.{PAYLOAD}."


def hmac_key() -> VerifyingKey:
    key = jwk.construct(HS256_KEY, "HS256")
    return VerifyingKey(key, algorithm="HS256", kid="rfc", token_type="JWT", signature_bytes=32)


VECTORS = {
    "HS256": (hmac_key(), HS256),
    "RS256": (PublicKey(RS256_KEY, token_type="JWT"), RS256),
    "ES256": (PublicKey(ES256_KEY, token_type="JWT"), ES256),
}


@pytest.mark.parametrize(("key", "example"), VECTORS.values(), ids=VECTORS)
def test_the_example_verifies_and_no_other_spelling_of_it(key: VerifyingKey, example: str) -> None:
    message, _, signature = example.rpartition(".")
    assert key.verify(example, signature) == CLAIMS
    flipped = ("B" if signature[0] != "B" else "C") + signature[1:]
    with pytest.raises(Exception, match="signature does not match"):
        key.verify(f"{message}.{flipped}", flipped)
    stray = f"{signature[:-1]}{chr(ord(signature[-1]) + 1)}"
    for respelled in (stray, signature + "A", signature[:-1], f"{signature}="):
        with pytest.raises(TokenRejected):
            key.verify(f"{message}.{respelled}", respelled)


@pytest.mark.parametrize(("key", "_"), VECTORS.values(), ids=VECTORS)
def test_no_key_takes_the_example_of_another_algorithm(key: VerifyingKey, _: str) -> None:
    for other, example in VECTORS.values():
        if other is not key:
            with pytest.raises(Exception, match=r"alg value|spelling"):
                key.verify(example, example.rpartition(".")[2])


def test_examples_are_no_tokens_of_ours() -> None:
    ring = KeyRing(*(key for key, _ in VECTORS.values()))
    for example in (HS256, RS256, ES256, UNSECURED):
        with pytest.raises(TokenRejected):
            ring.verify(example)


def test_the_example_key_has_the_thumbprint_of_the_standard() -> None:
    key = PublicKey(THUMBPRINT_KEY, token_type="JWT")
    assert key.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
