"""Env files, read as the application reads them and changed one assignment at a time."""

import io
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from src.first_run.failures import Refused

BYTE_ORDER_MARK: Final = "\ufeff"
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_BLANK = r"[^\S\r\n]"
_PLAIN = re.compile(r"[A-Za-z0-9_+/=.:@%,-]+")
# Between single quotes nothing of this means anything to a reader of env files or to a shell.
_QUOTABLE = re.compile(r"[^'\\$\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What a file says. `text` is all of it: bytes that are no UTF-8 are kept as surrogates."""

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path, *, absent: str = "") -> Self:
        """The file, or what it is to begin with where there is none. Raises: `Refused`."""
        try:
            target = path.resolve()
            # Still a link, it leads in a circle: from Python 3.13 on that resolves.
            if target.is_symlink() or (target.exists() and not target.is_file()):
                raise Refused(f"{path} is not a file.")
            content = target.read_bytes() if target.exists() else absent.encode()
        except (OSError, RuntimeError) as error:  # the latter for a circle before
            raise Refused(f"{path} cannot be read ({type(error).__name__}).") from error
        return cls(path, content.decode(errors="surrogateescape"))

    @property
    def content(self) -> bytes:
        return self.text.encode(errors="surrogateescape")

    def value(self, name: str) -> str:
        """What the application would read; empty where it is not set."""
        return dotenv_values(stream=io.StringIO(self.text)).get(name) or ""

    def with_value(self, name: str, value: str) -> Self:
        """With this assignment: in place of its last, empty one, or else as a line at the end.

        Every other byte stays. Raises: `Refused` when the file could not be read as meant.
        """
        spelled = _spelled(name, value)
        changed = replace(self, text=self._filled(name, spelled) or self._extended(name, spelled))
        if changed.value(name) != value:  # a quote is left open in a line before
            raise Refused(f"{self.path} would not give {name} back: is a quote left open in it?")
        return changed

    def _filled(self, name: str, spelled: str) -> str | None:
        mark = BYTE_ORDER_MARK if self.text.startswith(BYTE_ORDER_MARK) else ""  # dotenv drops it
        bindings = list(parse_stream(io.StringIO(self.text)))
        parts = [binding.original.string for binding in bindings]
        places = [place for place, binding in enumerate(bindings) if binding.key == name]
        empty = _empty_assignment(name).fullmatch(parts[places[-1]]) if places else None
        if not empty:
            return None
        head, comment, end = empty.groups(default="")
        parts[places[-1]] = f"{head}{spelled}{comment}{end}"
        return mark + "".join(parts)

    def _extended(self, name: str, spelled: str) -> str:
        end = "\r\n" if self.text.endswith("\r\n") else "\n"
        separator = "" if self.text.endswith(("\n", "\r")) or not self.text else end
        return f"{self.text}{separator}{name}={spelled}{end}"


def _empty_assignment(name: str) -> re.Pattern[str]:
    """Up to its `=`, without a value, then a comment if there is one, then the line's end."""
    return re.compile(
        rf"(\s*(?:export{_BLANK}+)?{name}{_BLANK}*=){_BLANK}*(?:''|\"\")?"
        rf"(?:({_BLANK}+#[^\r\n]*)|{_BLANK}*)(\r\n|\n|\r)?",
    )


def _spelled(name: str, value: str) -> str:
    """The value as every reader of env files takes it. Raises: `Refused`."""
    if _PLAIN.fullmatch(value):
        return value
    if _QUOTABLE.fullmatch(value):
        return f"'{value}'"
    raise Refused(
        f"{name} has characters that readers of env files take differently: it cannot be copied. "
        "Nothing was changed. Replace it by a generated one."
    )
