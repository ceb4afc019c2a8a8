"""How strong a signing secret is: what a process refuses to start with."""

import zlib
from typing import Final

MIN_SECRET_BYTES: Final = 32
# 32 random hex digits, the least that passes, deflate to 30 bytes; repetitions of 16 to 21.
MIN_DEFLATED_BYTES: Final = 24

_PUBLISHED = (
    "changethis",
    "change-me",
    "changeme",
    "your-secret",
    "your_secret",
    "example",
    "secret-key",
    "secretkey",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",  # FastAPI's tutorial
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",  # Flask's
    "aym1sysppbydfgzld3umj1qzkobwvmkoqq-estjqlr_t-1qs0gzh75aktmn3yj0ips4hcguutwjazzr1z9caow",  # RFC
    "at-least",  # "…-at-least-256-bits-long" of jwt.io, "…-32-characters-long" of Supabase
    "your-256-bit-secret",
    "supersecret",
    "super-secret",
    "better-auth-secret",
    "placeholder",
    "insecure",
    "password",
)


def weakness_of(secret: str) -> str | None:
    """What is wrong with a signing secret, or None when nothing is."""
    try:
        encoded = secret.encode()
    except UnicodeEncodeError:  # bytes of an environment or a file, kept as surrogates
        return "is not UTF-8"
    if len(encoded) < MIN_SECRET_BYTES:
        return f"is shorter than {MIN_SECRET_BYTES} bytes"
    if any(published in secret.lower() for published in _PUBLISHED):
        return "contains a published example"
    if _deflated_length(encoded) < MIN_DEFLATED_BYTES:
        return "is too regular to be random"
    return None


def _deflated_length(text: bytes) -> int:
    deflate = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)  # without header and checksum
    return len(deflate.compress(text) + deflate.flush())
