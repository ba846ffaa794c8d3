"""The command line of `shotgrid-login`: options, exit codes, the table, and what `pip install .` installs with it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shotgrid_login_ops import cli
from shotgrid_login_ops.check import command
from tests.local.stack import free_port
from tests.site.fake_site import FakeSite
from tests.support.check import SCRIPT, Typing, check
from tests.support.replay import http, replaying

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with FakeSite() as running:
        running.add_script(*SCRIPT.values())
        yield running


# ---- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--password", "hunter2"], "Never type a password here"),
        (["--password=hunter2"], "Never type a password here"),
        (["--user=hunter2"], "Never type a password here"),
        (["--user", "hunter2"], "Never type a password here"),
        (["hunter2 expected and required"], "Never type a password here"),
        (["--save"], "--save: expected one argument"),
        (["--origin", "https://pages.studio.com"], "--gateway"),
        (["--gateway", "https://login.studio.com", "--origin", "https://pages.studio.com/x"], "without its path"),
        (["--gateway", "http://login.studio.com"], "https://login.studio.com"),
        (["--user"], "needs a terminal"),
    ],
)
def test_wrong_option_is_a_usage_error_that_does_not_repeat_it(
    site: FakeSite, arguments: list[str], message: str
) -> None:
    result = check(site.url, *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.terminal
    assert "hunter2" not in result.terminal
    assert not site.requests


@pytest.mark.parametrize(
    ("arguments", "missing"), [([], "COMMAND"), (["check"], "SITE_URL"), (["hunter2"], "unknown option")]
)
def test_incomplete_command_line_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], missing: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert missing in capsys.readouterr().err


def test_invalid_address_is_a_usage_error() -> None:
    result = check("https://me:hunter2@studio.shotgrid.autodesk.com")
    assert (result.code, result.out) == (2, "")
    assert "before the @" in result.terminal
    assert "hunter2" not in result.terminal


def test_help_lists_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "0: nothing breaks, 1: something would break, 2: usage error, 3: the check itself failed" in text


# ---- failures ----------------------------------------------------------------------------------------------


def test_failure_of_the_check_itself_does_not_show_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object) -> int:
        raise ValueError("hunter2")

    monkeypatch.setattr(command, "run", run)
    assert cli.main(["check", "https://studio.shotgrid.autodesk.com"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "ValueError at test_check_command.py:" in err
    assert "hunter2" not in err


def test_unreachable_gateway_does_not_hide_the_findings_of_the_site(site: FakeSite) -> None:
    result = check(site.url, "--json", "--gateway", f"http://login.localhost:{free_port()}")
    assert (result.code, result.lines["gateway.reachable"]["value"]) == (1, "connection refused")
    assert result.statuses()["site.reachable"] == "OK"


def test_host_that_is_not_a_gateway_gets_one_request_and_no_password(site: FakeSite) -> None:
    site.add_user("a_username", "a-password-of-theirs")
    with replaying(http(404, '{"message": "Not Found"}')) as replay:
        user = Typing("a_username", "a-password-of-theirs")
        result = check(site.url, "--json", "--gateway", replay.url, user=user)
    assert (result.code, result.lines["gateway.reachable"]["status"]) == (1, "PROBLEM")
    assert "Url" in result.lines["gateway.reachable"]["next_step"]
    assert result.statuses()["user.sign-in"] == "UNKNOWN"
    assert len(replay.requests) == 1


# ---- the table ---------------------------------------------------------------------------------------------


def test_colors_of_the_table_only_repeat_its_words(site: FakeSite, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    assert check(site.url, f"--save={before}").code == 0
    saved = json.loads(before.read_text())
    saved["findings"]["site.version"]["value"] = "v8.88.0.1"
    before.write_text(json.dumps(saved))
    site.switch(authentication_method="saml2", launcher="off")

    colored = check(site.url, f"--compare={before}", screen=True).out
    plain = check(site.url, f"--compare={before}", screen=True, environment={"NO_COLOR": "1"}).out
    assert "\033[" in colored
    assert "\033" not in plain
    assert "\033" not in check(site.url).out
    assert "\033" not in check(site.url, screen=True, environment={"TERM": "dumb"}).out
    rows = [line.split() for line in plain.splitlines() if line[:1].isupper()]
    assert [
        next(row[0] for row in rows if row[1] == name)
        for name in ("site.reachable", "site.version", "site.sign-in", "site.script")
    ] == ["OK", "CHANGED", "PROBLEM", "UNKNOWN"]
    assert "(was: v8.88.0.1)" in plain
    assert "Broken, or would break: site.sign-in, site.browser." in plain
    assert "Changed: site.version, site.sign-in, site.browser." in plain
    assert max(map(len, plain.splitlines())) <= 110


# ---- the installed package ---------------------------------------------------------------------------------


def test_installed_command_has_the_dependencies_that_the_suite_uses() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    assert project["dependencies"]
    for dependency in [*project["dependencies"], *project["optional-dependencies"]["aws"]]:
        assert f"{dependency} \\" in pins


# `requests` and what it needs. So the modules of the layer that the check uses must not log or call AWS.
WITH_REQUESTS = {"requests", "certifi", "charset_normalizer", "idna", "urllib3"}
# The modules of the layer that the other commands use must not log.
WITH_BOTO3 = {*WITH_REQUESTS, "boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six"}


def test_installed_command_imports_only_its_dependencies() -> None:
    imports = (
        "import json, sys; before = {*sys.modules}; "
        "import shotgrid_login_ops.cli; print(json.dumps([*{*sys.modules} - before])); "
        "import shotgrid_login_ops.stack.command; print(json.dumps([*{*sys.modules} - before]))"
    )
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("layers/shotgrid_login", "ops"))
    ran = subprocess.run(
        [sys.executable, "-c", imports],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    # `pip install .` leaves the metadata of the command itself in the checkout.
    packages = importlib.metadata.packages_distributions().keys() - {"shotgrid_login", "shotgrid_login_ops"}
    of_check, of_all_commands = (
        {name.partition(".")[0] for name in json.loads(line)} & packages for line in ran.stdout.splitlines()
    )
    assert of_check <= WITH_REQUESTS
    assert of_all_commands <= WITH_BOTO3
