"""Checks of a site: its sign-in method, a script key, a user, and hosts that are not a site."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from shotgrid_login_ops.check import site_user
from shotgrid_login_ops.check.findings import Finding, Status
from shotgrid_login_ops.check.site_sign_in import SignIn
from shotgrid_login_ops.check.terminal import Credentials
from tests.site.fake_site import FakeSite
from tests.support.check import SCRIPT, Typing, assert_has_next_step, check
from tests.support.replay import http, replaying

LAUNCHER_KEY = "authentication_app_session_launcher_enabled"
# What the texts about Identity sites say about the form for legacy logins.
LEGACY = ("legacy passphrase", "never the Autodesk password", "102")
LOGIN, PASSWORD = "a_username", "a-password-of-theirs"
HTML = ["content-type: text/html; charset=utf-8"]


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with FakeSite() as running:
        running.add_script(*SCRIPT.values())
        running.add_user(LOGIN, PASSWORD)
        yield running


# ---- sign-in methods ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "launcher", "status", "texts"),
    [
        ("default", "on", "OK", ["user names and passwords of the site", "form", "two-factor", "also offer"]),
        ("default", "off", "OK", ["user names and passwords of the site", "form"]),
        ("default", "absent", "OK", ["user names and passwords of the site", "form"]),
        ("ldap", "on", "OK", ["LDAP", "form", "also offer"]),
        ("ldap", "off", "OK", ["LDAP", "form"]),
        ("oxygen", "on", "OK", ["Autodesk account", "button", "new tab", "approve", "names the page", *LEGACY]),
        ("oxygen", "off", "PROBLEM", ["Autodesk account", "is off", "only users with a legacy login", *LEGACY]),
        ("oxygen", "absent", "PROBLEM", ["Autodesk account", "does not report", "8.50", *LEGACY]),
        ("saml2", "on", "OK", ["single sign-on", "no passwords", "button", "new tab", "approve", "names the page"]),
        ("saml2", "off", "PROBLEM", ["single sign-on", "no passwords", "is off", "cannot sign users in"]),
        ("saml2", "absent", "PROBLEM", ["single sign-on", "no passwords", "does not report", "cannot sign users in"]),
        ("missing", "on", "UNKNOWN", ["does not report how", "form", "and the button"]),
        ("missing", "off", "UNKNOWN", ["does not report how", "form"]),
        ("something_new", "on", "UNKNOWN", ["is unknown", "form", "and the button"]),
        ("something_new", "off", "UNKNOWN", ["is unknown", "form"]),
    ],
)
def test_sign_in_method_is_shown_with_what_users_will_see(
    site: FakeSite, method: str, launcher: str, status: str, texts: list[str]
) -> None:
    site.switch(authentication_method=method, launcher=launcher)
    result = check(site.url, "--json", environment=SCRIPT)
    line = result.lines["site.sign-in"]
    assert (result.code, line["status"]) == (int(status == "PROBLEM"), status)
    assert line["value"] == (None if method == "missing" else method)
    assert [text for text in texts if text not in line["meaning"]] == []
    assert ("button" in line["meaning"]) == (launcher == "on" and method not in ("default", "ldap"))
    if status == "PROBLEM":
        for text in ("App Session Launcher", LAUNCHER_KEY, "administrators", "Autodesk support", "not documented"):
            assert text in line["next_step"]
    if status != "OK":
        assert_has_next_step(line)
    # Script keys work with every sign-in method.
    assert result.lines["site.script"]["value"] == "works"


@pytest.mark.parametrize("method", ["saml", "x\033[2J" + "y" * 200, ""])
def test_unknown_sign_in_method_is_shown_as_one_short_line(method: str) -> None:
    description = json.dumps({"data": {"user_authentication_method": method}})
    with replaying(http(200, description), http(200, description)) as replay:
        line = check(replay.url, "--json").lines["site.sign-in"]
        table = check(replay.url).out
    assert line["status"] == "UNKNOWN"
    assert line["value"][:1] == method[:1]
    assert len(line["value"]) <= 80
    assert "\033" not in table


def test_site_without_a_sign_in_method_or_version_is_unknown() -> None:
    description = http(200, '{"data": {"shotgun_version": null, "user_authentication_method": null}}')
    with replaying(description) as replay:
        result = check(replay.url, "--json")
    assert (result.code, result.statuses()["site.sign-in"], result.statuses()["site.version"]) == (0, *["UNKNOWN"] * 2)


def test_sso_site_without_a_launcher_shows_no_prompt(site: FakeSite) -> None:
    site.switch(authentication_method="saml2", launcher="off")
    result = check(site.url, "--json", user=Typing())
    assert (result.code, result.statuses()["site.user"], result.terminal) == (1, "UNKNOWN", "")


# ---- the launcher ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reported", "value"),
    [
        ({LAUNCHER_KEY: True}, "on"),
        ({"app_session_launcher_enabled": True}, "on"),
        ({"unified_login_flow2_enabled": True}, "on"),
        ({"unified_login_flow_enabled2": True}, "on"),
        ({LAUNCHER_KEY: False}, "off"),
        ({"unified_login_flow_enabled2": False}, "off"),
        ({LAUNCHER_KEY: False, "app_session_launcher_enabled": True}, "off"),
        ({LAUNCHER_KEY: None}, "off"),
        ({LAUNCHER_KEY: "true"}, "off"),
        ({LAUNCHER_KEY: 1}, "off"),
        ({}, "not reported"),
        ({"unified_login_flow_enabled": True}, "not reported"),
    ],
)
@pytest.mark.parametrize(
    ("method", "statuses"),
    [
        ("default", {"on": "OK", "off": "OK", "not reported": "UNKNOWN"}),
        ("ldap", {"on": "OK", "off": "OK", "not reported": "UNKNOWN"}),
        ("oxygen", {"on": "OK", "off": "PROBLEM", "not reported": "PROBLEM"}),
        ("saml2", {"on": "OK", "off": "PROBLEM", "not reported": "PROBLEM"}),
        ("pigeon", {"on": "OK", "off": "OK", "not reported": "UNKNOWN"}),
        (None, {"on": "OK", "off": "OK", "not reported": "UNKNOWN"}),
    ],
)
def test_launcher_is_a_problem_only_where_users_need_it_and_it_is_not_on(
    reported: dict[str, object], value: str, method: str | None, statuses: dict[str, str]
) -> None:
    findings = SignIn.from_about({"user_authentication_method": method} | reported).findings()
    assert [finding.name for finding in findings] == ["site.sign-in", "site.browser"]
    finding = findings[1]
    assert (finding.value, finding.status.value) == (value, statuses[value])
    assert finding.meaning.endswith(".")
    assert bool(finding.next_step) == (finding.status is Status.PROBLEM)


# ---- script keys -------------------------------------------------------------------------------------------


def test_rejected_script_key_is_a_problem_and_not_shown(site: FakeSite) -> None:
    key = "not-the-key-of-a-webhook"
    result = check(site.url, "--json", environment=SCRIPT | {"SHOTGRID_SCRIPT_KEY": key})
    assert (result.code, result.lines["site.script"]["value"]) == (1, "rejected")
    assert_has_next_step(result.lines["site.script"])
    assert key not in result.out + result.terminal


@pytest.mark.parametrize("name", SCRIPT)
def test_half_a_script_key_is_a_usage_error_and_not_sent(site: FakeSite, name: str) -> None:
    result = check(site.url, environment={name: SCRIPT[name]})
    assert (result.code, result.out) == (2, "")
    assert "SHOTGRID_SCRIPT_NAME" in result.terminal
    assert SCRIPT[name] not in result.terminal
    assert not site.requests


@pytest.mark.parametrize(
    ("response", "value"), [(http(503, "{}"), "status 503"), (http(200, "{}"), "status 200"), (b"", "connection broke")]
)
def test_unclear_response_to_a_script_key_is_a_problem(response: bytes, value: str) -> None:
    description = http(200, '{"data": {"user_authentication_method": "default"}}')
    with replaying(description, response) as replay:
        result = check(replay.url, "--json", environment=SCRIPT)
    assert (result.code, result.lines["site.script"]["value"]) == (1, value)
    assert_has_next_step(result.lines["site.script"])
    assert SCRIPT["SHOTGRID_SCRIPT_KEY"] not in result.out + result.terminal


# ---- users -------------------------------------------------------------------------------------------------


def check_user(site: FakeSite, password: str = PASSWORD, code: str | None = None) -> Finding:
    def read_code() -> str:
        assert code is not None, "the check prompted for a code"
        return code

    return site_user.sign_in(site.url, Credentials(LOGIN, password), read_code, keep_code_for_gateway=False)


def test_wrong_password_is_rejected_and_sent_once(site: FakeSite) -> None:
    finding = check_user(site, "not-the-password")
    assert (finding.status, finding.value) == (Status.PROBLEM, "rejected")
    assert finding.next_step.endswith(".")
    assert site.requests[LOGIN, "password"] == 1
    assert "not-the-password" not in repr(finding)


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_wrong_code_is_rejected(site: FakeSite, wrong_code: int) -> None:
    site.switch(two_factor=True, wrong_code=wrong_code)
    finding = check_user(site, code="not-a-code")
    assert (finding.status, finding.value) == (Status.PROBLEM, "code rejected")
    assert "not-a-code" not in repr(finding)


def test_skipped_code_still_shows_that_the_site_requires_one(site: FakeSite) -> None:
    site.switch(two_factor=True)
    finding = check_user(site, code="")
    assert (finding.status, finding.value) == (Status.UNKNOWN, "requires a code")
    assert site.requests[LOGIN, "password"] == 1


def test_backup_code_is_accepted(site: FakeSite) -> None:
    site.switch(two_factor=True)
    finding = check_user(site, code=min(site.accounts[LOGIN].backup_codes))
    assert (finding.status, finding.value) == (Status.OK, "requires a code")


def test_empty_credentials_are_not_sent(site: FakeSite) -> None:
    finding = check_user(site, password="")
    assert (finding.status, finding.value) == (Status.UNKNOWN, None)
    assert not site.requests


def test_password_that_autodesk_identity_does_not_accept_is_a_problem(site: FakeSite) -> None:
    site.switch(authentication_method="oxygen")
    finding = check_user(site)
    assert (finding.status, finding.value) == (Status.PROBLEM, "no passwords")


@pytest.mark.parametrize(
    ("fault", "value"),
    [
        ("503", "no response"),
        ("drop_response", "no response"),
        ("html", "unexpected response"),
        ("redirect", "unexpected response"),
    ],
)
def test_unexpected_response_to_a_sign_in_is_a_problem(site: FakeSite, fault: str, value: str) -> None:
    site.switch(site.accounts[LOGIN], fault=fault)
    finding = check_user(site)
    assert (finding.status, finding.value) == (Status.PROBLEM, value)
    assert finding.meaning.endswith(".")
    assert finding.next_step.endswith(".")
    assert PASSWORD not in repr(finding)


# ---- hosts that are not a site -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response", "value", "advice"),
    [
        (http(200, "<html>welcome</html>", HTML), "a web page", "Compare the address"),
        (http(404, "<html>nothing</html>", HTML), "a web page", "Compare the address"),
        (http(404, "{}"), "status 404", "Compare the address"),
        (http(403, "{}"), "status 403", "network that the site allows"),
        (http(503, "<html>maintenance</html>", HTML), "status 503", "in a few minutes"),
        (http(302, "", ["location: https://me:secret@elsewhere.example/x?token=secret"]), "status 302", "elsewhere."),
        (http(302, "", ["location: https://[secret"]), "connection broke", "run the check again"),
        (http(200, '{"hello": "world"}'), "not a site", "Compare the address"),
        (http(200, '{"data": {}}'), "not a site", "Compare the address"),
        (http(200, "[" * 9999), "not a site", "Compare the address"),
        (http(200, " " * 600_000), "not a site", "Compare the address"),
        (b"", "connection broke", "run the check again"),
        (b"nonsense\r\n\r\n", "connection broke", "run the check again"),
    ],
)
def test_host_that_is_not_a_site_is_a_problem_and_gets_no_script_key(response: bytes, value: str, advice: str) -> None:
    with replaying(response) as replay:
        result = check(replay.url, "--json", environment=SCRIPT)
    line = result.lines["site.reachable"]
    assert (result.code, line["status"], line["value"]) == (1, "PROBLEM", value)
    assert advice.lower() in f"{line['meaning']} {line['next_step']}".lower()
    assert_has_next_step(line)
    assert "secret" not in result.out + result.terminal
    assert len(replay.requests) == 1
