"""The table of security requirements: it has every requirement, and every test that it names exists."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.local.stack import ROOT
from tests.support.docs import section, tables

ASVS = ROOT / "docs" / "asvs.md"

# How many requirements each section of a chapter of ASVS 5.0 has. V3.1 has one, V3.2 has three.
REQUIREMENTS = {
    3: [1, 3, 5, 8, 8, 1, 5],
    6: [3, 12, 8, 6, 8, 4, 2, 4],
    7: [3, 4, 2, 5, 3, 2],
    8: [4, 4, 3, 2],
    10: [2, 3, 5, 16, 5, 2, 3],
    16: [1, 5, 4, 3, 4],
}


def numbers(cell: str) -> list[str]:
    """Return the requirements that a cell names: single ones and ranges, separated by commas."""
    found = []
    for part in cell.split(", "):
        first, _, last = part.partition("–")
        parent, _, start = first.rpartition(".")
        end = last.rpartition(".")[2] or start
        found += [f"{parent}.{number}" for number in range(int(start), int(end) + 1)]
    return found


def test_table_has_every_requirement_once() -> None:
    expected = [
        f"{chapter}.{part}.{number}"
        for chapter, parts in REQUIREMENTS.items()
        for part, count in enumerate(parts, 1)
        for number in range(1, count + 1)
    ]
    rows = [row for table in tables(section(ASVS, "OWASP ASVS 5.0")) for row in table]
    assert Counter(number for row in rows for number in numbers(row[0])) == Counter(expected)


@pytest.mark.parametrize("standard", ["OWASP ASVS 5.0", "RFC 9700", "RFC 10017"])
def test_row_has_a_test_or_a_reason(standard: str) -> None:
    rows = [row for table in tables(section(ASVS, standard)) for row in table]
    assert rows
    for requirement, subject, reason in rows:
        assert subject, requirement
        assert reason, requirement


def test_every_named_test_exists() -> None:
    named = re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)`", ASVS.read_text())
    assert ASVS.read_text().count("::") == len(named)
    missing = [
        (file, name)
        for file, name in named
        if not re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)
    ]
    assert missing == []
