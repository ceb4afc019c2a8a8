"""Known vulnerabilities of everything that is pinned: `make audit`.

Exit status: 0 none is known, 1 some are (or a waiver is not good), 2 nothing is known, because
advisories could not be had. A source that answers is asked about an old package first: one that
knows nothing of that one, such as a mirror without advisories, would know nothing of ours either.

    python -m tools.audit --vulnerability-service osv    # options of pip-audit
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
WAIVERS: Final = ROOT / "tools" / "audit-waivers.toml"
NPM_FOLDERS: Final = (ROOT / "tests" / "interop",)
# Each has had advisories for years.
KNOWN_PYTHON: Final = "jinja2==2.11.2"
KNOWN_NPM: Final = {"name": "lodash", "version": "4.17.4"}
LONGEST_SECONDS: Final = 600
LONGEST_WAIVER: Final = timedelta(days=90)


class NothingKnownError(Exception):
    """Advisories could not be had, for this reason."""


@dataclass(frozen=True)
class Finding:
    """An advisory on something that is pinned."""

    package: str
    advisory: str


def main() -> int:
    waived, refused = read_waivers(WAIVERS, today=datetime.now(UTC).date())
    try:
        found = [*audit_python(sorted(ROOT.glob("requirements*.txt")), options=sys.argv[1:])]
        for folder in NPM_FOLDERS:
            found += audit_npm(folder)
        found = [*dict.fromkeys(found)]
    except NothingKnownError as reason:
        print(f"Advisories could not be had, so nothing is known: {reason}")
        return 2
    failures = [finding for finding in found if finding.advisory not in waived]
    for finding in failures:
        print(f"{finding.package}: {finding.advisory}")
    for advisory in refused:
        print(f"The waiver of {advisory} has expired, is for over 90 days, or gives no reason.")
    print(f"Known vulnerabilities: {len(failures)}, and {len(found) - len(failures)} waived.")
    return 1 if failures or refused else 0


def read_waivers(path: Path, *, today: date) -> tuple[set[str], list[str]]:
    """The advisories that are waived, and those whose waivers are no good."""
    waivers: list[dict[str, Any]] = tomllib.loads(path.read_text()).get("waiver", [])
    good = {
        waiver["advisory"]
        for waiver in waivers
        if waiver["reason"] and today <= waiver["until"] <= today + LONGEST_WAIVER
    }
    return good, [w["advisory"] for w in waivers if w["advisory"] not in good]


def audit_python(requirements: Sequence[Path], *, options: Sequence[str]) -> Iterator[Finding]:
    """Raises: `NothingKnownError`."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "requirements.txt"
        known.write_text(f"{KNOWN_PYTHON}\n")
        if not [*_pip_audit(known, ["--no-deps", *options])]:
            raise NothingKnownError(f"the source of advisories knows none on {KNOWN_PYTHON}")
    for path in requirements:  # one by one: several may pin the same package
        yield from _pip_audit(path, ["--require-hashes", *options])


def _pip_audit(requirements: Path, options: Sequence[str]) -> Iterator[Finding]:
    """Strict: a package that the source does not know is not taken for a good one."""
    document = _asked(
        [sys.executable, "-m", "pip_audit", "--disable-pip", "--strict", "--format=json",
         "--progress-spinner=off", f"--requirement={requirements}", *options],
    )  # fmt: skip
    for dependency in document["dependencies"]:
        for advisory in dependency["vulns"]:
            yield Finding(f"{dependency['name']} {dependency['version']}", advisory["id"])


def audit_npm(project: Path) -> Iterator[Finding]:
    """Raises: `NothingKnownError`."""
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder)
        _write_npm_project(known)
        if not [*_npm_audit(known)]:
            raise NothingKnownError(f"npm's registry knows none on {KNOWN_NPM['name']}")
    yield from _npm_audit(project)


def _write_npm_project(folder: Path) -> None:
    """One that has locked the package with advisories."""
    name, version = KNOWN_NPM["name"], KNOWN_NPM["version"]
    project = {"name": "known", "version": "1.0.0", "dependencies": {name: version}}
    packages = {"": project, f"node_modules/{name}": {"version": version}}
    lock = {**project, "lockfileVersion": 3, "packages": packages}
    (folder / "package.json").write_text(json.dumps(project))
    (folder / "package-lock.json").write_text(json.dumps(lock))


def _npm_audit(folder: Path) -> Iterator[Finding]:
    document = _asked(["npm", "audit", "--package-lock-only", "--json"], folder=folder)
    if "vulnerabilities" not in document:
        raise NothingKnownError(document.get("message", "npm audit gave no report"))
    for name, entry in document["vulnerabilities"].items():
        for advisory in entry["via"]:
            if isinstance(advisory, dict):  # else the name of the package that has it
                yield Finding(f"{name} {entry['range']}", advisory["url"].rpartition("/")[2])


def _asked(command: Sequence[str], *, folder: Path = ROOT) -> dict[str, Any]:
    """The JSON document that a command prints, whatever its status: both fail on findings."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        document: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NothingKnownError(error) from error
    except ValueError as error:
        last_words = done.stderr.strip().splitlines()[-1:] or ["no report"]
        raise NothingKnownError(last_words[0]) from error
    return document


if __name__ == "__main__":
    sys.exit(main())
