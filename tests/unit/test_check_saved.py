"""`--save` and `--compare`."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site.fake_site import FakeSite
from tests.support.check import SCRIPT, Typing, check

OTHER_SITE = """{
 "format": "shotgrid_login check", "version": 1, "site": "https://other.example", "saved_at": "", "findings": {}
}"""


@pytest.fixture(scope="module")
def site() -> Iterator[FakeSite]:
    with FakeSite() as running:
        running.add_script(*SCRIPT.values())
        yield running


def test_saved_file_is_private_and_contains_no_script_key(site: FakeSite, tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    assert check(site.url, f"--save={file}", environment=SCRIPT).code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    saved = json.loads(file.read_text())
    assert saved["site"] == site.url
    assert saved["findings"]["site.script"] == {"status": "OK", "value": "works"}
    assert not [secret for secret in SCRIPT.values() if secret in file.read_text()]


def test_existing_file_is_not_overwritten(site: FakeSite, tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    file.write_text("something else")
    result = check(site.url, f"--save={file}")
    assert (result.code, result.out) == (2, "")
    assert "already exists" in result.terminal
    assert file.read_text() == "something else"


def test_folder_that_does_not_exist_is_reported_before_the_prompts(site: FakeSite, tmp_path: Path) -> None:
    result = check(site.url, f"--save={tmp_path / 'nowhere' / 'before.json'}", user=Typing())
    assert (result.code, result.out) == (2, "")
    assert "cannot write" in result.terminal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot read"),
        ("", "is not a saved check"),
        ("not JSON", "is not a saved check"),
        ("[" * 9999, "is not a saved check"),
        ('{"findings": {}}', "is not a saved check"),
        ('{"format": "shotgrid_login check", "version": 1}', "is not a saved check"),
        ('{"format": "shotgrid_login check", "version": 2}', "another version"),
        (OTHER_SITE, "of the same site"),
    ],
)
def test_file_that_is_not_a_saved_check_is_a_usage_error(
    site: FakeSite, tmp_path: Path, text: str | None, message: str
) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    if text is not None:
        before.write_text(text)
    result = check(site.url, f"--compare={before}", f"--save={after}")
    assert (result.code, result.out) == (2, "")
    assert message in result.terminal
    assert not after.exists()


def test_change_is_shown_with_the_saved_value(site: FakeSite, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    assert check(site.url, f"--save={before}").code == 0
    saved = json.loads(before.read_text())
    saved["findings"]["site.version"]["value"] = "v8.88.0.1"
    before.write_text(json.dumps(saved))
    result = check(site.url, f"--compare={before}", "--json")
    assert (result.code, json.loads(result.out)["compared_with"]) == (0, saved["saved_at"])
    assert {name: line["was"] for name, line in result.lines.items() if line["status"] == "CHANGED"} == {
        "site.version": "v8.88.0.1"
    }


def test_finding_that_only_one_check_has_is_not_a_change(site: FakeSite, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    assert check(site.url, f"--save={before}", environment=SCRIPT).code == 0
    result = check(site.url, f"--compare={before}", "--json")
    assert "CHANGED" not in result.statuses().values()
    assert {line["was"] for line in result.lines.values()} == {None}
    assert json.loads(result.out)["only_then"] == ["site.script"]
    assert "Checked then, but not now: site.script." in check(site.url, f"--compare={before}").out


def test_failed_check_leaves_no_file(site: FakeSite, tmp_path: Path) -> None:
    file = tmp_path / "saved.json"
    result = check(site.url, f"--save={file}", user=Typing())  # fails at the first prompt
    assert (result.code, result.out) == (3, "")
    assert not file.exists()
