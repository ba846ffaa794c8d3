"""Browser sign-in on an Autodesk Identity site: the user approves it in another tab. The popup blocker is on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.site.fake_site import Account
from tests.support.browser import Monitor, SharedContext, posted
from tests.support.client import BROWSER_COOKIE, COOKIE, Gateway, until
from tests.support.pages import (
    Form,
    change_methods,
    check_accessibility,
    expire_tokens,
    hold,
    open_form,
    read_site,
    run,
    stop_clock,
    wait_for_attribute,
    wait_for_text,
)

SAME_SITE = "pages.login.localhost"
OTHER_SITE = "elsewhere.localhost"
ENDED = "The request was declined, or its five minutes ran out."
WAITING_ITEM = "Object.keys(sessionStorage).filter((name) => name.endsWith(' waiting')).length"

# Headless Chromium never hides a tab.
SET_HIDDEN = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}
"""

# Notes when each poll was sent, in the time of the page, and a promise of its response. The page handles a response
# before anything else runs.
NOTE_POLLS = """
() => {
  const send = fetch;
  globalThis.polls = [];
  globalThis.fetch = (url, init) => {
    const isPoll = String(url).endsWith("/auth/approval") && init.method === "POST";
    if (!isPoll) return send(url, init);
    const sentAt = Date.now();
    const response = send(url, init).then(async (response) => {
      const body = await response.json();
      response.json = async () => body;
      return response;
    });
    polls.push({ sentAt, response });
    return response;
  };
}
"""

# Presses the element's button as a script does. The browser then blocks the new tab.
PRESS_WITHOUT_THE_USER = """
addEventListener("load", () => {
  const press = () => {
    const button = document.querySelector("shotgrid-login")?.shadowRoot?.querySelector("button.primary:not([hidden])");
    if (document.querySelector("shotgrid-login[state=browser]")) button.click();
    else setTimeout(press, 20);
  };
  press();
});
"""

# Records the events of `login`, with the user at that time.
RECORD_EVENTS = """
async (module) => {
  const { login } = await import(module);
  globalThis.events = [];
  for (const name of ["signedin", "signedout", "sessionended"]) {
    login.addEventListener(name, () => events.push([name, login.user?.login ?? null]));
  }
}
"""


@pytest.fixture(scope="module", autouse=True)
def identity_site(gateway: Gateway, shared_context: SharedContext) -> Iterator[None]:
    """Let the site use Autodesk Identity during the tests of this module."""

    def change_to(method: str) -> None:
        change_methods(gateway, authentication_method=method)
        shared_context.clear_cache()

    change_to("oxygen")
    yield
    change_to("default")


@pytest.fixture(autouse=True)
def site_switches(gateway: Gateway) -> Iterator[None]:
    """Set the switches of the site back after a test."""
    before = gateway.site.switches
    yield
    gateway.site.switches = before


@pytest.fixture
def account(gateway: Gateway) -> Account:
    """Return a user with an Autodesk account."""
    return gateway.new_user(kind="autodesk")


@pytest.fixture
def form(page: Page, gateway: Gateway, pages_port: int) -> Form:
    """Open the page of the README on the gateway's site. No user is signed in."""
    return open_form(page, gateway, f"http://{SAME_SITE}:{pages_port}/projects", "browser")


def add_frame(page: Page, url: str, sandbox: str) -> None:
    """Add a frame to a page."""
    page.evaluate(
        """([url, sandbox]) => {
          const frame = document.createElement("iframe");
          frame.sandbox = sandbox;
          frame.src = url;
          frame.width = frame.height = 700;
          document.body.append(frame);
        }""",
        [url, sandbox],
    )


def form_in_frame(page: Page, gateway: Gateway, state: str) -> Form:
    form = Form(page, gateway, page.frames[1])
    form.wait_for_state(state)
    return form


# ---- the main flow -------------------------------------------------------------------------------------------------


def test_user_who_is_not_signed_in_to_the_site_signs_in_and_approves_there(
    form: Form, page: Page, account: Account, monitor: Monitor, gateway: Gateway
) -> None:
    expect(form.element).to_contain_text("Never type your Autodesk password here.")
    expect(form.username).to_be_hidden()
    request, tab = form.start_in_browser()
    assert request.app_name == f"ShotGrid sign-in at {page.evaluate('location.host')}"
    expect(form.element).to_contain_text(f"It is from {request.app_name}.")
    expect(form.approval_link).to_have_attribute("href", request.url)
    expect(form.approval_link).to_have_attribute("rel", "noopener noreferrer")
    assert tab.evaluate("opener") is None
    assert tab.evaluate("document.referrer") == f"{page.evaluate('origin')}/"
    tab.get_by_label("Email").fill(account.login)
    tab.get_by_label("Autodesk password").fill(account.password)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_text(request.app_name)).to_be_visible()
    tab.get_by_role("button", name="Approve").click()
    expect(tab.get_by_text("You can close this tab")).to_be_visible()
    form.come_back()
    form.expect_signed_in(account)
    expect(form.element).to_contain_text("You can close the ShotGrid tab.")
    expect(form.announcement).to_have_text(f"Signed in as {account.login}.")
    assert len(monitor.requests_to("/auth/browser")) == 1
    assert len(monitor.requests_to("/auth/approval")) <= 3
    assert (request.hand_outs, request.close_polls, gateway.site.mints(request.session_token)) == (1, 0, 1)
    assert {cookie["name"] for cookie in page.context.cookies()} == {COOKIE, BROWSER_COOKIE, "_session_id"}
    assert page.evaluate("sessionStorage.length") == 0

    form.element.get_by_role("button", name="Not you? Sign out").click()
    form.wait_for_state("browser")
    expect(form.element).to_contain_text("ShotGrid itself may still be signed in")
    expect(form.browser_button).to_be_focused()


def test_page_of_another_site_stays_signed_in_until_another_approval_replaces_its_session(
    page: Page, account: Account, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    monitor.allows_handle = True
    form = open_form(page, gateway, f"http://{OTHER_SITE}:{pages_port}/projects", "browser")
    form.sign_in_with_browser(account)
    assert page.context.cookies() == []
    ((name, old),) = page.evaluate("Object.entries(sessionStorage)")
    page.reload()
    form.expect_signed_in(account)

    # The same user replaces the session, and no event tells the page about that.
    page.evaluate(RECORD_EVENTS, f"http://{gateway.host}/shotgrid-login.js")
    run(page, "await login.signInWithBrowser({ open: false });")
    gateway.site.approve(gateway.site.approval_requests[-1].id, account)
    form.come_back()
    until(lambda: page.evaluate("(name) => sessionStorage.getItem(name)", name) != old)
    assert gateway.caller().refresh(old).status == 401
    assert read_site(page) == 200
    assert page.evaluate("events") == []

    # Another user never replaces a user silently.
    run(page, "globalThis.signIn = await login.signInWithBrowser({ open: false });")
    assert page.evaluate("signIn.opened") is False
    other = gateway.new_user(kind="autodesk")
    gateway.site.approve(gateway.site.approval_requests[-1].id, other)
    form.come_back()
    form.expect_signed_in(other)
    assert page.evaluate("events") == [["signedout", None], ["signedin", other.login]]
    assert page.evaluate("signIn.done.then((user) => user.login)") == other.login
    form.sign_out(to="browser")


def test_sandboxed_frame_in_a_page_of_another_site_signs_in(
    page: Page, account: Account, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    page.goto(f"http://{OTHER_SITE}:{pages_port}/")
    add_frame(page, f"http://{SAME_SITE}:{pages_port}/projects", "allow-scripts allow-same-origin allow-popups")
    monitor.expect("allow-scripts and allow-same-origin for its sandbox attribute can escape its sandboxing")
    form = form_in_frame(page, gateway, "browser")
    form.sign_in_with_browser(account)
    assert page.context.cookies() == []
    assert monitor.requests_to("/auth/browser")[0].post_data_json == {"transport": "token"}


def test_sandboxed_frame_without_popups_says_what_to_do(
    page: Page, account: Account, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    page.goto(f"http://{OTHER_SITE}:{pages_port}/")
    add_frame(page, f"http://{SAME_SITE}:{pages_port}/projects", "allow-scripts allow-same-origin")
    form = form_in_frame(page, gateway, "browser")
    monitor.expect("Blocked opening 'about:blank' in a new window because the request was made in a sandboxed frame")
    form.browser_button.click()
    form.wait_for_state("waiting")
    expect(form.element).to_contain_text("Your browser did not open the tab")
    expect(form.element).to_contain_text("Open the page in a tab of its own.")
    gateway.site.approve(gateway.site.approval_requests[-1].id, account)
    form.come_back()
    form.expect_signed_in(account)


def test_page_with_its_own_button_signs_in_also_after_a_reload(
    page: Page, account: Account, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    monitor.allows_handle = True
    page.goto(f"http://{OTHER_SITE}:{pages_port}/own-button")
    with page.context.expect_page() as opened:
        page.get_by_role("button").click()
    opened.value.wait_for_url(f"{gateway.site.url}/**")
    request = gateway.site.approval_requests[-1]
    wait_for_text(page.locator("output"), request.app_name)
    gateway.site.approve(request.id, account)
    page.reload()
    wait_for_text(page.locator("output"), f"Signed in as {account.login}")


# ---- tabs and popup blockers ---------------------------------------------------------------------------------------


def test_blocked_tab_is_replaced_by_a_link(
    context: BrowserContext, account: Account, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    page = context.new_page()
    page.add_init_script(PRESS_WITHOUT_THE_USER)
    with page.expect_response(posted("/auth/browser")):
        page.goto(f"http://{SAME_SITE}:{pages_port}/projects")
    # Not earlier: Playwright's own scripts count as actions of the user.
    form = Form(page, gateway)
    form.wait_for_state("waiting")
    assert len(context.pages) == 2
    expect(form.element).to_contain_text("Your browser did not open the tab")
    expect(form.element.get_by_text("frame")).to_be_hidden()
    with context.expect_page() as opened:
        form.approval_link.click()
    request = gateway.site.approval_requests[-1]
    opened.value.wait_for_url(f"{gateway.site.url}/**")
    assert opened.value.evaluate("document.referrer") == ""
    gateway.site.approve(request.id, account)
    form.come_back()
    form.expect_signed_in(account)


# ---- other ends ----------------------------------------------------------------------------------------------------


def test_request_that_was_declined_or_not_honored_can_be_tried_again(
    form: Form, page: Page, account: Account, monitor: Monitor, gateway: Gateway
) -> None:
    _, tab = form.start_in_browser()
    tab.get_by_label("Email").fill(account.login)
    tab.get_by_label("Autodesk password").fill(account.password)
    tab.keyboard.press("Enter")
    tab.get_by_role("button", name="Decline").click()
    expect(tab.get_by_text("Declined")).to_be_visible()
    tab.close()
    form.come_back()
    form.wait_for_state("browser")
    expect(form.problem).to_contain_text(ENDED)
    expect(form.browser_button).to_have_text("Try again")
    monitor.expect_status(410, "/auth/approval")
    assert page.evaluate("sessionStorage.length") == 0

    request, tab = form.start_in_browser()
    tab.close()
    without_licence = gateway.new_user(kind="autodesk", licence_ended="401")
    gateway.site.approve(request.id, without_licence)
    form.come_back()
    form.wait_for_state("browser")
    expect(form.problem).to_contain_text("The ShotGrid site returned an unexpected response.")
    monitor.expect_status(502, "/auth/approval")

    request, _ = form.start_in_browser()
    expect_wait_without_responses(form, page, monitor, gateway)
    gateway.site.approve(request.id, account)
    page.context.set_offline(False)
    form.come_back()
    form.expect_signed_in(account)


def expect_wait_without_responses(form: Form, page: Page, monitor: Monitor, gateway: Gateway) -> None:
    """Expect that the page goes on waiting while the site, the gateway and the network fail one after the other."""

    def come_back_until(text: str) -> None:
        for _ in range(5):
            form.come_back()  # the gateway's `retry_after` has to be over
        wait_for_text(form.element.get_by_role("status").first, text)

    gateway.site.switch(poll_fault="503")
    form.come_back()
    wait_for_text(form.element.get_by_role("status").first, "ShotGrid does not respond at the moment.")
    monitor.expect_status(503, "/auth/approval")
    gateway.site.switch(poll_fault="html")
    come_back_until("ShotGrid sent an unexpected response.")
    gateway.site.switch(poll_fault="")
    monitor.expect_status(502, "/auth/approval")
    page.context.set_offline(True)
    come_back_until("There is no network. This page keeps trying.")
    monitor.expect("net::ERR_INTERNET_DISCONNECTED")


@pytest.mark.usefixtures("own_context")
def test_page_polls_less_while_hidden_and_stops_when_the_time_is_over(form: Form, page: Page) -> None:
    stop_clock(page)
    page.evaluate(NOTE_POLLS)
    form.start_in_browser()

    def polls() -> int:
        return int(page.evaluate("polls.length"))

    def seconds_until_poll() -> float:
        """Let time pass until the page polls, and stop it until the page has handled the response."""
        started, before = page.evaluate("Date.now()"), polls()
        while polls() == before:
            page.clock.run_for(1_000)
        sent_at = page.evaluate("polls.at(-1).response.then(() => polls.at(-1).sentAt)")
        return float((sent_at - started) / 1000)

    def expect_announcement(seconds_left: int) -> None:
        text = f"{seconds_left} seconds left to approve the request."
        while form.announcement.inner_text() != text:
            page.clock.run_for(1_000)

    assert seconds_until_poll() == 5
    assert seconds_until_poll() == 5
    page.evaluate(SET_HIDDEN, True)
    assert seconds_until_poll() == 15
    page.evaluate(SET_HIDDEN, False)
    assert seconds_until_poll() == 2  # the gateway calls the site at most every 2 seconds
    page.clock.fast_forward(190_000)
    expect_announcement(60)
    page.clock.fast_forward(35_000)
    expect_announcement(20)
    page.clock.fast_forward(19_000)
    last_check = form.element.get_by_text("Checking once more…")
    while not last_check.is_visible():
        page.clock.run_for(1_000)
    page.clock.fast_forward(70_000)

    def has_ended() -> bool:
        page.clock.run_for(1_000)
        return form.element.get_attribute("state") == "browser"

    until(has_ended)
    expect(form.problem).to_contain_text(ENDED)
    polls_until_end = polls()
    page.clock.run_for(30_000)
    assert polls() == polls_until_end


def test_cancelled_sign_in_ignores_a_later_approval_and_one_that_is_on_its_way(
    form: Form, page: Page, account: Account, monitor: Monitor, gateway: Gateway
) -> None:
    request, tab = form.start_in_browser()
    form.cancel_button.click()
    form.wait_for_state("browser")
    expect(form.browser_button).to_be_focused()
    expect(form.problem).to_be_empty()
    gateway.site.approve(request.id, account)
    form.come_back()
    tab.close()
    page.reload()
    form.wait_for_state("browser")
    assert monitor.requests_to("/auth/approval") == []
    assert request.hand_outs == 0

    request, tab = form.start_in_browser()
    tab.close()
    gateway.site.approve(request.id, account)
    gateway.site.switch(poll_fault="hold")
    form.come_back()
    assert gateway.site.held.acquire(timeout=30)
    form.cancel_button.click()
    form.wait_for_state("browser")
    with page.expect_response(posted("/auth/logout")):
        gateway.site.release()
    assert request.hand_outs == 1
    assert COOKIE not in [cookie["name"] for cookie in page.context.cookies()]
    assert form.wait_for_state("browser", "signed-in") == "browser"


def test_start_that_fails_closes_the_tab_and_a_slow_one_shows_that_it_waits(
    form: Form, page: Page, account: Account, monitor: Monitor, gateway: Gateway
) -> None:
    def expect_problem(text: str) -> None:
        form.browser_button.click()
        expect(form.problem).to_contain_text(text)
        until(lambda: page.evaluate("true") and len(page.context.pages) == 1)
        expect(form.browser_button).to_have_text("Try again")
        expect(form.browser_button).to_be_focused()

    page.context.set_offline(True)
    expect_problem("There is no network.")
    page.context.set_offline(False)
    monitor.expect("net::ERR_INTERNET_DISCONNECTED")
    for switches, status, text in (
        ({"launcher": "said_on_but_off"}, 403, "does not offer browser sign-in"),
        ({"request_fault": "503"}, 503, "ShotGrid does not respond at the moment."),
        ({"approval_url": "javascript"}, 502, "(Reference: "),
    ):
        usual = gateway.site.switches
        gateway.site.switch(None, **switches)
        expect_problem(text)
        monitor.expect_status(status, "/auth/browser")
        gateway.site.switches = usual

    gateway.site.switch(request_fault="hold")
    with page.context.expect_page() as opened:
        form.browser_button.click()
    assert gateway.site.held.acquire(timeout=30)
    tab = opened.value
    assert tab.url == "about:blank"
    expect(tab.get_by_text("Opening ShotGrid…")).to_be_visible()
    expect(form.element.get_by_role("button", name="Opening ShotGrid…")).to_have_attribute("aria-disabled", "true")
    gateway.site.switch(request_fault="")
    gateway.site.release()
    tab.wait_for_url(f"{gateway.site.url}/**")
    form.wait_for_state("waiting")
    gateway.site.approve(gateway.site.approval_requests[-1].id, account)
    form.come_back()
    form.expect_signed_in(account)


# ---- reloads, tabs and users ---------------------------------------------------------------------------------------


def test_reload_and_duplicate_of_a_waiting_tab_go_on_waiting(
    form: Form, page: Page, account: Account, gateway: Gateway
) -> None:
    request, site_tab = form.start_in_browser()
    site_tab.close()
    page.reload()
    form.wait_for_state("waiting")
    expect(form.approval_link).to_have_attribute("href", request.url)
    with page.context.expect_page() as opened:
        page.evaluate("open(location.href)")  # the new tab starts with a copy of sessionStorage
    duplicate = Form(opened.value, gateway)
    duplicate.wait_for_state("waiting")
    gateway.site.approve(request.id, account)
    for tab in (duplicate, form):
        tab.come_back()
    for tab in (duplicate, form):
        tab.expect_signed_in(account)
        assert tab.page.evaluate("sessionStorage.length") == 0
    assert (request.hand_outs, gateway.site.mints(request.session_token)) == (1, 1)


def test_sign_in_in_another_tab_ends_the_start_and_the_wait(
    form: Form, page: Page, account: Account, gateway: Gateway
) -> None:
    other = open_form(page.context.new_page(), gateway, page.url, "browser")
    held_request = hold(page, "**/auth/browser", times=1)
    with page.context.expect_page() as opened:
        form.browser_button.click()
    start = held_request()
    other.sign_in_with_browser(account)
    form.expect_signed_in(account)
    with page.expect_response(posted("/auth/browser")):
        start.continue_()
    opened.value.wait_for_url(f"{gateway.site.url}/**")
    opened.value.close()
    form.sign_out(to="browser")
    assert page.evaluate(WAITING_ITEM) == 0

    other.wait_for_state("browser")
    request, site_tab = form.start_in_browser()
    shared = other.sign_in_with_browser(account)
    form.expect_signed_in(account)
    assert page.evaluate(WAITING_ITEM) == 0
    gateway.site.approve(request.id, account)
    form.come_back()
    site_tab.close()
    assert request.hand_outs == 0

    # Both tabs have the session of one approval.
    assert (shared.hand_outs, gateway.site.mints(shared.session_token)) == (1, 1)
    (handle,) = [cookie["value"] for cookie in page.context.cookies() if cookie["name"] == COOKIE]
    refreshes = gateway.site.requests_for(account, "refresh_token")
    expire_tokens(gateway, account, handle, page, other.page)
    assert [read_site(tab) for tab in (page, other.page)] == [200, 200]
    assert gateway.site.requests_for(account, "refresh_token") == refreshes + 1


def test_dashboard_signs_in_after_the_tab_was_closed_early_and_drops_the_data_when_the_session_ends(
    page: Page, account: Account, monitor: Monitor, gateway: Gateway
) -> None:
    """The dashboard has a strict Content Security Policy and Trusted Types. It and the site have COOP `same-origin`."""
    gateway.site.switch(page_coop="same-origin")
    form = open_form(page, gateway, f"http://{gateway.host}/", "browser")
    main = page.locator("main")
    request, tab = form.start_in_browser()
    tab.close()
    with page.expect_response(posted("/auth/approval")):
        form.come_back()
    assert form.wait_for_state("waiting", "browser") == "waiting"
    gateway.site.approve(request.id, account)
    form.come_back()
    form.expect_greeting(account)
    wait_for_attribute(main, "data-state", "ready")

    page.evaluate(RECORD_EVENTS, f"http://{gateway.host}/shotgrid-login.js")
    gateway.site.end_sessions(account)
    page.get_by_label("Late only").check()
    form.wait_for_state("browser")
    expect(form.element).to_contain_text("Your session has ended.")
    monitor.expect_status(401, "/api/v1/entity/")
    monitor.expect_status(401, "/auth/refresh")
    assert gateway.site.show.projects[0].name not in page.content()
    other = gateway.new_user(kind="autodesk")
    form.sign_in_with_browser(other)
    wait_for_attribute(main, "data-state", "ready")
    assert page.evaluate("events") == [["sessionended", None], ["signedin", other.login]]


# ---- what the element offers ---------------------------------------------------------------------------------------


def test_browser_sign_in_works_with_the_keyboard_and_is_accessible(
    page: Page, account: Account, monitor: Monitor, gateway: Gateway
) -> None:
    form = open_form(page, gateway, f"http://{gateway.host}/", "browser")

    def focused() -> str:
        return str(page.evaluate("document.activeElement?.shadowRoot?.activeElement?.textContent"))

    def press(*keys: str) -> None:
        for key in keys:
            page.keyboard.press(key)

    check_accessibility(page)
    press("Tab")
    assert focused().startswith("Sign in at ")
    press("Tab")
    assert focused() == "I have a legacy login"
    press("Enter")
    expect(form.username).to_be_focused()
    check_accessibility(page)
    press("Tab", "Tab", "Tab")
    assert focused() == "Sign in with the browser instead"
    with page.context.expect_page() as opened:
        press("Enter")
    form.wait_for_state("waiting")
    opened.value.wait_for_url(f"{gateway.site.url}/**")
    opened.value.close()
    request = gateway.site.approval_requests[-1]
    page.bring_to_front()
    assert focused() == f"Approve the request in the other tab. It is from {request.app_name}."
    expect(form.announcement).to_have_text("Waiting for your approval in the other tab.")
    check_accessibility(page)
    press("Tab")
    expect(form.approval_link).to_be_focused()
    press("Tab", "Enter")
    assert focused() == "Sign in with the browser instead"
    with page.context.expect_page() as opened:
        press("Enter")
    form.wait_for_state("waiting")
    opened.value.wait_for_url(f"{gateway.site.url}/**")
    opened.value.close()
    page.bring_to_front()
    gateway.site.decline(gateway.site.approval_requests[-1].id)
    form.come_back()
    form.wait_for_state("browser")
    monitor.expect_status(410, "/auth/approval")
    assert focused() == "Try again"
    check_accessibility(page)
    with page.context.expect_page() as opened:
        press("Space")
    form.wait_for_state("waiting")
    opened.value.wait_for_url(f"{gateway.site.url}/**")
    opened.value.close()
    page.bring_to_front()
    gateway.site.approve(gateway.site.approval_requests[-1].id, account)
    form.come_back()
    form.expect_greeting(account)
    assert focused() == f"Signed in as {account.login}"
    wait_for_attribute(page.locator("main"), "data-state", "ready")


def test_password_form_takes_a_legacy_login_and_leads_all_other_users_to_the_browser(
    form: Form, account: Account, monitor: Monitor, gateway: Gateway
) -> None:
    user = gateway.new_user(kind="legacy", two_factor=True)
    form.password_link.click()
    expect(form.element).to_contain_text("Not your Autodesk password.")
    form.submit_password(user, "not the passphrase")
    monitor.expect_status(401, "/auth/password")
    expect(form.problem).to_contain_text("The passphrase is not your Autodesk password.")
    form.submit_password(user, user.passphrase)
    form.wait_for_state("code")
    form.submit_code(gateway.site.code(user.login))
    form.expect_signed_in(user)
    form.sign_out(to="browser")

    form.password_link.click()
    form.submit_password(account)
    form.wait_for_state("browser")
    monitor.expect_status(403, "/auth/password")
    expect(form.problem).to_contain_text("ShotGrid does not take this password. Sign in with the browser instead.")
    expect(form.browser_button).to_be_focused()
    form.sign_in_with_browser(account)


# What the gateway says about the site, the state of the element, what is visible, and a text. The last offers nothing.
OFFERS: list[tuple[dict[str, str], str, str, str]] = [
    ({"method": "default", "password": "yes", "browser": "yes"}, "password", "password browser_link", ""),
    ({"method": "ldap", "password": "yes", "browser": "no"}, "password", "password", ""),
    ({"method": "unknown", "password": "unknown", "browser": "unknown"}, "password", "password browser_link", ""),
    (
        {"method": "oxygen", "password": "legacy", "browser": "no"},
        "password",
        "password",
        "Never type your Autodesk password here. If you have no legacy login, ask your administrator",
    ),
    ({"method": "saml2", "password": "no", "browser": "yes"}, "browser", "browser_button", "as always"),
    (
        {"method": "saml2", "password": "no", "browser": "no"},
        "browser",
        "",
        "This site cannot sign you in here: ask your administrator to enable sign-in with the browser.",
    ),
]

# A new element requests the methods again.
NEW_ELEMENT = "((element) => element.replaceWith(element.cloneNode(true)))(document.querySelector('shotgrid-login'))"


def test_element_offers_what_the_site_supports(page: Page, gateway: Gateway) -> None:
    form = open_form(page, gateway, f"http://{gateway.host}/", "browser")
    methods: dict[str, Any] = page.evaluate(
        "async (module) => (await import(module)).login.methods({ fresh: true })",
        f"http://{gateway.host}/shotgrid-login.js",
    )
    assert methods == {
        "siteUrl": gateway.site.url,
        "siteHost": gateway.site.url.partition("://")[2],
        "method": "oxygen",
        "password": "legacy",
        "browser": "yes",
    }
    assert form.browser_button.inner_text() == f"Sign in at {methods['siteHost']}"

    site = {"site_url": "https://studio.example", "site_host": "studio.example"}
    headers = {"access-control-allow-origin": "*"}
    page.route("**/auth/methods", lambda route: route.fulfill(headers=headers, json=site))
    for offered, state, shown, texts in OFFERS:
        site.update(offered)
        page.evaluate(NEW_ELEMENT)
        form.wait_for_state(state)
        for name in ("password", "browser_link", "browser_button", "password_link"):
            expect(getattr(form, name)).to_be_visible(visible=name in shown.split())
        expect(form.element.locator("section")).to_contain_text(texts)
    check_accessibility(page)  # the other states are checked with the keyboard and in test_dashboard.py


@pytest.mark.usefixtures("own_context")
def test_form_is_shown_only_if_the_methods_take_too_long(
    page: Page, account: Account, gateway: Gateway, pages_port: int
) -> None:
    held_request = hold(page, "**/auth/methods")
    stop_clock(page)
    form = open_form(page, gateway, f"http://{SAME_SITE}:{pages_port}/projects", "restoring")
    request = held_request()
    assert form.wait_for_state("restoring", "password") == "restoring"
    page.clock.run_for(8_000)
    form.wait_for_state("password")
    form.username.fill(account.login)
    page.clock.resume()  # what follows uses timers
    request.continue_()
    # The user has begun to type, so the form stays, and says which password it takes.
    expect(form.element).to_contain_text("Never type your Autodesk password here.")
    expect(form.username).to_have_value(account.login)
    form.start_in_browser(form.browser_link)
    form.cancel_button.click()
    form.wait_for_state("password")
    expect(form.browser_link).to_be_focused()
