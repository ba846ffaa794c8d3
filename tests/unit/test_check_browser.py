"""`shotgrid-login check --user` in the browser, at the site: what is shown, how it polls, and every end of it."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.site.fake_site import Account, FakeSite
from tests.support.check import Result, Typing, assert_has_next_step, check

LOGIN, PASSWORD = "a_username", "a-password-of-theirs"


@pytest.fixture
def site() -> Iterator[FakeSite]:
    """An Identity site with one user."""
    with FakeSite() as running:
        running.switch(authentication_method="oxygen")
        running.add_user(LOGIN, PASSWORD, "autodesk")
        yield running


@pytest.fixture
def user(site: FakeSite) -> Account:
    return site.accounts[LOGIN]


def approving(site: FakeSite) -> Typing:
    """Return what a user does who approves."""
    return Typing("", "", in_browser=lambda url: site.approve(url, site.accounts[LOGIN]))


def do_nothing(_: str) -> None:
    """Neither approve nor decline."""


def assert_shows_no_secret(result: Result, user: Typing, site: FakeSite) -> None:
    """Assert that the result has no secret, and the terminal only the approval URLs."""
    for secret in site.secrets:
        assert secret not in result.out + result.terminal
    shown = user.shown
    for url in user.urls:
        shown = shown.replace(url, "")
    for secret in site.secrets:
        assert secret not in shown


# ---- which way ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "prompt"),
    [
        ("default", {"has_browser": True, "is_legacy": False}),
        ("ldap", {"has_browser": True, "is_legacy": False}),
        ("missing", {"has_browser": True, "is_legacy": False}),
        ("something_new", {"has_browser": True, "is_legacy": False}),
        ("oxygen", {"has_browser": True, "is_legacy": True}),
        ("saml2", None),
    ],
)
def test_empty_user_name_signs_in_in_the_browser_and_an_sso_site_has_no_prompt(
    site: FakeSite, method: str, prompt: dict[str, bool] | None
) -> None:
    site.switch(authentication_method=method)
    user = approving(site)
    result = check(site.url, "--json", user=user)
    assert user.prompts == [prompt] * (prompt is not None)
    assert (result.code, result.lines["site.user"]["status"]) == (0, "OK"), result
    assert result.lines["site.user"]["value"] == "signs in with the browser"
    assert site.requests_for(site.accounts[LOGIN], "password") == 0
    assert_shows_no_secret(result, user, site)


@pytest.mark.parametrize("launcher", ["off", "absent", "unsaid_but_on"])
def test_empty_user_name_without_a_launcher_is_not_checked(site: FakeSite, launcher: str) -> None:
    site.switch(authentication_method="default", launcher=launcher)
    user = Typing("", "")
    result = check(site.url, "--json", user=user)
    assert user.prompts == [{"has_browser": False, "is_legacy": False}]
    assert (result.code, result.lines["site.user"]["status"]) == (0, "UNKNOWN")
    assert site.approval_requests == []


def test_legacy_login_signs_in_with_its_passphrase(site: FakeSite) -> None:
    legacy = site.add_user("a_legacy_username", "an-autodesk-password", "legacy")
    result = check(site.url, "--json", user=Typing(legacy.login, legacy.passphrase))
    assert (result.code, result.lines["site.user"]["value"]) == (0, "signs in without a code")


@pytest.mark.parametrize(("rejection", "value"), [("always_110", "no passwords"), ("always_102", "rejected")])
def test_autodesk_password_is_a_problem_that_names_the_browser(site: FakeSite, rejection: str, value: str) -> None:
    site.switch(identity_rejection=rejection)
    line = check(site.url, "--json", user=Typing(LOGIN, PASSWORD)).lines["site.user"]
    assert (line["status"], line["value"]) == ("PROBLEM", value)
    assert "Enter without a user name" in line["next_step"]
    assert "on the site itself" not in line["next_step"]  # the Autodesk password works there


# ---- the request and its polls -----------------------------------------------------------------------------


def test_request_names_the_check_and_the_terminal_shows_its_url(
    site: FakeSite, user: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "node", lambda: "ws-07\n\033[2J \u00e9" + "x" * 100)
    typing = approving(site)
    assert check(site.url, "--json", user=typing).code == 0
    [request] = site.approval_requests
    assert request.app_name == "shotgrid-login check"
    assert request.machine_id == ("ws-07[2J " + "x" * 100)[:64]
    assert typing.urls == [request.url]
    assert request.hand_outs == 1
    assert site.mints(request.session_token) == 1
    assert f"Signed in to the site as {user.name} ({LOGIN})." in typing.shown


def test_check_polls_every_two_seconds_and_shows_the_time_left(site: FakeSite) -> None:
    typing = approving(site)
    typing.decides_after = 4
    assert check(site.url, "--json", user=typing).code == 0
    assert typing.pauses == [2, 2, 2, 2]
    assert site.approval_requests[0].polls == 4
    assert re.findall(r"^(\d+)\.0 ", typing.shown, re.MULTILINE) == ["300", "298", "296", "294"]


def test_request_without_a_decision_ends_after_five_minutes(site: FakeSite) -> None:
    typing = Typing("", "", in_browser=do_nothing)
    result = check(site.url, "--json", user=typing)
    line = result.lines["site.user"]
    assert (result.code, line["status"], line["value"]) == (0, "UNKNOWN", None)
    assert "not approved within 300 s" in line["meaning"]
    assert_has_next_step(line)
    assert sum(typing.pauses) == 300
    assert_shows_no_secret(result, typing, site)


@pytest.mark.parametrize("declined", ["not_found", "forbidden", "denied"])
def test_declined_request_is_a_problem(site: FakeSite, declined: str) -> None:
    site.switch(declined=declined)
    typing = Typing("", "", in_browser=site.decline)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["value"]) == (1, "not approved")
    assert_has_next_step(result.lines["site.user"])
    assert typing.pauses == [2]
    assert_shows_no_secret(result, typing, site)


def test_site_that_does_not_report_a_decline_ends_after_five_minutes(site: FakeSite) -> None:
    site.switch(declined="pending")
    typing = Typing("", "", in_browser=site.decline, seconds_per_pause=100)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["status"]) == (0, "UNKNOWN")


def test_ctrl_c_while_waiting_ends_the_check_without_a_file(site: FakeSite, tmp_path: Path) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    typing, file = Typing("", "", in_browser=interrupt), tmp_path / "saved.json"
    result = check(site.url, f"--save={file}", user=typing)
    assert (result.code, result.out) == (130, "")
    assert not file.exists()
    assert site.approval_requests[0].polls == 0
    assert_shows_no_secret(result, typing, site)


# ---- faults ------------------------------------------------------------------------------------------------


def recovering(site: FakeSite) -> Callable[[int], object]:
    """Return what ends the fault of polls before the second poll."""
    return lambda poll: site.switch(poll_fault="") if poll == 2 else None


def test_launcher_that_is_off_although_reported_on_is_a_problem_that_names_what_to_enable(site: FakeSite) -> None:
    site.switch(launcher="said_on_but_off")
    typing = Typing("", "")
    result = check(site.url, "--json", user=typing)
    line = result.lines["site.user"]
    assert (result.code, line["value"]) == (1, "browser sign-in disabled")
    assert "authentication_app_session_launcher_enabled" in line["next_step"]
    assert typing.urls == []


@pytest.mark.parametrize(
    ("switches", "value"),
    [
        ({"request_fault": "503"}, "no response"),
        ({"request_fault": "429"}, "no response"),
        ({"request_fault": "drop"}, "no response"),
        ({"request_fault": "drop_response"}, "no response"),
        ({"request_fault": "redirect"}, "unexpected response"),
        ({"request_fault": "400"}, "unexpected response"),
        ({"request_fault": "html"}, "unexpected response"),
        ({"request_fault": "missing_id"}, "unexpected response"),
        ({"request_fault": "id_is_a_path"}, "unexpected response"),
        ({"approval_url": "other_host"}, "unexpected response"),
        ({"approval_url": "javascript"}, "unexpected response"),
        ({"approval_url": "userinfo"}, "unexpected response"),
        ({"approval_url": "relative"}, "unexpected response"),
    ],
)
def test_unusable_approval_request_is_a_problem_and_shows_no_url(
    site: FakeSite, switches: dict[str, Any], value: str
) -> None:
    site.switch(**switches)
    typing = Typing("", "")  # fails if a URL is shown
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["value"]) == (1, value), result
    assert_has_next_step(result.lines["site.user"])
    assert_shows_no_secret(result, typing, site)


def test_old_site_without_a_url_in_its_response_shows_the_url_of_the_request(site: FakeSite) -> None:
    site.switch(approval_url="missing")
    typing = approving(site)
    assert check(site.url, "--json", user=typing).code == 0
    assert typing.urls == [f"{site.url}/app_session_request/{site.approval_requests[0].id}"]


@pytest.mark.parametrize(("fault", "pause"), [("503", 5), ("429", 5), ("429_retry_after", 7), ("drop", 5)])
def test_site_that_is_silent_for_one_poll_is_polled_again(site: FakeSite, fault: str, pause: int) -> None:
    site.switch(poll_fault=fault)
    typing = approving(site)
    typing.before_poll = recovering(site)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["status"]) == (0, "OK"), result
    assert typing.pauses == [2, pause]
    assert "The site does not respond." in typing.shown


def test_site_that_stays_silent_is_a_problem(site: FakeSite) -> None:
    site.switch(poll_fault="503")
    typing = Typing("", "", in_browser=do_nothing, seconds_per_pause=100)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["value"]) == (1, "no response")
    assert_has_next_step(result.lines["site.user"])


@pytest.mark.parametrize(
    "fault",
    ["redirect", "html", "huge", "400", "approved_without_token", "approved_with_number", "approved_is_text"],
)
def test_unexpected_response_to_a_poll_is_a_problem(site: FakeSite, fault: str) -> None:
    site.switch(poll_fault=fault)
    typing = approving(site)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["value"]) == (1, "unexpected response"), result
    assert_has_next_step(result.lines["site.user"])
    assert_shows_no_secret(result, typing, site)


def test_lost_approval_is_a_problem_and_polled_for_again(site: FakeSite) -> None:
    site.switch(poll_fault="drop_response")
    typing = approving(site)
    typing.before_poll = recovering(site)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["value"]) == (1, "not approved")
    assert site.approval_requests[0].hand_outs == 1


@pytest.mark.parametrize("status", ["400", "401"])
def test_session_that_the_site_does_not_accept_is_a_problem(site: FakeSite, status: str) -> None:
    site.switch(licence_ended=status)
    typing = approving(site)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["value"]) == (1, "session rejected")
    assert_has_next_step(result.lines["site.user"])
    assert_shows_no_secret(result, typing, site)


@pytest.mark.parametrize(
    ("switches", "value"),
    [
        ({"session_grant_refresh_token": False}, "unexpected response"),
        ({"fault": "html"}, "unexpected response"),
        ({"fault": "503"}, "no response"),
    ],
)
def test_failed_exchange_of_the_session_is_a_problem(site: FakeSite, switches: dict[str, Any], value: str) -> None:
    site.switch(**switches)
    typing = approving(site)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["value"]) == (1, value)
    assert_shows_no_secret(result, typing, site)


def test_user_whose_record_cannot_be_read_is_signed_in(site: FakeSite) -> None:
    site.switch(user_fault="503")
    typing = approving(site)
    result = check(site.url, "--json", user=typing)
    assert (result.code, result.lines["site.user"]["value"]) == (0, "signs in with the browser")
    assert "Signed in to the site as a user whose record the site does not return." in typing.shown


def test_saved_result_contains_no_name_and_no_secret(site: FakeSite, user: Account, tmp_path: Path) -> None:
    typing, file = approving(site), tmp_path / "saved.json"
    result = check(site.url, f"--save={file}", user=typing)
    assert result.code == 0
    saved = json.loads(file.read_text())["findings"]
    assert saved["site.user"] == {"status": "OK", "value": "signs in with the browser"}
    assert saved["site.browser"] == {"status": "OK", "value": "on"}
    for secret in (*site.secrets, user.login, user.name):
        assert secret not in file.read_text() + result.out
