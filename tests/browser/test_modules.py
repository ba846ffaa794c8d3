"""The modules as files: their size, their types, and what they were built from."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from tests.local.stack import ROOT
from tests.support.pages import NODE

FILES = ROOT / "functions" / "pages" / "files"
VENDORED = FILES / "example" / "vendor"


def test_the_module_is_small() -> None:
    assert len(gzip.compress((FILES / "shotgrid-login.js").read_bytes(), mtime=0)) <= 6 * 1024


def test_the_modules_import_nothing_from_elsewhere() -> None:
    for module in FILES.rglob("*.js"):
        if VENDORED not in module.parents:
            for line in module.read_text().splitlines():
                if line.startswith(("import ", "export ")) and " from " in line:
                    assert line.split(" from ")[1].startswith('"./') or '"../shotgrid-login' in line, line


def test_the_declarations_are_those_of_the_modules(tmp_path: Path) -> None:
    _tsc("--project", str(NODE), "--outDir", str(tmp_path))
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_text() for path in FILES.glob("*.d.ts")}, "run `make types`"


def test_the_example_and_a_page_in_typescript_are_checked_with_them() -> None:
    _tsc("--project", str(NODE / "tsconfig.example.json"))


@pytest.mark.parametrize(
    ("ours", "published"),
    [("chart-4.6.1.min.js", "dist/chart.umd.min.js"), ("chart-4.6.1.license.txt", "LICENSE.md")],
)
def test_what_is_vendored_is_what_was_published(ours: str, published: str) -> None:
    assert (VENDORED / ours).read_bytes() == (NODE / "node_modules" / "chart.js" / published).read_bytes()


def _tsc(*arguments: str) -> None:
    # As it is run by `make types`, with the compiler that npm has unpacked.
    compiler = NODE / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
