"""The form of `<shotgrid-login>`: what a user types, and what they are told."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.support.client import Gateway
from tests.support.pages import Form, stop_the_clock


def test_without_a_second_factor_the_password_is_all(form: Form, gateway: Gateway) -> None:
    form.sign_in(gateway.new_user(two_factor=False))
    expect(form.username).to_be_hidden()
    expect(form.password).to_have_value("")


def test_a_wrong_password_then_the_right_one(form: Form, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    form.give(user, "not the password")
    expect(form.problem).to_have_text("The user name or the password is not right.")
    expect(form.password).to_be_focused()
    expect(form.password).to_have_attribute("aria-invalid", "true")
    watch.expect_status(401, "/auth/password")
    form.sign_in(user)


def test_what_is_missing_is_said_before_anybody_is_asked(form: Form, watch: Watch) -> None:
    form.button.click()
    expect(form.problem).to_have_text("User name is missing.")
    expect(form.username).to_be_focused()
    form.username.fill("somebody")
    form.button.click()
    expect(form.problem).to_have_text("Password is missing.")
    assert watch.asked("/auth/password") == []


def test_a_wrong_code_then_the_right_one(form: Form, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.give(user)
    expect(form.code).to_be_focused()
    expect(form.password).to_have_value("")
    expect(form.element).to_contain_text(re.compile(r"Time left: [45]:\d\d"))
    form.give_code("000000")
    expect(form.problem).to_contain_text("That code was not accepted.")
    expect(form.problem).to_contain_text("4 tries left.")
    expect(form.code).to_be_focused()
    watch.expect_status(401, "/auth/otp")
    code = gateway.site.code(user.login)
    form.give_code(f" {code[:3]} {code[3:]} ")
    form.expect_signed_in(user)


def test_a_backup_code_can_be_typed(form: Form, page: Page, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.give(user)
    expect(form.code).to_have_attribute("inputmode", "numeric")
    page.get_by_role("button", name="Use a backup code").click()
    expect(form.code).to_have_attribute("inputmode", "text")
    expect(form.code).to_be_focused()
    form.give_code(next(iter(user.backup_codes)))
    form.expect_signed_in(user)


def test_after_five_wrong_codes_it_starts_again(form: Form, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.give(user)
    for left in ("4 tries", "3 tries", "2 tries", "One try"):
        form.give_code("000000")
        expect(form.problem).to_contain_text(f"{left} left.")
    form.give_code("000000")
    expect(form.problem).to_contain_text("Enter your password again.")
    expect(form.password).to_be_focused()
    expect(form.username).to_have_value(user.login)
    watch.expect_status(401, "/auth/otp")


def test_a_challenge_that_ends_while_a_person_looks_for_the_phone(form: Form, page: Page, gateway: Gateway) -> None:
    stop_the_clock(page)
    user = gateway.new_user(two_factor=True)
    form.give(user)
    expect(form.element).to_contain_text(re.compile(r"Time left: [45]:\d\d"))
    page.clock.fast_forward("04:01")
    expect(form.element).to_contain_text(re.compile(r"Time left: 0:5\d"))
    page.clock.fast_forward("01:00")
    expect(form.problem).to_contain_text("Enter your password again.")
    expect(form.password).to_be_focused()
    form.sign_in(user)


def test_a_challenge_that_the_gateway_says_has_ended(form: Form, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.give(user)
    expect(form.code).to_be_visible()
    for row in gateway.state.all():
        if row["id"]["S"].startswith("challenge#"):
            gateway.state.set(row["id"]["S"], expires_at=int(time.time()) - 1)
    form.give_code(gateway.site.code(user.login))
    expect(form.problem).to_contain_text("Enter your password again.")
    watch.expect_status(410, "/auth/otp")


def test_start_again_goes_back_to_the_password(form: Form, page: Page, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.give(user)
    page.get_by_role("button", name="Start again").click()
    expect(form.password).to_be_focused()
    expect(form.code).to_be_hidden()


def guess_until_it_waits(form: Form, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    for asked in range(1, 8):
        with form.page.expect_response("**/auth/password"):
            form.give(user, "not the password")
        assert len(watch.asked("/auth/password")) == asked
        expect(form.problem).not_to_be_empty()
    expect(form.problem).to_contain_text("Too many failed tries.")
    watch.expect_status(401, "/auth/password")
    watch.expect_status(429, "/auth/password")


def test_after_too_many_tries_it_waits(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    stop_the_clock(page)
    guess_until_it_waits(form, watch, gateway)
    waiting = page.get_by_role("button", name=re.compile(r"Wait 0:[23]\d"))
    expect(waiting).to_have_attribute("aria-disabled", "true")
    waiting.click(force=True)
    page.clock.fast_forward("00:31")
    expect(form.button).to_have_attribute("aria-disabled", "false")
    assert len(watch.asked("/auth/password")) == 7


@pytest.mark.parametrize(
    ("switches", "status", "words"),
    [
        ({"authentication_method": "saml2"}, 403, "single sign-on or Autodesk Identity"),
        ({"fault": "503"}, 503, "ShotGrid does not answer at the moment"),
        ({"fault": "teapot"}, 502, "(Reference: "),
    ],
)
def test_what_the_site_does_is_said_in_words(
    form: Form, watch: Watch, gateway: Gateway, switches: dict[str, str], status: int, words: str
) -> None:
    form.give(gateway.new_user(**switches))
    expect(form.problem).to_contain_text(words)
    watch.expect_status(status, "/auth/password")
    expect(form.button).to_have_attribute("aria-disabled", "false")


def test_it_is_busy_once_and_keeps_the_focus(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(fault="hold")
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
    assert len(watch.asked("/auth/password")) == 1


def test_by_keyboard_alone(form: Form, page: Page, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)

    def focused() -> str:
        return str(page.evaluate("document.activeElement?.shadowRoot?.activeElement?.textContent"))

    page.keyboard.press("Tab")
    expect(form.username).to_be_focused()
    page.keyboard.type(user.login)
    page.keyboard.press("Tab")
    page.keyboard.type(user.password)
    page.keyboard.press("Tab")
    expect(form.button).to_be_focused()
    page.keyboard.press("Space")
    expect(form.code).to_be_focused()
    page.keyboard.press("Tab")
    expect(form.button).to_be_focused()
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


def test_password_managers_and_phones_know_the_fields(form: Form, gateway: Gateway) -> None:
    expect(form.username).to_have_attribute("autocomplete", "username")
    expect(form.password).to_have_attribute("autocomplete", "current-password")
    expect(form.password).to_have_attribute("type", "password")
    expect(form.code).to_have_attribute("autocomplete", "one-time-code")


def test_a_screen_reader_hears_who_is_signed_in_and_the_last_minute(form: Form, page: Page, gateway: Gateway) -> None:
    page.clock.install()
    user = gateway.new_user(two_factor=True)
    form.give(user)
    expect(form.code).to_be_visible()
    page.clock.run_for("04:05")
    heard = form.element.get_by_role("status")
    expect(heard.last).to_have_text("60 seconds left to enter the code.")
    form.give_code(gateway.site.code(user.login))
    expect(heard.last).to_have_text(f"Signed in as {user.login}.")


def test_a_page_styles_it_from_outside(form: Form, page: Page) -> None:
    page.evaluate(
        """() => {
          const style = document.createElement("style");
          style.textContent = `shotgrid-login { --shotgrid-login-accent: rgb(1, 2, 3) }
            shotgrid-login::part(card) { max-width: 300px } shotgrid-login[state="password"] { opacity: 0.5 }`;
          document.head.append(style);
        }"""
    )
    expect(form.button).to_have_css("background-color", "rgb(1, 2, 3)")
    expect(form.element.locator("section")).to_have_css("max-width", "300px")
    expect(form.element).to_have_css("opacity", "0.5")


def test_what_stands_inside_can_be_read_and_selected(form: Form, page: Page, gateway: Gateway) -> None:
    form.sign_in(gateway.new_user(two_factor=False))
    form.projects.dblclick()
    assert page.evaluate("getSelection().toString().trim()") in gateway.site.show.projects[0].name
    assert page.evaluate("getSelection().toString().trim()")
    assert page.evaluate("document.activeElement === document.body")


def test_another_persons_wait_is_not_ones_own(form: Form, watch: Watch, gateway: Gateway) -> None:
    guess_until_it_waits(form, watch, gateway)
    form.sign_in(gateway.new_user(two_factor=False))


def test_it_can_be_taken_out_and_put_back(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.give(user)
    expect(form.code).to_be_visible()
    page.evaluate("globalThis.taken = document.querySelector('shotgrid-login'); taken.remove()")
    other = gateway.new_user(two_factor=False)
    gateway.secrets.add(other.password)
    page.evaluate(
        """async ([username, password]) => {
          const { login } = await import(document.querySelector("script").src.replace("-element", ""));
          await login.signIn(username, password);
        }""",
        [other.login, other.password],
    )
    watch.expect("projects is not defined")  # the page's own list is in it
    page.evaluate("document.body.append(taken)")
    form.expect_greeting(other)
    form.sign_out.click()
    expect(form.username).to_be_visible()
    expect(form.code).to_be_hidden()


def test_a_module_that_is_named_by_two_addresses_is_no_error(form: Form, page: Page) -> None:
    page.evaluate("import(`${document.querySelector('script').src}?again`)")
    expect(form.username).to_be_visible()


def test_try_again_works_after_a_verdict_that_was_final(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int
) -> None:
    page.route("**/auth/refresh", lambda route: route.abort("failed"))  # as a browser does where an origin is refused
    watch.expect("net::ERR_FAILED")
    page.goto(f"http://pages.login.localhost:{pages_port}/projects")
    form = Form(page, gateway)
    expect(form.problem).to_contain_text("not set up for pages at")
    page.unroute("**/auth/refresh")
    page.get_by_role("button", name="Try again").click()
    expect(form.username).to_be_visible()
    expect(form.problem).to_be_empty()
