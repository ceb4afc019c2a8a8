"""Env files: one assignment changes, and not a byte of anything else."""

import os
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from src.first_run.env_file import EnvFile
from src.first_run.failures import Refused
from src.first_run.private_files import write_private
from src.first_run.secret_file import SECRET_NAMES, generate_secrets

LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
UNFILLED = re.compile(
    r"\ufeff?\s*(?:export\s+)?(?:JWT_SECRET_KEY|JWT_REFRESH_SECRET_KEY)\s*=\s*(?:''|\"\")?(\s+#.*)?\s*"
)
PIECES = st.sampled_from(
    [
        *(f"{before}{name}" for name in SECRET_NAMES for before in ("", "export ", " ", "# ", "'")),
        *("=", " = ", "=''", '=""', "=x", '="a\nb"', "= # later", "= #", "='", '="', "=${HOME}"),
        *("\n", "\r\n", "\r", "\n\n", "\t", "\x0c", "\x85", "\u2028", "\ufeff", "\\", "é", "\x00"),
        *("LOG_LEVEL=INFO", "# mine", "export ", "'", '"', "$", "a b"),
    ]
)
TEXTS = st.lists(PIECES, max_size=14).map(lambda pieces: "".join(pieces).encode())


@settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(content=TEXTS | st.binary(max_size=60))
@example(content=b'A="x\nJWT_SECRET_KEY=\ny"\nJWT_REFRESH_SECRET_KEY=')
@example(content=b"\xef\xbb\xbfJWT_SECRET_KEY=\r\n# caf\xe9\r\n")
def test_whatever_the_file_holds_every_other_line_stays_byte_by_byte(
    content: bytes, tmp_path: Path
) -> None:
    env_file = tmp_path / "any.env"
    env_file.write_bytes(content)

    added = generate_secrets(env_file)

    before, after = lines_of(content), lines_of(env_file.read_bytes())
    if len(after) > len(before) and before and not before[-1].endswith(("\n", "\r")):
        before[-1] += "\n"  # what follows starts on a line of its own
    written = {EnvFile.read(env_file).value(name) for name in added}
    for old, new in zip(before, after, strict=False):
        if any(secret in new for secret in written):
            assert UNFILLED.fullmatch(old)
            assert new.startswith(old[: old.index("=") + 1])
        else:
            assert new == old
    for line in after[len(before) :]:
        name, _, secret = line.removeprefix("\ufeff").rstrip("\r\n").partition("=")
        assert name in added
        assert secret in written
    assert all(EnvFile.read(env_file).value(name) for name in SECRET_NAMES)


def lines_of(content: bytes) -> list[str]:
    return LINE.findall(content.decode(errors="surrogateescape"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"N=v\n"),
        (b"A=1", b"A=1\nN=v\n"),
        (b"A=1\r\n", b"A=1\r\nN=v\r\n"),
        (b"A=1\r", b"A=1\rN=v\n"),
        (b"N=\r\nB=2\r\n", b"N=v\r\nB=2\r\n"),
        (b"\n\nexport N = ''  # mine\nB", b"\n\nexport N =v  # mine\nB"),
        (b"N=# no comment\n", None),
        (b"N='  '\n", None),
        (b"N=\nN=\n", b"N=\nN=v\n"),
        (b"N=old\nN=\n", b"N=old\nN=v\n"),
        (b"NN=\nXN=\n# N=\n", b"NN=\nXN=\n# N=\nN=v\n"),
        (b'A="first\nN=\nlast"\n', b'A="first\nN=\nlast"\nN=v\n'),
        (b"N\n", b"N\nN=v\n"),
        (b"# caf\xe9 \xff\nN=\n", b"# caf\xe9 \xff\nN=v\n"),
        (b"\xef\xbb\xbfN=\n", b"\xef\xbb\xbfN=v\n"),
    ],
)
def test_an_assignment_is_filled_in_or_added_at_the_end(
    tmp_path: Path, before: bytes, after: bytes | None
) -> None:
    (tmp_path / ".env").write_bytes(before)
    file = EnvFile.read(tmp_path / ".env")

    if after is None:  # it is not empty at all
        assert file.value("N")
    else:
        assert file.with_value("N", "v").content == after


@pytest.mark.parametrize("value", ["plain+/=_-", "two words", "a#b", 'say "x"', "é~!*()"])
def test_a_value_reads_back_as_it_was_written(tmp_path: Path, value: str) -> None:
    file = EnvFile.read(tmp_path / ".env").with_value("N", value)

    (tmp_path / ".env").write_bytes(file.content)

    assert dotenv_values(tmp_path / ".env")["N"] == value


@pytest.mark.parametrize("value", ["it's", "a$b", "${HOME}", "back\\slash", "two\nlines", "nul\0"])
def test_a_value_that_readers_take_differently_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(Refused, match="cannot be copied"):
        EnvFile.read(tmp_path / ".env").with_value("N", value)


def test_a_quote_that_is_left_open_never_swallows_a_value(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A='open\n")

    with pytest.raises(Refused, match="quote left open"):
        EnvFile.read(tmp_path / ".env").with_value("N", "two words")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")

    for name in ("pipe", "circle", ""):
        with pytest.raises(Refused):
            EnvFile.read(tmp_path / name)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_keeps_its_owner_when_root_rewrites_it(tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("")
    os.chown(env_file, 4321, 1234)

    write_private(env_file, "A=1\n")

    assert (env_file.stat().st_uid, env_file.stat().st_gid) == (4321, 1234)
    assert env_file.read_text() == "A=1\n"
