"""Whether the time of a refused log-in tells why it was refused, to a classifier of times.

`python -m benchmarks.login_timing` measures the same with more samples and prints a table.
"""

from itertools import combinations

import pytest

from benchmarks.login_timing import MOST_DEVIATION, against_a_server, auc
from tests.processes.workers import report

pytestmark = pytest.mark.faults

ROUNDS = 6  # fewer hide less
SAMPLES = 200


@pytest.mark.parametrize(
    ("app", "tells"), [("src.main:app", False), ("benchmarks.no_dummy_server:app", True)]
)
def test_the_time_of_a_refusal_tells_nothing_of_the_account(app: str, *, tells: bool) -> None:
    """The second server, which hashes nothing for who is unknown, shows that it would be seen."""
    taken = against_a_server(app=app, rounds=ROUNDS, samples=SAMPLES)
    areas = {pair: auc(taken[pair[0]], taken[pair[1]]) for pair in combinations(taken, 2)}
    # Guessing is within the interval: what is measured with so few samples has an error of its own.
    beyond = {pair: abs(area - 0.5) - width for pair, (area, width) in areas.items()}
    worst = max(beyond, key=lambda pair: beyond[pair])
    area, width = areas[worst]
    report(f"Refused log-ins at {app}", worst=f"AUC {area:.3f} ± {width:.3f}: {' / '.join(worst)}")
    assert (beyond[worst] > MOST_DEVIATION) is tells
