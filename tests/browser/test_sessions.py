"""A session in the browser: over reloads, expiry, sleep, outages and many tabs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Watch
from tests.browser.door import Door
from tests.browser.pages import Form
from tests.client import Gateway, expire_access_token, until

OTHER_SITE = "elsewhere.localhost"

# Reads the site with the module that the page has loaded, and returns the status or the error's code.
READ = """
async (path) => {
  const { login } = await import(document.querySelector("script").src.replace("-element", ""));
  return login.fetch(login.site + path).then((answer) => answer.status, (error) => error.code ?? String(error));
}
"""
PROJECTS = "/api/v1/entity/projects"
NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
NO_CHANNEL = "delete window.BroadcastChannel"


def read(page: Page, path: str = PROJECTS) -> Any:
    return page.evaluate(READ, path)


@pytest.fixture
def open_door(door: Door) -> Iterator[Door]:
    door.open()
    yield door
    door.shut()


def test_tokens_that_expire_while_the_page_is_used_are_renewed_unseen(
    form: Form, page: Page, watch: Watch, gateway: Gateway
) -> None:
    person = gateway.person(two_factor=True, expires_in=3)
    watch.tolerate_expiry()
    form.sign_in(person)
    until(lambda: (read(page) == 200) and gateway.site.asked_for(person, "refresh_token") >= 3)
    form.expect_signed_in(person)
    assert len(watch.asked("/auth/password")) == 1


def test_requests_at_once_on_an_expired_token_make_one_refresh(form: Form, page: Page, gateway: Gateway) -> None:
    person = gateway.person(two_factor=False)
    form.sign_in(person)
    page.clock.install()
    page.clock.fast_forward("00:11:00")
    expire_access_token(gateway, page.context.cookies()[0]["value"])
    statuses = page.evaluate(f"path => Promise.all(Array.from({{ length: 10 }}, () => ({READ})(path)))", PROJECTS)
    assert statuses == [200] * 10
    assert gateway.site.asked_for(person, "refresh_token") == 1


def test_ten_tabs_on_an_expired_token_make_one_refresh(
    form: Form, page: Page, context: BrowserContext, watch: Watch, gateway: Gateway
) -> None:
    person = gateway.person(two_factor=False)
    form.sign_in(person)
    address = page.url
    page.goto("about:blank")  # no tab is left that could share its token
    expire_access_token(gateway, context.cookies()[0]["value"])
    before = len(watch.asked("/auth/refresh"))
    tabs = [context.new_page() for _ in range(10)]
    for tab in tabs:
        tab.goto(address, wait_until="commit")
    for tab in tabs:
        Form(tab, gateway).expect_signed_in(person)
        assert read(tab) == 200
    assert gateway.site.asked_for(person, "refresh_token") == 1
    assert len(watch.asked("/auth/refresh")) - before < len(tabs)  # most have it from another tab


@pytest.mark.parametrize("lacks", [NO_LOCKS, NO_CHANNEL, f"{NO_LOCKS}; {NO_CHANNEL}"])
def test_it_works_in_browsers_that_lack_what_tabs_share(
    context: BrowserContext, page: Page, watch: Watch, gateway: Gateway, pages_port: int, lacks: str
) -> None:
    context.add_init_script(lacks)
    page.goto(f"http://pages.login.localhost:{pages_port}/projects")
    person = gateway.person(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    Form(page, gateway).sign_in(person)
    tabs = [context.new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(page.url)
        Form(tab, gateway).expect_signed_in(person)
    until(lambda: all(read(tab) == 200 for tab in tabs) and gateway.site.asked_for(person, "refresh_token") >= 2)


def test_signing_out_in_one_tab_signs_out_the_others(form: Form, context: BrowserContext, gateway: Gateway) -> None:
    person = gateway.person(two_factor=False)
    form.sign_in(person)
    tab = context.new_page()
    tab.goto(form.page.url)
    other = Form(tab, gateway)
    other.expect_signed_in(person)
    other.sign_out.click()
    expect(form.element).to_contain_text("You are signed out.")
    expect(form.username).to_be_visible()
    assert read(form.page) == "signed_out"
    assert read(tab) == "signed_out"


def test_signing_in_in_one_tab_signs_in_the_others(form: Form, context: BrowserContext, gateway: Gateway) -> None:
    tab = context.new_page()
    tab.goto(form.page.url)
    expect(Form(tab, gateway).username).to_be_visible()
    person = gateway.person(two_factor=True)
    form.sign_in(person)
    Form(tab, gateway).expect_signed_in(person)
    assert read(tab) == 200


def test_tabs_of_another_site_share_the_session_that_each_could_lose(
    context: BrowserContext, page: Page, watch: Watch, gateway: Gateway, pages_port: int
) -> None:
    watch.may_hold_a_handle = True
    page.goto(f"http://{OTHER_SITE}:{pages_port}/projects")
    person = gateway.person(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    Form(page, gateway).sign_in(person)
    tab = context.new_page()
    tab.goto(page.url)
    Form(tab, gateway).expect_signed_in(person)  # asked the first one, as its own storage is empty
    # The handle rotates with every refresh; a tab that kept an old one would end the session of both.
    until(lambda: read(tab) == 200 and gateway.site.asked_for(person, "refresh_token") >= 3)
    until(lambda: read(page) == 200 and gateway.site.asked_for(person, "refresh_token") >= 6)
    page.close()
    tab.reload()
    Form(tab, gateway).expect_signed_in(person)


def test_a_duplicated_tab_of_another_site_does_not_end_the_session(
    context: BrowserContext, page: Page, watch: Watch, gateway: Gateway, pages_port: int
) -> None:
    watch.may_hold_a_handle = True
    page.goto(f"http://{OTHER_SITE}:{pages_port}/projects")
    person = gateway.person(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    Form(page, gateway).sign_in(person)
    with context.expect_page() as opened:
        page.evaluate("open(location.href)")  # takes a copy of sessionStorage along
    copy = opened.value
    Form(copy, gateway).expect_signed_in(person)
    until(lambda: read(page) == 200 and gateway.site.asked_for(person, "refresh_token") >= 3)
    copy.reload()
    Form(copy, gateway).expect_signed_in(person)
    assert read(copy) == 200
    assert read(page) == 200


def test_two_factor_switched_on_under_a_signed_in_person(
    form: Form, context: BrowserContext, watch: Watch, gateway: Gateway
) -> None:
    person = gateway.person(two_factor=False)
    form.sign_in(person)
    tab = context.new_page()
    tab.goto(form.page.url)
    Form(tab, gateway).expect_signed_in(person)
    gateway.site.switch(person, two_factor=True)
    assert read(form.page) == "session_ended"
    watch.expect_status(401, PROJECTS)
    watch.expect_status(401, "/auth/refresh")
    for one in (form, Form(tab, gateway)):
        expect(one.element).to_contain_text("Your session has ended. Sign in to go on.")
    form.sign_in(person)
    assert read(form.page) == 200


def test_the_same_on_a_site_whose_refusal_no_page_can_read(form: Form, watch: Watch, gateway: Gateway) -> None:
    person = gateway.person(two_factor=False)
    form.sign_in(person)
    gateway.site.switch(person, two_factor=True)
    gateway.site.switch(cors_on_refusals=False)
    try:
        assert read(form.page) == "session_ended"
    finally:
        gateway.site.switch(cors_on_refusals=True)
    watch.expect("blocked by CORS policy", "net::ERR_FAILED")
    watch.expect_status(401, "/auth/refresh")
    expect(form.element).to_contain_text("Your session has ended.")


def test_a_token_that_the_site_ends_early_is_replaced_unseen(
    form: Form, page: Page, watch: Watch, gateway: Gateway
) -> None:
    person = gateway.person(two_factor=False, expires_in=600)
    form.sign_in(person)
    gateway.site.end_access_tokens(person)
    assert read(page) == 200
    watch.expect_status(401, PROJECTS)
    assert gateway.site.asked_for(person, "refresh_token") == 1


def test_a_laptop_that_slept_past_expiry(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    person = gateway.person(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    form.sign_in(person)
    page.clock.install()
    page.clock.fast_forward("01:30:00")
    assert read(page) == 200
    form.expect_signed_in(person)


def test_a_laptop_that_slept_past_the_end_of_the_session(
    form: Form, page: Page, watch: Watch, gateway: Gateway
) -> None:
    person = gateway.person(two_factor=False)
    form.sign_in(person)
    (cookie,) = page.context.cookies()
    gateway.state.set(f"session#{cookie['value'].partition('.')[0]}", idle_expires_at=1)
    page.clock.install()
    page.clock.fast_forward("03:00:00")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the lid is opened
    expect(form.element).to_contain_text("Your session has ended.")
    watch.expect_status(401, "/auth/refresh")
    form.sign_in(person)


def test_a_lost_network_costs_nothing(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    person = gateway.person(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    form.sign_in(person)
    page.context.set_offline(True)
    assert read(page) == "unreachable"
    watch.expect("net::ERR_INTERNET_DISCONNECTED")
    form.expect_signed_in(person)
    page.context.set_offline(False)
    assert read(page) == 200


def test_a_site_that_is_down_for_a_while_costs_nothing(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    person = gateway.person(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    form.sign_in(person)
    gateway.site.switch(person, fault="503")
    until(lambda: read(page) == "site_unavailable")
    watch.expect_status(503, "/auth/refresh")
    form.expect_signed_in(person)
    gateway.site.switch(person, fault="")
    assert read(page) == 200


def test_a_gateway_that_is_down_and_up_again(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int, open_door: Door
) -> None:
    page.goto(f"http://pages.login.localhost:{pages_port}/door/projects")
    form = Form(page, gateway)
    person = gateway.person(two_factor=False)
    form.sign_in(person)
    open_door.shut()
    watch.expect("net::ERR_CONNECTION_REFUSED")
    assert read(page) == 200  # the token is still good

    form.sign_out.click()
    expect(form.problem).to_contain_text("cannot be reached")
    form.expect_signed_in(person)  # as the gateway still has the session, it says so

    page.goto(page.url)  # the modules come from the browser's cache
    expect(form.problem).to_contain_text("cannot be reached")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(form.username).to_be_hidden()
    open_door.open()
    form.expect_signed_in(person)
    expect(form.problem).to_be_empty()


def test_try_again_does_not_wait(page: Page, watch: Watch, gateway: Gateway, pages_port: int, open_door: Door) -> None:
    page.goto(f"http://pages.login.localhost:{pages_port}/door/projects")
    form = Form(page, gateway)
    expect(form.username).to_be_visible()
    page.clock.install()  # from here on nothing but the button can end a wait
    open_door.shut()
    watch.expect("net::ERR_CONNECTION_REFUSED")
    page.goto(page.url)
    retry = page.get_by_role("button", name="Try again")
    expect(retry).to_be_visible()
    open_door.open()
    retry.click()
    expect(form.username).to_be_visible()


def test_back_from_the_back_forward_cache_it_asks_again(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    person = gateway.person(two_factor=False)
    form.sign_in(person)
    (cookie,) = page.context.cookies()
    gateway.caller().send("POST", "/auth/logout", {"refresh_token": cookie["value"]})
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(form.element).to_contain_text("Your session has ended.")
    watch.expect_status(401, "/auth/refresh")
