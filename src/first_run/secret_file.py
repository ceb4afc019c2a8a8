"""The signing secrets in `.env`: made once, never changed by us afterwards."""

import io
import re
import secrets
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from src.first_run.private_files import OWNER_ONLY_FILE, write_private

SECRET_NAMES: Final = ("JWT_SECRET_KEY", "JWT_REFRESH_SECRET_KEY")
SECRET_BYTES: Final = 48
HEADING: Final = (
    "# Latchkey's settings; .env.example lists them all. Keep this file to yourself:\n"
    "# whoever reads it can sign in as anybody.\n"
)


def generate_secrets(env_file: Path) -> list[str]:
    """Add the secrets that `env_file` lacks and close it to others. Returns the added names.

    Whatever has a value stays as it is, byte by byte; an empty `NAME=` is filled in in place.
    """
    before = env_file.read_bytes().decode() if env_file.exists() else HEADING
    present = dotenv_values(stream=io.StringIO(before))
    missing = [name for name in SECRET_NAMES if not present.get(name)]
    if not missing:
        env_file.chmod(OWNER_ONLY_FILE)
        return []
    text = before
    for name in missing:
        text = _with_value(text, name, secrets.token_urlsafe(SECRET_BYTES))
    write_private(env_file.resolve(), text)
    return missing


def _with_value(text: str, name: str, secret: str) -> str:
    empty = re.compile(rf"^((?:export[ \t]+)?{name}[ \t]*=)[ \t]*(?:''|\"\")?[ \t]*$", re.MULTILINE)
    filled, places = empty.subn(rf"\g<1>{secret}", text)
    if places:
        return filled
    separator = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{separator}{name}={secret}\n"
