"""The pages of the documents, on the gateway's site, on another site, and in a frame."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.site.fake_site import Account
from tests.support.browser import Monitor, posted
from tests.support.client import Gateway
from tests.support.documented_pages import GATEWAY, documented_pages
from tests.support.pages import Form, expire_tokens, open_form, read_site, wait_for_text

SAME_SITE = "pages.login.localhost"
OTHER_SITE = "elsewhere.localhost"
NOT_ALLOWED = "evil.localhost"


def test_example_pages_in_the_docs_have_at_most_fifteen_lines() -> None:
    pages = documented_pages()
    assert pages.keys() == {
        *("projects", "own-button", "own-api", "only-the-module", "plain-fetch", "before", "after", "moved")
    }
    assert all(page.count("\n") <= 15 for page in pages.values())


@pytest.mark.parametrize(("host", "two_factor"), [(SAME_SITE, False), (OTHER_SITE, True)])
def test_page_with_the_element_signs_in_stays_signed_in_and_signs_out(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int, host: str, *, two_factor: bool
) -> None:
    monitor.allows_handle = host == OTHER_SITE
    form = open_form(page, gateway, f"http://{host}:{pages_port}/projects", "password")
    user = gateway.new_user(two_factor=two_factor)
    form.sign_in(user)
    expect(form.projects).to_contain_text(gateway.site.show.projects[0].name)
    assert len(page.context.cookies()) == (host == SAME_SITE)
    page.reload()
    form.expect_signed_in(user)
    assert len(monitor.requests_to("/auth/password")) == 1
    form.sign_out()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    expect(form.projects).to_be_hidden()
    assert page.context.cookies() == []
    assert page.evaluate("sessionStorage.length") == 0
    page.reload()
    form.wait_for_state("password")


def test_page_that_cannot_sign_in_says_why(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int, tmp_path: Path
) -> None:
    monitor.expect("blocked by CORS policy", "net::ERR_FAILED")
    form = open_form(page, gateway, f"http://{NOT_ALLOWED}:{pages_port}/projects", "unreachable")
    expect(form.problem).to_contain_text(f"not set up for pages at http://{NOT_ALLOWED}:{pages_port}")
    expect(form.username).to_be_hidden()
    assert page.context.cookies() == []

    page.goto(f"http://{SAME_SITE}:{pages_port}/")
    _add_frame(page, f"http://{SAME_SITE}:{pages_port}/projects", "allow-scripts")
    frame = Form(page, gateway, page.frames[1])
    frame.wait_for_state("unreachable")
    expect(frame.problem).to_have_text(
        "Sign-in does not work in this page, because it is in a sandbox. Open the page in a tab of its own, or add "
        "allow-same-origin to the sandbox of its frame."
    )

    file = tmp_path / "projects.html"
    file.write_text(documented_pages()["projects"].replace(GATEWAY, f"http://{gateway.host}"))
    form = open_form(page, gateway, file.as_uri(), "unreachable")
    expect(form.problem).to_have_text(
        "Sign-in does not work in a page that is opened as a file. Open the page at an address of a web server."
    )


@pytest.mark.parametrize(("name", "host"), [("only-the-module", OTHER_SITE), ("plain-fetch", SAME_SITE)])
def test_page_with_its_own_form_signs_in(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int, name: str, host: str
) -> None:
    monitor.allows_handle = host == OTHER_SITE
    user = gateway.new_user(two_factor=True)
    page.once("dialog", lambda dialog: dialog.accept(gateway.site.code(user.login)))
    page.goto(f"http://{host}:{pages_port}/{name}")
    _submit_own_form(page, user)
    wait_for_text(page.locator("output"), f"Signed in as {user.login}")


def test_existing_page_works_before_the_switch_and_its_new_versions_after_it(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    user = gateway.new_user(two_factor=False)
    project = gateway.site.show.projects[0].name
    page.goto(f"http://{SAME_SITE}:{pages_port}/before")
    _submit_own_form(page, user)
    wait_for_text(page.locator("output"), project)

    gateway.site.switch(user, two_factor=True)
    page.reload()
    _expect_code_required(page, monitor, user)

    # With the element
    open_form(page, gateway, f"http://{SAME_SITE}:{pages_port}/after", "password").sign_in(user)
    wait_for_text(page.locator("output"), project)

    # With one changed URL
    user = gateway.new_user(two_factor=True)
    page.goto(f"http://{OTHER_SITE}:{pages_port}/moved")
    _expect_code_required(page, monitor, user)
    page.locator("input[name=auth_token]").fill(gateway.site.code(user.login))
    with page.expect_response(posted("/auth/access_token")) as signed_in:
        _submit_own_form(page, user)
    gateway.secrets |= {signed_in.value.json()["refresh_token"], signed_in.value.json()["access_token"]}
    wait_for_text(page.locator("output"), project)


def test_frame_in_a_page_of_another_site_holds_a_token_because_its_cookie_is_blocked(
    page: Page, gateway: Gateway, pages_port: int
) -> None:
    page.goto(f"http://{OTHER_SITE}:{pages_port}/")
    _add_frame(page, f"http://{SAME_SITE}:{pages_port}/projects")
    form = page.frame_locator("iframe")
    user = gateway.new_user(two_factor=False)
    form.get_by_label("User name").fill(user.login)
    form.get_by_label("Password").fill(user.password)
    with page.expect_response(posted("/auth/password")) as signed_in:
        form.get_by_role("button", name="Sign in", exact=True).click()
    handle = signed_in.value.json()["refresh_token"]
    gateway.secrets.add(handle)
    wait_for_text(form.locator("#projects"), gateway.site.show.projects[0].name)
    assert page.context.cookies() == []
    # Chromium denies this frame all storage and Web Locks. So the session ends with the page.
    frame = page.frames[1]
    assert frame.evaluate("navigator.locks.request('any', () => 'granted').catch((error) => error.name)") == (
        "SecurityError"
    )
    expire_tokens(gateway, user, handle, frame)
    assert read_site(frame) == 200
    assert gateway.site.requests_for(user, "refresh_token") == 1
    form.get_by_role("button", name="Sign out").click()
    expect(form.get_by_text("You are signed out.")).to_be_visible()


def test_plain_page_in_a_frame_of_another_site_gets_a_token(page: Page, gateway: Gateway, pages_port: int) -> None:
    """Chromium would drop a cookie. The page does not know that it is in a frame: the gateway finds out."""
    page.goto(f"http://{OTHER_SITE}:{pages_port}/")
    _add_frame(page, f"http://{SAME_SITE}:{pages_port}/plain-fetch")
    frame = page.frame_locator("iframe")
    user = gateway.new_user(two_factor=True)
    page.once("dialog", lambda dialog: dialog.accept(gateway.site.code(user.login)))
    frame.locator("input").first.fill(user.login)
    frame.locator("input[type=password]").fill(user.password)
    with page.expect_response(posted("/auth/otp")) as signed_in:
        frame.get_by_role("button").click()
    gateway.secrets.add(signed_in.value.json()["refresh_token"])
    assert "set-cookie" not in signed_in.value.all_headers()
    wait_for_text(frame.locator("output"), f"Signed in as {user.login}")


def _add_frame(page: Page, url: str, sandbox: str | None = None) -> None:
    page.evaluate(
        """([url, sandbox]) => {
          const frame = document.createElement("iframe");
          if (sandbox !== null) frame.sandbox = sandbox;
          frame.src = url;
          document.body.append(frame);
        }""",
        [url, sandbox],
    )


def _expect_code_required(page: Page, monitor: Monitor, user: Account) -> None:
    """Sign in on a page that does not know the two-factor error. The site returns it, and the page's script fails."""
    monitor.expect_status(400, "/api/v1/auth/access_token")
    monitor.expect_status(401, "/api/v1/entity/projects")
    monitor.expect("uncaught: Cannot read properties of undefined")
    with page.expect_event("pageerror"), page.expect_response(posted("/auth/access_token")) as rejected:
        _submit_own_form(page, user)
    assert rejected.value.json()["errors"][0]["code"] == 106


def _submit_own_form(page: Page, user: Account) -> None:
    page.locator("input").first.fill(user.login)
    page.locator("input[type=password]").fill(user.password)
    page.get_by_role("button").click()
