"""The requests of the page during browser sign-ins, counted with the page's own module in Node.js."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.local.stack import ROOT, SetupFailed

MODULE = ROOT / "functions" / "pages" / "files" / "shotgrid-login.js"

# By the name in the table: the second of the approval, None for never, and whether the page is hidden until then. A
# page is hidden while the user is in another tab, and visible beside another window.
SCENARIOS = {
    "approved after 20 s in another tab": {"approved": 20, "hidden": True},
    "approved after 20 s in another window": {"approved": 20, "hidden": False},
    "never approved, another tab": {"approved": None, "hidden": True},
    "never approved, another window": {"approved": None, "hidden": False},
}


def requests_of_page() -> dict[str, dict[str, int]]:
    """Return for each scenario the counts by the last part of the route; raises `SetupFailed`."""
    script = Path(__file__).with_suffix(".mjs")
    node = Path(sys.prefix) / "bin" / "node"
    child = subprocess.run(
        [str(node), str(script), str(MODULE), json.dumps(SCENARIOS)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if child.returncode != 0:
        raise SetupFailed(f"the page's module failed:\n{child.stderr[-4000:]}")
    counts: dict[str, dict[str, int]] = json.loads(child.stdout)
    return counts
