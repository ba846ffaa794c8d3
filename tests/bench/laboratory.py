"""Everything that runs while `make bench` measures: our stack, its baseline, the peers, local AWS and the fake site."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.cpu_quota import CpuQuota
from tests.bench.deployment import Deployment, Function, Unpacked, build_commit, deploy, peers
from tests.bench.execution_environment import VERSION, ExecutionEnvironment
from tests.bench.https import Https, serve
from tests.local.stack import ROOT, LocalAws, SetupFailed, build
from tests.site.fake_site import Account, FakeSite


@dataclass(frozen=True)
class Laboratory:
    """What the measurements use. `deployments` are ours, the baseline, and the peers without and with bytecode."""

    aws: LocalAws
    site: FakeSite
    https: Https
    quota: CpuQuota
    ours: Deployment
    baseline: Deployment
    peers: tuple[Deployment, Deployment]

    def new_user(self, **switches: Any) -> Account:
        """Open an account at the site."""
        return self.site.add_user(f"artist_{secrets.token_hex(4)}", f"pass-{secrets.token_hex(8)}", **switches)

    def start(
        self, function: Function, seconds_ahead: float = 0, count_into: Path | None = None
    ) -> ExecutionEnvironment:
        """Start a function in a new execution environment, see there."""
        return ExecutionEnvironment(function, self.https, self.quota, seconds_ahead, count_into)


@contextmanager
def laboratory(directory: Path, baseline: str) -> Iterator[Laboratory]:
    """Build and deploy our code and that of the commit `baseline`; raises `SetupFailed`."""
    if sys.version_info[:2] != VERSION:
        version = ".".join(map(str, VERSION))
        raise SetupFailed(f"it needs Python {version}, as on Lambda: make bench PYTHON=python{version}")
    build()
    unpacked = Unpacked(directory)
    with FakeSite() as site, LocalAws() as aws, serve(site.url, aws.endpoint) as https, CpuQuota() as quota:
        ours = deploy(aws, "ours", ROOT / ".aws-sam" / "build" / "template.yaml", unpacked)
        commit = deploy(aws, "baseline", build_commit(baseline), unpacked)
        environment = ours.functions["password"].environment
        others = (
            peers(unpacked, environment, with_bytecode=False),
            peers(unpacked, environment, with_bytecode=True),
        )
        unpacked.finish(https.root)
        try:
            yield Laboratory(aws, site, https, quota, ours, commit, others)
        finally:
            unpacked.make_writable()
