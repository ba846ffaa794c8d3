"""The rehearsal of the move: nine cells, and the README's, whatever a site's unknowns are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.stack import ROOT
from tests.rehearsal import PHASES, Stage, rehearse, stage, unknowns, written


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with stage() as running:
        yield running


@pytest.mark.parametrize("site_is", unknowns(), ids=str)
def test_the_table_is_the_readmes_with_either_value_of_every_unknown(on: Stage, site_is: dict[str, Any]) -> None:
    table = rehearse(on, site_is)
    assert sum(len(seen) for seen in table.values()) == 3 * len(PHASES)
    assert written(table) in (ROOT / "README.md").read_text(), written(table)


def test_what_breaks_is_said_in_its_cell(on: Stage) -> None:
    on.site.switch(fault="503")
    try:
        table = rehearse(on, unknowns()[0])
    finally:
        on.site.switch(fault="")
    assert {seen["before"].partition(":")[0] for seen in table.values()} == {"BROKEN"}
