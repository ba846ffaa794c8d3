"""The core on real tables."""

from __future__ import annotations

import pytest

from tests.local.in_process import InProcessAws
from tests.site.fake_site import FakeSite
from tests.support.core import Core, Storage


@pytest.fixture(scope="session")
def in_process_aws() -> InProcessAws:
    return InProcessAws()


@pytest.fixture(scope="session")
def storage(in_process_aws: InProcessAws) -> Storage:
    return Storage.create(in_process_aws)


@pytest.fixture
def core(storage: Storage, site: FakeSite) -> Core:
    return Core(storage, site)
