"""Refresh tokens that are none."""

import secrets

from tests.factories import Person
from tests.tokens import claims_of, encoded, header_of, segment, sign_segments, signed


def bad_tokens(person: Person, secret: str) -> dict[str, str]:
    """Refresh tokens that are none, by what is wrong with them."""
    claims, header = claims_of(person.refresh_token), header_of(person.refresh_token)
    good_header, good_claims, signature = person.refresh_token.split(".")
    deep = encoded(b"[" * 700 + b"]" * 700)

    def with_claims(**change: object) -> str:
        return signed({**claims, **change}, header, secret=secret)

    def with_header(**change: object) -> str:
        return signed(claims, {**header, **change}, secret=secret)

    return {
        "access token": person.access_token,
        "wrong key": signed(claims, header, secret=secrets.token_urlsafe(48)),
        "kid": with_header(kid="other"),
        "none": f"{segment({'alg': 'none', 'typ': 'rt+jwt'})}.{good_claims}.",
        "RS256": with_header(alg="RS256"),
        "crit": with_header(crit=["exp"]),
        "jwk": with_header(jwk={"kty": "oct", "k": "AAAA"}),
        "iss": with_claims(iss="https://elsewhere.example"),
        "aud": with_claims(aud="latchkey-api"),
        "gen negative": with_claims(gen=-1),
        "gen text": with_claims(gen="0"),
        "gen boolean": with_claims(gen=True),
        "gen huge": with_claims(gen=2**64),
        "five segments": f"{person.refresh_token}.a.b",
        "junk in the signature": f"{good_header}.{good_claims}.{signature[:-2]}!!",
        "deep header": sign_segments(deep, good_claims, secret=secret),
        "lone surrogate": "\ud800",
        "not ASCII": "é.é.é",
        "too long": with_claims(jti="A" * 2048),
        "empty": "",
    }


def expired_token(person: Person, secret: str) -> str:
    """Like the person's own, but past its end."""
    claims = claims_of(person.refresh_token)
    return signed(
        {**claims, "exp": claims["iat"] - 60}, header_of(person.refresh_token), secret=secret
    )
