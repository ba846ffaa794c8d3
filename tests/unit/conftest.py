"""The core on real tables."""

from __future__ import annotations

import pytest

from tests.local.stack import LocalAws
from tests.site.fake_site import FakeSite
from tests.support.core import Core, Storage


@pytest.fixture(scope="session")
def storage(aws: LocalAws) -> Storage:
    return Storage.create(aws)


@pytest.fixture
def core(storage: Storage, site: FakeSite) -> Core:
    return Core(storage, site)
