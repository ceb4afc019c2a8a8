"""What the doctor says of the file of signing keys."""

from pathlib import Path

from src.auth.key_file import KeyFile
from src.core.settings import Settings
from src.first_run.doctor import Verdict, _keys
from src.first_run.key_rotation import write_key_file
from tests.conftest import make_settings


def settings_of(path: Path, algorithm: str = "HS256") -> Settings:
    return make_settings(JWT_KEYS_FILE=str(path), JWT_ALGORITHM=algorithm)


def test_no_file_is_fine_whatever_the_algorithm(tmp_path: Path) -> None:
    for algorithm in ("HS256", "ES256"):
        assert _keys(settings_of(tmp_path / "none", algorithm)).verdict is Verdict.OK


def test_a_file_is_fine_open_to_others_or_unusable(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    write_key_file(path, KeyFile())
    assert _keys(settings_of(path)).verdict is Verdict.OK
    lacking = _keys(settings_of(path, "ES256"))
    assert lacking.verdict is Verdict.PROBLEM
    assert "Run: python -m src.cli secrets rotate" in lacking.detail
    path.chmod(0o644)
    open_to_others = _keys(settings_of(path))
    assert open_to_others.verdict is Verdict.WARNING
    assert open_to_others.detail.endswith(f"Run: chmod 600 {path}")
