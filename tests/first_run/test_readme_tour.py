"""The README's tour with curl, run as it is printed."""

import os
import re
import subprocess
from pathlib import Path

from tests.first_run.processes import clean_environment, running_server

README = Path(__file__).parents[2] / "README.md"
TOUR_SECONDS = 60


def the_tour() -> str:
    (tour,) = re.findall(r"^```bash\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    return str(tour)


def test_the_tour_in_the_readme_runs_as_it_is_printed(project: Path) -> None:
    with running_server(project, BCRYPT_ROUNDS="4") as server:
        tour = subprocess.run(
            ["bash", "-c", the_tour()],
            env=clean_environment(BASE=server.base, PATH=os.environ["PATH"]),
            capture_output=True,
            text=True,
            timeout=TOUR_SECONDS,
            check=False,
        )

    assert tour.returncode == 0, tour.stdout + tour.stderr
    said = tour.stdout.splitlines()
    assert [line.partition(" ")[0] for line in said if not line.startswith("{")] == [
        "signed",
        "logged",
        "refreshed:",
        "asked",
        "logged",
        "spent",
    ]
    assert said[-1] == "spent token replayed: refused"
