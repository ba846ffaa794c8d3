"""The JavaScript modules as files: size, imports, types, and the vendored chart library."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from tests.local.stack import ROOT
from tests.support.pages import NODE

FILES = ROOT / "functions" / "pages" / "files"
VENDORED = FILES / "example" / "vendor"


def test_module_is_at_most_six_kibibytes_compressed() -> None:
    assert len(gzip.compress((FILES / "shotgrid-login.js").read_bytes(), mtime=0)) <= 6 * 1024


def test_modules_import_only_each_other() -> None:
    for module in FILES.rglob("*.js"):
        if VENDORED not in module.parents:
            for line in module.read_text().splitlines():
                if line.startswith(("import ", "export ")) and " from " in line:
                    assert line.split(" from ")[1].startswith('"./') or '"../shotgrid-login' in line, line


def test_declarations_match_the_modules(tmp_path: Path) -> None:
    _tsc("--project", str(NODE), "--outDir", str(tmp_path))
    generated = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert generated == {path.name: path.read_text() for path in FILES.glob("*.d.ts")}, "run `make types`"


def test_example_and_a_typescript_page_pass_the_type_check() -> None:
    _tsc("--project", str(NODE / "tsconfig.example.json"))


@pytest.mark.parametrize(
    ("ours", "published"),
    [("chart-4.6.1.min.js", "dist/chart.umd.min.js"), ("chart-4.6.1.license.txt", "LICENSE.md")],
)
def test_vendored_file_is_identical_to_the_published_one(ours: str, published: str) -> None:
    assert (VENDORED / ours).read_bytes() == (NODE / "node_modules" / "chart.js" / published).read_bytes()


def _tsc(*arguments: str) -> None:
    # The compiler that `make types` uses.
    compiler = NODE / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
