"""The sign-in form of `<shotgrid-login>`: what users enter, and what it shows them."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.site.fake_site import Account
from tests.support.browser import Monitor
from tests.support.client import Gateway
from tests.support.pages import COME_BACK, FAST_TIMERS, Form, hold, open_form, run, stop_clock, wait_for_attribute

# What the oldest browsers of docs/pages.md do not have.
NEWER_FUNCTIONS = """
delete AbortSignal.timeout;
delete AbortSignal.any;
delete AbortSignal.abort;
delete AbortSignal.prototype.throwIfAborted;
delete AbortSignal.prototype.reason;
delete ShadowRoot.prototype.adoptedStyleSheets;
delete Array.prototype.at;
delete Array.prototype.findLast;
delete Array.prototype.toSorted;
delete Object.hasOwn;
delete Object.groupBy;
delete Promise.withResolvers;
delete String.prototype.at;
delete globalThis.structuredClone;
delete globalThis.reportError;
delete Crypto.prototype.randomUUID;
delete Element.prototype.checkVisibility;
"""

ABORTED_FETCH = """
const stop = new AbortController();
const fetched = login.fetch(`${login.site}/api/v1/entity/shots`, { signal: stop.signal });
stop.abort();
await fetched;
"""

# The browser's address. The gateway counts failed attempts by user and network.
BROWSER_ADDRESS = "127.0.0.1"


def test_form_explains_what_is_wrong_and_the_right_password_then_signs_in(
    form: Form, page: Page, monitor: Monitor, gateway: Gateway
) -> None:
    form.submit_button.click()
    expect(form.problem).to_have_text("User name is missing.")
    expect(form.username).to_be_focused()
    form.username.fill("a_user")
    form.submit_button.click()
    expect(form.problem).to_have_text("Password is missing.")
    assert monitor.requests_to("/auth/password") == []

    for fault, status, text in (
        ("503", 503, "ShotGrid does not respond at the moment"),
        ("teapot", 502, "(Reference: "),
    ):
        form.submit_password(gateway.new_user(fault=fault))
        expect(form.problem).to_contain_text(text)
        monitor.expect_status(status, "/auth/password")

    user = gateway.new_user(two_factor=False)
    form.submit_password(user, "not the password")
    expect(form.problem).to_have_text("The user name or the password is not right.")
    expect(form.password).to_be_focused()
    expect(form.password).to_have_attribute("aria-invalid", "true")
    monitor.expect_status(401, "/auth/password")
    expect_one_request_of_a_busy_form(form, page, user, monitor, gateway)
    expect(form.username).to_be_hidden()
    expect(form.password).to_have_value("")
    form.sign_out()

    # The user gets single sign-on, and the gateway does not know that.
    form.submit_password(gateway.new_user(authentication_method="saml2"))
    expect(form.problem).to_contain_text("ShotGrid does not take this password. Sign in with the browser instead.")
    monitor.expect_status(403, "/auth/password")
    form.wait_for_state("browser")
    expect(form.browser_button).to_be_focused()


def expect_one_request_of_a_busy_form(
    form: Form, page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    """Sign in, and press Enter again while the form is busy. It keeps the focus."""
    requests = len(monitor.requests_to("/auth/password"))
    gateway.site.switch(user, fault="hold")
    form.username.fill(user.login)
    form.password.fill(user.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Signing in…")).to_have_attribute("aria-disabled", "true")
    expect(form.element.locator("form")).to_have_attribute("aria-busy", "true")
    expect(form.password).to_be_focused()
    page.keyboard.press("Enter")
    assert gateway.site.held.acquire(timeout=30)
    gateway.site.switch(user, fault="")
    gateway.site.release()
    form.expect_signed_in(user)
    assert len(monitor.requests_to("/auth/password")) == requests + 1


def test_code_that_is_not_accepted_can_be_replaced_until_the_form_leads_back_to_the_password(
    form: Form, page: Page, monitor: Monitor, gateway: Gateway
) -> None:
    form.submit_password(gateway.new_user(two_factor=True))
    page.get_by_role("button", name="Start again").click()
    expect(form.password).to_be_focused()
    expect(form.code).to_be_hidden()

    user = gateway.new_user(two_factor=True)
    form.submit_password(user)
    for left in ("4 tries", "3 tries", "2 tries", "One try"):
        form.submit_code("000000")
        expect(form.problem).to_contain_text(f"{left} left.")
    form.submit_code("000000")
    expect(form.problem).to_contain_text("Enter your password again.")
    expect(form.password).to_be_focused()
    expect(form.username).to_have_value(user.login)
    monitor.expect_status(401, "/auth/otp")

    user = gateway.new_user(two_factor=True)
    form.submit_password(user)
    form.wait_for_state("code")
    for row in gateway.state.all():
        if row["id"]["S"].startswith("challenge#"):
            gateway.state.set(row["id"]["S"], expires_at=int(time.time()) - 1)
    form.submit_code(gateway.site.code(user.login))
    expect(form.problem).to_contain_text("Enter your password again.")
    monitor.expect_status(410, "/auth/otp")

    user = gateway.new_user(two_factor=True)
    form.submit_password(user)
    expect(form.code).to_be_focused()
    expect(form.password).to_have_value("")
    expect(form.element).to_contain_text(re.compile(r"Time left: [45]:\d\d"))
    form.submit_code("000000")
    expect(form.problem).to_contain_text("That code was not accepted.")
    expect(form.problem).to_contain_text("4 tries left.")
    expect(form.code).to_be_focused()
    code = gateway.site.code(user.login)
    form.submit_code(f" {code[:3]} {code[3:]} ")
    form.expect_signed_in(user)
    form.sign_out()
    expect_sign_in_with_a_backup_code(form, page, gateway)


def expect_sign_in_with_a_backup_code(form: Form, page: Page, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.submit_password(user)
    expect(form.code).to_have_attribute("inputmode", "numeric")
    page.get_by_role("button", name="Use a backup code").click()
    expect(form.code).to_have_attribute("inputmode", "text")
    expect(form.code).to_be_focused()
    form.submit_code(next(iter(user.backup_codes)))
    form.expect_signed_in(user)


@pytest.mark.usefixtures("own_context")
def test_form_follows_the_clock(form: Form, page: Page, monitor: Monitor, gateway: Gateway) -> None:
    stop_clock(page)
    expect_announcement_and_end_of_a_challenge(form, page, gateway)
    form.sign_out()
    expect_wait_after_too_many_failed_attempts_of_one_user(form, page, monitor, gateway)
    form.sign_out()
    page.clock.resume()  # browser sign-in uses timers
    form.sign_in_with_browser(gateway.new_user(two_factor=False), form.browser_link)
    hint = form.element.get_by_text("You can close the ShotGrid tab.")
    expect(hint).to_be_visible()
    page.clock.run_for(60_000)
    expect(hint).to_be_hidden()


def expect_announcement_and_end_of_a_challenge(form: Form, page: Page, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.submit_password(user)
    expect(form.element).to_contain_text(re.compile(r"Time left: [45]:\d\d"))
    page.clock.run_for("04:05")
    announcement = form.element.get_by_role("status").last  # only for screen readers
    expect(announcement).to_have_text("60 seconds left to enter the code.")
    expect(form.element).to_contain_text(re.compile(r"Time left: 0:5\d"))
    page.clock.run_for("01:00")
    expect(form.problem).to_contain_text("Enter your password again.")
    expect(form.password).to_be_focused()
    form.sign_in(user)
    expect(announcement).to_have_text(f"Signed in as {user.login}.")


def expect_wait_after_too_many_failed_attempts_of_one_user(
    form: Form, page: Page, monitor: Monitor, gateway: Gateway
) -> None:
    user = gateway.new_user(two_factor=False)
    caller = gateway.caller(x_forwarded_for=BROWSER_ADDRESS)
    while caller.password(user, "not the password").status == 401:
        pass
    requests = len(monitor.requests_to("/auth/password"))
    for passwords_sent in (1, 2):
        form.submit_password(user)
        expect(form.problem).to_contain_text("Too many failed tries.")
        waiting = page.get_by_role("button", name=re.compile(r"Wait (60:00|[45]\d:\d\d)"))
        expect(waiting).to_have_attribute("aria-disabled", "true")
        waiting.click(force=True)
        assert len(monitor.requests_to("/auth/password")) == requests + passwords_sent
        if passwords_sent == 1:
            page.clock.fast_forward("01:00:01")
            expect(form.submit_button).to_have_attribute("aria-disabled", "false")
    monitor.expect_status(429, "/auth/password")
    form.sign_in(gateway.new_user(two_factor=False))
    assert len(monitor.requests_to("/auth/password")) == requests + 3


def test_form_works_with_the_keyboard_alone(form: Form, page: Page, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)

    def focused() -> str:
        return str(page.evaluate("document.activeElement?.shadowRoot?.activeElement?.textContent"))

    page.keyboard.press("Tab")
    expect(form.username).to_be_focused()
    page.keyboard.type(user.login)
    page.keyboard.press("Tab")
    page.keyboard.type(user.password)
    page.keyboard.press("Tab")
    expect(form.submit_button).to_be_focused()
    page.keyboard.press("Space")
    expect(form.code).to_be_focused()
    page.keyboard.press("Tab")
    expect(form.submit_button).to_be_focused()
    page.keyboard.press("Tab")
    assert focused() == "Use a backup code"
    page.keyboard.press("Tab")
    assert focused() == "Start again"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(form.code).to_be_focused()
    page.keyboard.type(next(iter(user.backup_codes)))
    page.keyboard.press("Enter")
    form.expect_signed_in(user)
    assert focused() == f"Signed in as {user.login}"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(form.username).to_be_focused()
    expect(form.element).to_contain_text("You are signed out.")


def test_user_of_a_site_with_passwords_signs_in_with_the_browser_in_all_elements_of_the_page(
    form: Form, page: Page, monitor: Monitor, gateway: Gateway
) -> None:
    _, tab = form.start_in_browser(form.browser_link)
    tab.close()
    form.cancel_button.click()
    form.wait_for_state("password")
    expect(form.browser_link).to_be_focused()

    request, tab = form.start_in_browser(form.browser_link)
    tab.close()
    page.evaluate("document.body.append(document.createElement('shotgrid-login'))")
    elements = page.locator("shotgrid-login")
    wait_for_attribute(elements.last, "state", "waiting")
    assert run(page, "return (await login.resumeSignIn()) === (await login.resumeSignIn());") is True
    user = gateway.new_user(two_factor=True)
    gateway.site.approve(request.id, user)
    page.evaluate(COME_BACK)
    for element in elements.all():
        wait_for_attribute(element, "state", "signed-in")
    assert page.evaluate("document.activeElement.shadowRoot.activeElement.textContent") == f"Signed in as {user.login}"
    assert monitor.requests_to("/auth/password") == []


def test_fields_have_the_attributes_that_password_managers_and_phones_need(form: Form) -> None:
    expect(form.username).to_have_attribute("autocomplete", "username")
    expect(form.password).to_have_attribute("autocomplete", "current-password")
    expect(form.password).to_have_attribute("type", "password")
    expect(form.code).to_have_attribute("autocomplete", "one-time-code")


def test_page_can_style_the_element_and_import_its_module_from_two_urls(form: Form, page: Page) -> None:
    page.evaluate("import(`${document.querySelector('script').src}?again`)")
    expect(form.username).to_be_visible()
    page.evaluate(
        """() => {
          const style = document.createElement("style");
          style.textContent = `shotgrid-login { --shotgrid-login-accent: rgb(1, 2, 3) }
            shotgrid-login::part(card) { max-width: 300px } shotgrid-login[state="password"] { opacity: 0.5 }`;
          document.head.append(style);
        }"""
    )
    expect(form.submit_button).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(form.element.locator("section")).to_have_css("max-width", "300px")
    expect(form.element).to_have_css("opacity", "0.5")


def test_element_that_was_removed_shows_the_current_user_when_it_is_added_again(
    form: Form, page: Page, monitor: Monitor, gateway: Gateway
) -> None:
    form.submit_password(gateway.new_user(two_factor=True))
    form.wait_for_state("code")
    page.evaluate("globalThis.element = document.querySelector('shotgrid-login'); element.remove()")
    other = gateway.new_user(two_factor=False)
    gateway.secrets.add(other.password)
    run(page, "await login.signIn(values.username, values.password);", username=other.login, password=other.password)
    monitor.expect("projects is not defined")  # the list of the page is inside the removed element
    page.evaluate("document.body.append(element)")
    form.expect_greeting(other)
    form.sign_out()
    expect(form.code).to_be_hidden()


def test_rejected_origin_is_told_apart_from_lost_requests_and_can_be_tried_again(
    context: BrowserContext, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    page = context.new_page()
    page.add_init_script(FAST_TIMERS)
    lost = 0

    def lose(route: Route) -> None:
        nonlocal lost
        lost += 1
        if lost <= 2:
            route.abort("connectionreset")
        else:
            route.fallback()

    page.route("**/auth/refresh", lose)
    monitor.expect("net::ERR_CONNECTION_RESET")
    form = open_form(page, gateway, f"http://pages.login.localhost:{pages_port}/projects", "password")
    page.unroute("**/auth/refresh")

    page.route("**/auth/refresh", lambda route: route.abort("failed"))  # as browsers do for a rejected origin
    monitor.expect("net::ERR_FAILED")
    page.reload()
    expect(form.problem).to_contain_text("not set up for pages at")
    page.unroute("**/auth/refresh")
    page.get_by_role("button", name="Try again").click()
    expect(form.username).to_be_visible()
    expect(form.problem).to_be_empty()


def test_older_browser_signs_in_reads_the_site_and_signs_out(
    context: BrowserContext, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    monitor.allows_handle = True
    page = context.new_page()
    page.add_init_script(NEWER_FUNCTIONS)
    form = open_form(page, gateway, f"http://elsewhere.localhost:{pages_port}/projects", "password")
    expect(form.submit_button).to_have_css("background-color", "rgb(11, 99, 206)")
    user = gateway.new_user(two_factor=True)
    form.sign_in(user)
    assert run(page, ABORTED_FETCH) == "AbortError"
    page.reload()
    form.expect_signed_in(user)
    form.sign_out()
    form.sign_in_with_browser(user, form.browser_link)


def test_older_browser_gives_up_a_call_without_a_response(
    context: BrowserContext, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    page = context.new_page()
    page.add_init_script(NEWER_FUNCTIONS + FAST_TIMERS)
    page.route("**/auth/refresh", lambda _: None)  # no response
    form = open_form(page, gateway, f"http://pages.login.localhost:{pages_port}/projects", "unreachable")
    expect(form.problem).not_to_be_empty()
    page.unroute("**/auth/refresh")


def test_content_of_the_element_can_be_selected_and_sign_out_shows_its_progress(
    signed_in_form: Form, page: Page, gateway: Gateway
) -> None:
    signed_in_form.projects.dblclick()
    selected = page.evaluate("getSelection().toString().trim()")
    assert selected
    assert selected in gateway.site.show.projects[0].name
    assert page.evaluate("document.activeElement === document.body")

    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url.rpartition("/")[2]))
    held_request = hold(page, "**/auth/logout", times=1)
    signed_in_form.sign_out_button.click()
    button = signed_in_form.element.get_by_role("button", name="Signing out…")
    expect(button).to_have_attribute("aria-disabled", "true")
    button.click(force=True)
    held_request().continue_()
    signed_in_form.wait_for_state("password")
    assert requests.count("logout") == 1
