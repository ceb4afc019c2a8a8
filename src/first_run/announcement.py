"""What a person sees when the server is up: the block that says where to go."""

import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.engine import make_url

from src.core.settings import Settings
from src.first_run.accounts import DemoLogin

POLL_SECONDS: Final = 0.05
SLOW_POLL_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is known before the server answers."""

    settings: Settings
    url: str
    redis_is_embedded: bool
    demo_login: DemoLogin | None

    def text(self, seconds: float) -> str:
        """The block, `seconds` after the command was given."""
        redis = "Redis ok (embedded)" if self.redis_is_embedded else "Redis ok"
        database = {"sqlite": "SQLite"}.get(self._database_kind, "PostgreSQL")
        state = f"{redis} · database {database} · {self.settings.ENVIRONMENT}"
        lines = [f"Latchkey is ready in {seconds:.1f} s      {state}", "", *self._places()]
        return "\n" + "".join(f"  {line}".rstrip() + "\n" for line in lines)

    @property
    def _database_kind(self) -> str:
        return make_url(self.settings.DATABASE_URL).get_backend_name()

    def _places(self) -> list[str]:
        if self.settings.is_production:
            return [f"API         {self.url}"]
        places = [f"Test page   {self.url}", f"API docs    {self.url}docs"]
        if self.demo_login is not None:
            password = self.demo_login.password or "(its password was set elsewhere)"
            places.append(f"Demo login  {self.demo_login.email} / {password}")
        return places


def announce_when_ready(announcement: Announcement, address: tuple[str, int], say: Say) -> None:
    """Say the block as soon as the server at `address` is ready; until then, what it waits for."""
    thread = threading.Thread(
        target=_announce, args=(announcement, address, say), name="announcement", daemon=True
    )
    thread.start()


def seconds_since_process_start() -> float:
    """How long ago the person gave the command, where the system tells it; else since Python."""
    if sys.platform == "linux":
        with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:  # noqa: PTH123
            after_name = stat.read().rpartition(")")[2].split()
        started_at = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_at
    return time.perf_counter()


def _announce(announcement: Announcement, address: tuple[str, int], say: Say) -> None:
    complained = False
    while (away := _what_is_away(address)) is not None:
        waited = seconds_since_process_start()
        if waited > PATIENCE_SECONDS and not complained:
            say(f"\n  Latchkey is not ready yet: {away}\n")
            complained = True
        time.sleep(SLOW_POLL_SECONDS if complained else POLL_SECONDS)
    say(announcement.text(seconds_since_process_start()))


def _what_is_away(address: tuple[str, int]) -> str | None:
    """None when `/readyz` says ready; else why not, in a sentence."""
    connection = http.client.HTTPConnection(*address, timeout=2)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read()
        if response.status == http.HTTPStatus.OK:
            return None
        return str(json.loads(body)["detail"])
    except (OSError, http.client.HTTPException):
        return "the server has not started to listen."
    except (ValueError, KeyError, TypeError):
        return "it does not answer as Latchkey does."
    finally:
        connection.close()
