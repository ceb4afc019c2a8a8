"""docs/problems.md lists every problem there is, with its status."""

import re

import src.app  # noqa: F401 - loads every feature, and with it every problem
from src.core.errors import Problem
from tests.conftest import REPOSITORY

ROW = re.compile(r"^\| (`[^|]+`) \| (\d{3}) \|", re.MULTILINE)


def subclasses(of: type[Problem]) -> set[type[Problem]]:
    direct = set(of.__subclasses__())
    return direct.union(*(subclasses(each) for each in direct))


def test_every_problem_is_documented_with_its_status() -> None:
    document = (REPOSITORY / "docs/problems.md").read_text()
    documented = {
        (name, int(status))
        for names, status in ROW.findall(document)
        for name in re.findall(r"`([a-z-]+)`", names)
    }
    raised = {
        (each.slug, each.status)
        for each in subclasses(Problem)
        if each.__module__.startswith("src.") and hasattr(each, "slug")
    }
    assert raised == documented
