"""Warm calls, with a stack that is deployed from the real template."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from tests.bench.comparison import Comparison
from tests.bench.unpacked import ORIGIN, Unpacked
from tests.local.stack import ROOT, LocalAws, SetupFailed
from tests.site.fake_site import FakeSite

# The only account of the fake site.
LOGIN = "a_username"
PASSWORD = "a_password"


@dataclass(frozen=True)
class Warm:
    """For each flow: the calls to `site`, `dynamodb` and `kms`, and the CPU time beside that of an empty handler."""

    calls: dict[str, dict[str, int]]
    own_time: dict[str, Comparison]


def warm_calls(unpacked: Unpacked) -> Warm:
    """Run `calls`; raises `SetupFailed` if the stack does not start or a function returns an unexpected response."""
    with FakeSite() as site, LocalAws() as aws:
        site.add_user(LOGIN, PASSWORD)
        outputs = aws.deploy({"ShotGridSiteUrl": site.url, "AllowedOrigins": ORIGIN})
        environment = unpacked.environment() | {
            "AWS_ENDPOINT_URL": aws.endpoint,
            "NO_PROXY": "*",
            "SHOTGRID_SITE_URL": site.url,
            "STATE_TABLE": outputs["StateTable"],
            "BEARERS_TABLE": outputs["BearersTable"],
            "KEY_ARN": outputs["KeyArn"],
            "HASH_KEY_ARN": outputs["HashKeyArn"],
        }
        child = subprocess.run(
            [sys.executable, "-m", "tests.bench.calls", str(unpacked.directory), LOGIN, PASSWORD],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    if child.returncode != 0:
        raise SetupFailed(f"the flows failed:\n{child.stderr[-4000:]}")
    results = json.loads(child.stdout)
    own_time = {flow: Comparison(**seconds) for flow, seconds in results["own_time"].items()}
    return Warm(results["calls"], own_time)
