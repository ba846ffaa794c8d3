"""The rehearsals of two changes of a site give the same table for every unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from tests.local.stack import ROOT, LocalAws
from tests.local.webhook import deploy_webhook
from tests.rehearsal import AUTODESK_IDENTITY, CHANGES, PHASES, TWO_FACTOR, Change, Stage, markdown, rehearse
from tests.site.fake_site import FakeSite
from tests.support.client import Gateway
from tests.support.sg_python_api import SgPythonApi

AUTODESK_IDENTITY_TABLE = {
    "scripts and webhooks, with a script key": ["work", "work, untouched", "work, untouched"],
    "scripts, with a user's user name and password": ["work", "break", "work with a legacy login, break without"],
    "hosted pages, through this gateway": [
        "work",
        "signed out once",
        "require browser sign-in or a legacy login, then work",
    ],
}


@pytest.fixture(scope="module")
def stage(aws: LocalAws, site: FakeSite, gateway: Gateway) -> Iterator[Stage]:
    """Add a webhook to the site and the gateway of the suite. Afterwards, restore the switches of the site."""
    switches = asdict(site.switches)
    independent_client = SgPythonApi()
    yield Stage(site, deploy_webhook(aws, site), gateway, independent_client)
    independent_client.close()
    site.switch(**switches)


def test_table_of_two_factor_is_the_documented_one_for_both_values_of_every_unknown(stage: Stage) -> None:
    documents = [(ROOT / path).read_text() for path in ("README.md", "docs/two-factor.md")]
    combinations = TWO_FACTOR.combinations()  # `make rehearsal` runs all of them
    for switches in (combinations[0], combinations[-1]):
        table = rehearse(stage, TWO_FACTOR, switches)
        assert sum(len(cells) for cells in table.values()) == 3 * len(PHASES)
        assert all(markdown(table) in document for document in documents), f"{switches}\n{markdown(table)}"


def test_table_of_autodesk_identity_is_the_same_for_all_values_of_every_unknown(stage: Stage) -> None:
    expected = {way: dict(zip(PHASES, cells, strict=True)) for way, cells in AUTODESK_IDENTITY_TABLE.items()}
    for switches in AUTODESK_IDENTITY.combinations():
        table = rehearse(stage, AUTODESK_IDENTITY, switches)
        assert table == expected, f"{switches}\n{markdown(table)}"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title)
def test_failure_of_the_site_is_shown_in_its_cells(stage: Stage, change: Change) -> None:
    stage.site.switch(fault="503")
    try:
        table = rehearse(stage, change, change.combinations()[0])
    finally:
        stage.site.switch(fault="")
    assert {cells["before"].partition(":")[0] for cells in table.values()} == {"BROKEN"}
