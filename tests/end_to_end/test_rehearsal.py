"""The rehearsal of the switch to two-factor authentication gives the table of the documents, for every unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from tests.local.stack import ROOT, LocalAws
from tests.local.webhook import deploy_webhook
from tests.rehearsal import PHASES, Stage, markdown, rehearse, unknowns
from tests.site.fake_site import FakeSite
from tests.support.client import Gateway


@pytest.fixture(scope="module")
def stage(aws: LocalAws, site: FakeSite, gateway: Gateway) -> Iterator[Stage]:
    """Add a webhook to the site and the gateway of the suite. Afterwards, restore the switches of the site."""
    switches = asdict(site.switches)
    yield Stage(site, deploy_webhook(aws, site), gateway)
    site.switch(**switches)


def test_table_is_the_documented_one_for_both_values_of_every_unknown(stage: Stage) -> None:
    documents = [(ROOT / path).read_text() for path in ("README.md", "docs/two-factor.md")]
    for site_switches in unknowns():
        table = rehearse(stage, site_switches)
        assert sum(len(cells) for cells in table.values()) == 3 * len(PHASES)
        assert all(markdown(table) in document for document in documents), f"{site_switches}\n{markdown(table)}"


def test_failure_of_the_site_is_shown_in_its_cells(stage: Stage) -> None:
    stage.site.switch(fault="503")
    try:
        table = rehearse(stage, unknowns()[0])
    finally:
        stage.site.switch(fault="")
    assert {cells["before"].partition(":")[0] for cells in table.values()} == {"BROKEN"}
