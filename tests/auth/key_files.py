"""What tests write into a file of signing keys."""

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = "kM3v0yX8tqL5w2Zr7Bn1Hc9Jd4Fg6Ps0"


def entry(**members: Any) -> dict[str, Any]:
    """A key as the file says it."""
    key = {"kid": "abcdefgh", "algorithm": "HS256", "status": "active", "secret": SECRET}
    return {**key, **members}
