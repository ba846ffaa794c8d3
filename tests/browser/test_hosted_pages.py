"""The README's pages, each on an origin of the gateway's site, on one of another site, and in a frame."""

from __future__ import annotations

import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.browser.conftest import Watch
from tests.site.fake_site import Account
from tests.support.client import Gateway
from tests.support.documented_pages import documented_pages
from tests.support.pages import Form

SAME_SITE = "pages.login.localhost"
OTHER_SITE = "elsewhere.localhost"
NOT_ALLOWED = "evil.localhost"


def test_pages_of_the_documents_have_at_most_fifteen_lines() -> None:
    pages = documented_pages()
    assert pages.keys() == {"projects", "own-api", "only-the-module", "plain-fetch", "before", "after", "moved"}
    assert all(page.count("\n") <= 15 for page in pages.values())


@pytest.mark.parametrize("host", [SAME_SITE, OTHER_SITE])
@pytest.mark.parametrize("two_factor", [False, True])
def test_the_element_on_a_page(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int, host: str, *, two_factor: bool
) -> None:
    watch.may_hold_a_handle = host == OTHER_SITE
    page.goto(f"http://{host}:{pages_port}/projects")
    user = gateway.new_user(two_factor=two_factor)
    form = Form(page, gateway)
    form.sign_in(user)
    expect(form.projects).to_contain_text(gateway.site.show.projects[0].name)
    assert len(page.context.cookies()) == (host == SAME_SITE)
    page.reload()
    form.expect_signed_in(user)
    assert len(watch.asked("/auth/password")) == 1
    form.sign_out.click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    expect(form.projects).to_be_hidden()
    assert page.context.cookies() == []
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    expect(form.username).to_be_visible()


def test_a_page_of_an_origin_that_is_not_allowed_is_told(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int
) -> None:
    watch.expect("blocked by CORS policy", "net::ERR_FAILED")
    page.goto(f"http://{NOT_ALLOWED}:{pages_port}/projects")
    form = Form(page, gateway)
    expect(form.problem).to_contain_text(f"not set up for pages at http://{NOT_ALLOWED}:{pages_port}")
    expect(form.username).to_be_hidden()
    assert page.context.cookies() == []


@pytest.mark.parametrize("host", [SAME_SITE, OTHER_SITE])
@pytest.mark.parametrize("name", ["only-the-module", "plain-fetch"])
def test_a_page_with_a_form_of_its_own(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int, host: str, name: str
) -> None:
    watch.may_hold_a_handle = host == OTHER_SITE
    user = gateway.new_user(two_factor=True)

    def response(dialog: Dialog) -> None:
        dialog.accept(gateway.site.code(user.login))

    page.on("dialog", response)
    page.goto(f"http://{host}:{pages_port}/{name}")
    _fill_own_form(page, user)
    expect(page.locator("output")).to_have_text(f"Signed in as {user.login}")


def test_an_existing_page_before_and_after_it_moved(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int
) -> None:
    user = gateway.new_user(two_factor=False)
    project = gateway.site.show.projects[0].name
    page.goto(f"http://{SAME_SITE}:{pages_port}/before")
    _fill_own_form(page, user)
    expect(page.locator("output")).to_contain_text(project)

    gateway.site.switch(user, two_factor=True)
    page.reload()
    _expect_code_wanted(page, watch, user)

    page.goto(f"http://{SAME_SITE}:{pages_port}/after")
    Form(page, gateway).sign_in(user)
    expect(page.locator("output")).to_contain_text(project)


def test_an_existing_page_that_moved_by_one_url(page: Page, watch: Watch, gateway: Gateway, pages_port: int) -> None:
    user = gateway.new_user(two_factor=True)
    page.goto(f"http://{OTHER_SITE}:{pages_port}/moved")
    _expect_code_wanted(page, watch, user)
    page.locator("input[name=auth_token]").fill(gateway.site.code(user.login))
    with page.expect_response("**/auth/access_token") as signed_in:
        _fill_own_form(page, user)
    gateway.secrets |= {signed_in.value.json()["refresh_token"], signed_in.value.json()["access_token"]}
    expect(page.locator("output")).to_contain_text(gateway.site.show.projects[0].name)


def test_a_frame_under_another_site_holds_a_token_as_its_cookie_would_be_dropped(
    page: Page, gateway: Gateway, pages_port: int
) -> None:
    page.goto(f"http://{OTHER_SITE}:{pages_port}/")
    page.evaluate(
        "address => document.body.append(Object.assign(document.createElement('iframe'), { src: address }))",
        f"http://{SAME_SITE}:{pages_port}/projects",
    )
    framed = page.frame_locator("iframe")
    user = gateway.new_user(two_factor=False)
    framed.get_by_label("User name").fill(user.login)
    framed.get_by_label("Password").fill(user.password)
    framed.get_by_role("button", name="Sign in").click()
    expect(framed.locator("#projects")).to_contain_text(gateway.site.show.projects[0].name)
    assert page.context.cookies() == []
    # Here the browser denies the frame all storage, and Web Locks with it: what it holds lives as long as the page.
    assert page.frames[1].evaluate("navigator.locks.request('any', () => 'granted').catch((error) => error.name)") == (
        "SecurityError"
    )
    framed.get_by_role("button", name="Sign out").click()
    expect(framed.get_by_text("You are signed out.")).to_be_visible()


def _expect_code_wanted(page: Page, watch: Watch, user: Account) -> None:
    """Sign in as the page did before the switch: the site's 106, and a page that does not know what to do with it."""
    watch.expect_status(400, "/api/v1/auth/access_token")
    watch.expect_status(401, "/api/v1/entity/projects")
    watch.expect("uncaught: Cannot read properties of undefined")
    with page.expect_event("pageerror"), page.expect_response("**/auth/access_token") as refused:
        _fill_own_form(page, user)
    assert refused.value.json()["errors"][0]["code"] == 106


def _fill_own_form(page: Page, user: Account) -> None:
    page.locator("input").first.fill(user.login)
    page.locator("input[type=password]").fill(user.password)
    page.get_by_role("button").click()
