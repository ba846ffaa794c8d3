"""The pages of the fake site: the login, the second factor, and the approval of a sign-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.site.fake_site import Account, ApprovalRequest, FakeSite
from tests.site.pages import local_path
from tests.site.test_launcher import poll, started

PASSWORD = "password-of-the-login-page"


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with FakeSite() as running:
        yield running


@pytest.fixture
def user(site: FakeSite) -> Account:
    return site.add_user("ada_byron", PASSWORD)


@pytest.fixture
def approval(site: FakeSite) -> ApprovalRequest:
    return started(site)


class Browser:
    """A browser as far as it matters here: cookies, redirects and forms."""

    def __init__(self, site: FakeSite) -> None:
        self._site = site
        self.session = requests.Session()

    def open(self, url: str) -> requests.Response:
        return self.session.get(url if "://" in url else f"{self._site.url}{url}", timeout=10)

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        """Submit the first form of a page, with its hidden fields."""
        form = re.search(r'<form method="post" action="(.*?)">(.*?)</form>', page.text, re.DOTALL)
        assert form is not None, page.text
        hidden = dict(re.findall(r'<input type="hidden" name="(.*?)" value="(.*?)">', form[2]))
        return self.session.post(f"{self._site.url}{form[1]}", data=hidden | fields, timeout=10)

    def sign_in(self, url: str, user: Account) -> requests.Response:
        """Open a URL and sign in. Return the page that follows."""
        return self.submit(self.open(url), login=user.login, password=user.password)

    def close(self) -> None:
        self.session.close()


@pytest.fixture
def browser(site: FakeSite) -> Iterator[Browser]:
    opened = Browser(site)
    yield opened
    opened.close()


def heading(page: requests.Response) -> str:
    (text,) = re.findall("<h1>(.*?)</h1>", page.text)
    return str(text)


# ---- approval ----------------------------------------------------------------------------------------------


def test_approval_page_redirects_to_the_login_without_a_cookie(site: FakeSite, approval: ApprovalRequest) -> None:
    for cookies in ({}, {"_session_id": "unknown"}):
        response = requests.get(approval.url, cookies=cookies, timeout=10, allow_redirects=False)
        assert response.status_code == 302
        expected = f"{site.url}/user/login?return_path=/app_session_request/{approval.id}"
        assert response.headers["location"] == expected
        posted = requests.post(
            approval.url, data={"decision": "approve"}, cookies=cookies, timeout=10, allow_redirects=False
        )
        assert posted.headers["location"] == expected
    assert not approval.is_decided


def test_user_signs_in_and_approves(site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser) -> None:
    page = browser.sign_in(approval.url, user)
    assert heading(page) == "Approve this sign-in?"
    assert approval.app_name in page.text
    assert "Ada Byron (ada_byron)" in page.text
    assert poll(site, approval).json() == {"approved": False}
    assert heading(browser.submit(page, decision="approve")) == "Approved"
    response = poll(site, approval).json()
    assert (response["approved"], response["userLogin"]) == (True, "ada_byron")
    assert heading(browser.submit(page, decision="approve")) == "This request has ended"
    assert browser.open(approval.url).status_code == 404


def test_user_declines(site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser) -> None:
    page = browser.sign_in(approval.url, user)
    assert heading(browser.submit(page, decision="decline")) == "Declined"
    assert poll(site, approval).status_code == 404
    assert heading(browser.submit(page, decision="approve")) == "This request has ended"
    assert approval.session_token == ""


@pytest.mark.parametrize("fields", [{}, {"decision": "maybe"}])
def test_unknown_decision_decides_nothing(
    user: Account, approval: ApprovalRequest, browser: Browser, fields: dict[str, str]
) -> None:
    page = browser.sign_in(approval.url, user)
    assert browser.submit(page, **fields).status_code == 404
    assert not approval.is_decided


def test_unknown_and_forgotten_requests_have_ended(
    site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser
) -> None:
    assert heading(browser.sign_in("/app_session_request/unknown", user)) == "This request has ended"
    site.clock = lambda: approval.created_at + 305
    assert heading(browser.open(approval.url)) == "This request has ended"
    site.clock = lambda: approval.created_at
    site.switch(launcher="off")
    assert heading(browser.open(approval.url)) == "This request has ended"


@pytest.mark.parametrize("shows_machine", [True, False])
def test_approval_page_shows_the_machine_or_not(
    site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser, shows_machine: bool
) -> None:
    site.switch(shows_machine=shows_machine)
    assert (approval.machine_id in browser.sign_in(approval.url, user).text) is shows_machine


def test_texts_of_the_application_are_escaped(site: FakeSite, user: Account, browser: Browser) -> None:
    fields = {"appName": "<script>alert(1)</script>", "machineId": "<b>\"'&"}
    url = requests.post(f"{site.url}/internal_api/app_session_request", json=fields, timeout=10).json()["url"]
    text = browser.sign_in(url, user).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;b&gt;&#34;&#39;&amp;" in text
    assert not re.search("<script|<b>", text)


def test_another_user_can_approve_in_the_same_browser(
    site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser
) -> None:
    other = site.add_user("grace", PASSWORD)
    page = browser.sign_in(approval.url, user)
    _, switch = re.findall('<form method="post" action="(.*?)">', page.text)
    assert switch == "/user/logout"
    login = browser.session.post(f"{site.url}{switch}", data={"return_path": approval.url}, timeout=10)
    assert heading(login) == "Sign in to ShotGrid"
    page = browser.sign_in(approval.url, other)
    assert heading(browser.submit(page, decision="approve")) == "Approved"
    assert poll(site, approval).json()["userLogin"] == "grace"


# ---- login -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["site", "autodesk", "legacy", "legacy_without_passphrase", "sso"])
@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("default", "Sign in to ShotGrid"),
        ("missing", "Sign in to ShotGrid"),
        ("oxygen", "Sign in with your Autodesk account"),
        ("saml2", "Single sign-on of your company"),
    ],
)
def test_every_kind_of_user_signs_in_on_the_page_of_every_site(
    site: FakeSite, approval: ApprovalRequest, browser: Browser, method: str, expected: str, kind: Any
) -> None:
    site.switch(authentication_method=method)
    user = site.add_user("a", PASSWORD, kind=kind)
    assert heading(browser.open(approval.url)) == expected
    assert heading(browser.sign_in(approval.url, user)) == "Approve this sign-in?"


def test_wrong_password_or_passphrase_shows_an_error(
    site: FakeSite, approval: ApprovalRequest, browser: Browser
) -> None:
    user = site.add_user("a", PASSWORD, kind="legacy")
    page = browser.open(approval.url)
    for login, password in (("a", "wrong"), ("a", user.passphrase), ("unknown", PASSWORD), ("", "")):
        rejected = browser.submit(page, login=login, password=password)
        assert "The user name or the password is not correct." in rejected.text
        assert f'value="{login}"' in rejected.text
        assert "set-cookie" not in rejected.headers
    assert heading(browser.submit(rejected, login="a", password=PASSWORD)) == "Approve this sign-in?"


@pytest.mark.parametrize("samesite", ["Lax", "Strict"])
def test_cookie_is_a_session_token_that_scripts_cannot_read(site: FakeSite, user: Account, samesite: str) -> None:
    site.switch(site_cookie_samesite=samesite)
    form = {"login": user.login, "password": user.password, "return_path": "/app_session_request/a"}
    response = requests.post(f"{site.url}/user/login", data=form, timeout=10, allow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (302, f"{site.url}/app_session_request/a")
    cookie = response.headers["set-cookie"]
    assert re.fullmatch(rf"_session_id=[0-9a-f]{{32}}; HttpOnly; Path=/; SameSite={samesite}", cookie)
    token = response.cookies["_session_id"]
    assert token in site.secrets
    session = requests.get(f"{site.url}/internal_api/session", cookies={"_session_id": token}, timeout=10)
    assert session.status_code == 200


def test_session_of_an_approval_is_another_one_than_that_of_the_browser(
    site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser
) -> None:
    browser.submit(browser.sign_in(approval.url, user), decision="approve")
    assert approval.session_token
    assert approval.session_token != browser.session.cookies["_session_id"]


def test_user_without_a_session_signs_in_again(
    site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser
) -> None:
    browser.sign_in(approval.url, user)
    site.end_sessions(user)
    assert heading(browser.open(approval.url)) == "Sign in to ShotGrid"


def test_signed_in_user_skips_the_login_and_can_sign_out(site: FakeSite, user: Account, browser: Browser) -> None:
    assert heading(browser.sign_in("/", user)) == "Signed in"
    home = browser.open("/user/login?return_path=/")
    assert heading(home) == "Signed in"
    assert heading(browser.submit(home)) == "Sign in to ShotGrid"
    assert heading(browser.open("/")) == "Sign in to ShotGrid"


@pytest.mark.parametrize(
    "path",
    ["", "a", "//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example", "/a\r\nx: y", "/é"],
)
def test_return_path_leads_only_to_this_site(site: FakeSite, user: Account, path: str) -> None:
    assert local_path(path) == "/"
    form = {"login": user.login, "password": user.password, "return_path": path}
    response = requests.post(f"{site.url}/user/login", data=form, timeout=10, allow_redirects=False)
    assert response.headers["location"] == f"{site.url}/"


def test_return_path_keeps_its_query() -> None:
    assert local_path("/app_session_request/a?sticky_id=a") == "/app_session_request/a?sticky_id=a"
    assert local_path("/") == "/"


# ---- the second factor -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["default", "oxygen"])
def test_login_asks_for_a_code_if_two_factor_is_on(
    site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser, method: str
) -> None:
    site.switch(two_factor=True, authentication_method=method)
    page = browser.sign_in(approval.url, user)
    assert heading(page) == "Two-factor authentication"
    assert user.otp_secret not in page.text
    assert heading(browser.open(approval.url)).startswith("Sign in")
    wrong = browser.submit(page, code="000000")
    assert "The code is not correct." in wrong.text
    code = site.code(user.login)
    assert heading(browser.submit(wrong, code=f" {code[:3]} {code[3:]} ")) == "Approve this sign-in?"
    assert "Sign in again." in browser.submit(page, code=site.code(user.login)).text


def test_backup_code_is_accepted(site: FakeSite, user: Account, browser: Browser) -> None:
    site.switch(two_factor=True)
    page = browser.submit(browser.sign_in("/", user), code=min(user.backup_codes))
    assert heading(page) == "Signed in"


def test_user_without_a_second_factor_sets_it_up(site: FakeSite, user: Account, browser: Browser) -> None:
    site.switch(two_factor=True)
    user.has_second_factor = False
    page = browser.sign_in("/", user)
    assert heading(page) == "Set up two-factor authentication"
    assert user.otp_secret in page.text
    assert not user.has_second_factor
    assert heading(browser.submit(page, code=site.code(user.login))) == "Signed in"
    assert user.has_second_factor
    assert {user.otp_secret, PASSWORD} <= site.secrets


# ---- headers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("coop", "framing"), [("", "SAMEORIGIN"), ("same-origin", "")])
def test_headers_of_the_pages_follow_the_switches(
    site: FakeSite, user: Account, approval: ApprovalRequest, browser: Browser, coop: str, framing: str
) -> None:
    site.switch(page_coop=coop, page_framing=framing)
    login = browser.open(approval.url)
    shown = browser.sign_in(approval.url, user)
    for page in (login, shown, browser.submit(shown, decision="approve"), browser.open(approval.url)):
        assert page.headers.get("cross-origin-opener-policy", "") == coop
        assert page.headers.get("x-frame-options", "") == framing
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-store"
