"""What a person will recognise in the list of their sessions: "Firefox on Linux"."""

from functools import lru_cache
from typing import Final

# The first that occurs wins: browsers name their ancestors too.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_LONGEST: Final = 64


@lru_cache(1_000)
def device_name(user_agent: str) -> str:
    """A short name for a User-Agent header, at most 64 ASCII characters; never empty."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if browser:
        return f"{browser} on {system}" if system else browser
    product = user_agent.partition("/")[0].encode("ascii", "ignore").decode().strip()
    printable = "".join(c for c in product if c.isprintable())[:_LONGEST]
    return printable or "Unknown device"
