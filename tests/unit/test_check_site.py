"""Checks of a site: its sign-in method, a script key, a user, and hosts that are not a site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shotgrid_login_ops.check import site_user
from shotgrid_login_ops.check.findings import Finding, Status
from shotgrid_login_ops.check.terminal import Credentials
from tests.site.fake_site import FakeSite
from tests.support.check import SCRIPT, Typing, assert_has_next_step, check
from tests.support.replay import http, replaying

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
    ("method", "status", "exit_code", "meaning"),
    [
        ("default", "OK", 0, "user names and passwords of the site"),
        ("ldap", "OK", 0, "LDAP"),
        ("saml", "PROBLEM", 1, "single sign-on"),
        ("saml2", "PROBLEM", 1, "single sign-on"),
        ("oxygen", "PROBLEM", 1, "Autodesk account"),
        ("pigeon", "UNKNOWN", 0, "is unknown"),
        ("x\033[2J" + "y" * 200, "UNKNOWN", 0, "is unknown"),
    ],
)
def test_sign_in_method_is_shown_with_its_meaning(
    site: FakeSite, method: str, status: str, exit_code: int, meaning: str
) -> None:
    site.switch(authentication_method=method)
    result = check(site.url, "--json", environment=SCRIPT)
    line = result.lines["site.sign-in"]
    assert (result.code, line["status"]) == (exit_code, status)
    assert meaning in line["meaning"]
    assert line["value"].startswith(method[:1])
    assert len(line["value"]) <= 80
    assert "\033" not in check(site.url).out
    if status != "OK":
        assert_has_next_step(line)
    # Script keys work with every sign-in method.
    assert result.lines["site.script"]["value"] == "works"


def test_site_without_a_sign_in_method_or_version_is_unknown() -> None:
    description = http(200, '{"data": {"shotgun_version": null, "user_authentication_method": null}}')
    with replaying(description) as replay:
        result = check(replay.url, "--json")
    assert (result.code, result.statuses()["site.sign-in"], result.statuses()["site.version"]) == (0, *["UNKNOWN"] * 2)


def test_sso_site_shows_no_prompt_for_a_password(site: FakeSite) -> None:
    site.switch(authentication_method="saml2")
    result = check(site.url, "--json", user=Typing())
    assert (result.code, result.statuses()["site.user"], result.terminal) == (1, "UNKNOWN", "")


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
