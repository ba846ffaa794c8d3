"""A session in the browser: over reloads, expiry, sleep, outages and many tabs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Watch
from tests.support.client import COOKIE, Gateway, expire_access_token, until
from tests.support.pages import Form, stop_the_clock
from tests.support.proxy import Proxy

OTHER_SITE = "elsewhere.localhost"

# Reads the site with the module that the page has loaded, and returns the status or the error's code.
READ = """
async (path) => {
  const { login } = await import(document.querySelector("script").src.replace("-element", ""));
  return login.fetch(login.site + path).then((response) => response.status, (error) => error.code ?? String(error));
}
"""
PROJECTS = "/api/v1/entity/projects"
NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
NO_CHANNEL = "delete window.BroadcastChannel"
ASKS_NOBODY = """
BroadcastChannel.prototype.postMessage = ((post) => function (message) {
  if (message.kind !== "ask") post.call(this, message);
})(BroadcastChannel.prototype.postMessage)
"""


def read(page: Page, path: str = PROJECTS) -> Any:
    return page.evaluate(READ, path)


@pytest.fixture
def running_proxy(proxy: Proxy) -> Iterator[Proxy]:
    proxy.start()
    yield proxy
    proxy.stop()


def test_tokens_that_expire_while_the_page_is_used_are_renewed_unseen(
    form: Form, page: Page, watch: Watch, gateway: Gateway
) -> None:
    user = gateway.new_user(two_factor=True, expires_in=3)
    watch.tolerate_expiry()
    form.sign_in(user)
    until(lambda: (read(page) == 200) and gateway.site.requests_for(user, "refresh_token") >= 3)
    form.expect_signed_in(user)
    assert len(watch.asked("/auth/password")) == 1


def test_requests_at_once_on_an_expired_token_make_one_refresh(form: Form, page: Page, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    page.clock.install()
    page.clock.fast_forward("00:11:00")
    expire_access_token(gateway, page.context.cookies()[0]["value"])
    statuses = page.evaluate(f"path => Promise.all(Array.from({{ length: 10 }}, () => ({READ})(path)))", PROJECTS)
    assert statuses == [200] * 10
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_ten_tabs_on_an_expired_token_make_one_refresh(
    form: Form, page: Page, context: BrowserContext, watch: Watch, gateway: Gateway
) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    address = page.url
    page.goto("about:blank")  # no tab is left that could share its token
    expire_access_token(gateway, context.cookies()[0]["value"])
    before = len(watch.asked("/auth/refresh"))
    tabs = [context.new_page() for _ in range(10)]
    for tab in tabs:
        tab.goto(address, wait_until="commit")
    for tab in tabs:
        Form(tab, gateway).expect_signed_in(user)
        assert read(tab) == 200
    assert gateway.site.requests_for(user, "refresh_token") == 1
    assert len(watch.asked("/auth/refresh")) - before < len(tabs)  # most have it from another tab


@pytest.mark.parametrize("lacks", [NO_LOCKS, NO_CHANNEL, f"{NO_LOCKS}; {NO_CHANNEL}"])
def test_it_works_in_browsers_that_lack_what_tabs_share(
    context: BrowserContext, page: Page, watch: Watch, gateway: Gateway, pages_port: int, lacks: str
) -> None:
    context.add_init_script(lacks)
    page.goto(f"http://pages.login.localhost:{pages_port}/projects")
    user = gateway.new_user(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    Form(page, gateway).sign_in(user)
    tabs = [context.new_page() for _ in range(3)]
    for tab in tabs:
        tab.goto(page.url)
        Form(tab, gateway).expect_signed_in(user)
    until(lambda: all(read(tab) == 200 for tab in tabs) and gateway.site.requests_for(user, "refresh_token") >= 2)


def test_signing_out_in_one_tab_signs_out_the_others(form: Form, context: BrowserContext, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    tab = context.new_page()
    tab.goto(form.page.url)
    other = Form(tab, gateway)
    other.expect_signed_in(user)
    other.sign_out.click()
    expect(form.element).to_contain_text("You are signed out.")
    expect(form.username).to_be_visible()
    assert read(form.page) == "signed_out"
    assert read(tab) == "signed_out"


def test_signing_in_in_one_tab_signs_in_the_others(form: Form, context: BrowserContext, gateway: Gateway) -> None:
    tab = context.new_page()
    tab.goto(form.page.url)
    expect(Form(tab, gateway).username).to_be_visible()
    user = gateway.new_user(two_factor=True)
    form.sign_in(user)
    Form(tab, gateway).expect_signed_in(user)
    assert read(tab) == 200


def test_tabs_of_another_site_share_the_session_that_each_could_lose(
    context: BrowserContext, page: Page, watch: Watch, gateway: Gateway, pages_port: int
) -> None:
    watch.may_hold_a_handle = True
    page.goto(f"http://{OTHER_SITE}:{pages_port}/projects")
    user = gateway.new_user(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    Form(page, gateway).sign_in(user)
    tab = context.new_page()
    tab.goto(page.url)
    Form(tab, gateway).expect_signed_in(user)  # asked the first one, as its own storage is empty
    # The handle rotates with every refresh; a tab that kept an old one would end the session of both.
    until(lambda: read(tab) == 200 and gateway.site.requests_for(user, "refresh_token") >= 3)
    until(lambda: read(page) == 200 and gateway.site.requests_for(user, "refresh_token") >= 6)
    page.close()
    tab.reload()
    Form(tab, gateway).expect_signed_in(user)


def test_a_duplicated_tab_of_another_site_does_not_end_the_session(
    context: BrowserContext, page: Page, watch: Watch, gateway: Gateway, pages_port: int
) -> None:
    watch.may_hold_a_handle = True
    page.goto(f"http://{OTHER_SITE}:{pages_port}/projects")
    user = gateway.new_user(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    Form(page, gateway).sign_in(user)
    with context.expect_page() as opened:
        page.evaluate("open(location.href)")  # takes a copy of sessionStorage along
    copy = opened.value
    Form(copy, gateway).expect_signed_in(user)
    until(lambda: read(page) == 200 and gateway.site.requests_for(user, "refresh_token") >= 3)
    copy.reload()
    Form(copy, gateway).expect_signed_in(user)
    assert read(copy) == 200
    assert read(page) == 200


def test_two_factor_switched_on_under_a_signed_in_person(
    form: Form, context: BrowserContext, watch: Watch, gateway: Gateway
) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    tab = context.new_page()
    tab.goto(form.page.url)
    Form(tab, gateway).expect_signed_in(user)
    gateway.site.switch(user, two_factor=True)
    assert read(form.page) == "session_ended"
    watch.expect_status(401, PROJECTS)
    watch.expect_status(401, "/auth/refresh")
    for one in (form, Form(tab, gateway)):
        expect(one.element).to_contain_text("Your session has ended. Sign in to go on.")
    form.sign_in(user)
    assert read(form.page) == 200


def test_the_same_on_a_site_whose_refusal_no_page_can_read(form: Form, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    gateway.site.switch(user, two_factor=True)
    gateway.site.switch(cors_on_errors=False)
    try:
        assert read(form.page) == "session_ended"
    finally:
        gateway.site.switch(cors_on_errors=True)
    watch.expect("blocked by CORS policy", "net::ERR_FAILED")
    watch.expect_status(401, "/auth/refresh")
    expect(form.element).to_contain_text("Your session has ended.")


def test_a_token_that_the_site_ends_early_is_replaced_unseen(
    form: Form, page: Page, watch: Watch, gateway: Gateway
) -> None:
    user = gateway.new_user(two_factor=False, expires_in=600)
    form.sign_in(user)
    gateway.site.end_access_tokens(user)
    assert read(page) == 200
    watch.expect_status(401, PROJECTS)
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_a_laptop_that_slept_past_expiry(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    form.sign_in(user)
    page.clock.install()
    page.clock.fast_forward("01:30:00")
    assert read(page) == 200
    form.expect_signed_in(user)


def test_a_laptop_that_slept_past_the_end_of_the_session(
    form: Form, page: Page, watch: Watch, gateway: Gateway
) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    (cookie,) = page.context.cookies()
    gateway.state.set(f"session#{cookie['value'].partition('.')[0]}", idle_expires_at=1)
    page.clock.install()
    page.clock.fast_forward("03:00:00")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the lid is opened
    expect(form.element).to_contain_text("Your session has ended.")
    watch.expect_status(401, "/auth/refresh")
    form.sign_in(user)


def test_a_lost_network_costs_nothing(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    form.sign_in(user)
    page.context.set_offline(True)
    assert read(page) == "unreachable"
    watch.expect("net::ERR_INTERNET_DISCONNECTED")
    form.expect_signed_in(user)
    page.context.set_offline(False)
    assert read(page) == 200


def test_a_site_that_is_down_for_a_while_costs_nothing(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False, expires_in=3)
    watch.tolerate_expiry()
    form.sign_in(user)
    gateway.site.switch(user, fault="503")
    until(lambda: read(page) == "site_unavailable")
    watch.expect_status(503, "/auth/refresh")
    form.expect_signed_in(user)
    gateway.site.switch(user, fault="")
    assert read(page) == 200


def test_a_gateway_that_is_down_and_up_again(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int, running_proxy: Proxy
) -> None:
    page.goto(f"http://pages.login.localhost:{pages_port}/proxy/projects")
    form = Form(page, gateway)
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    running_proxy.stop()
    watch.expect_down()
    assert read(page) == 200  # the token is still good

    form.sign_out.click()
    expect(form.problem).to_contain_text("cannot be reached")
    form.expect_signed_in(user)  # as the gateway still has the session, it says so

    page.goto(page.url)  # the modules come from the browser's cache
    expect(form.problem).to_contain_text("cannot be reached")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(form.username).to_be_hidden()
    running_proxy.start()
    form.expect_signed_in(user)
    expect(form.problem).to_be_empty()


def test_try_again_does_not_wait(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int, running_proxy: Proxy
) -> None:
    page.goto(f"http://pages.login.localhost:{pages_port}/proxy/projects")
    form = Form(page, gateway)
    expect(form.username).to_be_visible()
    stop_the_clock(page)  # from here on nothing but the button can end a wait
    running_proxy.stop()
    watch.expect_down()
    page.goto(page.url)
    retry = page.get_by_role("button", name="Try again")
    for _ in range(2):
        with page.expect_event("requestfailed"):
            retry.click()
        expect(retry).to_have_attribute("aria-disabled", "false")
    running_proxy.start()
    retry.click()
    expect(form.username).to_be_visible()


def test_back_from_the_back_forward_cache_it_asks_again(form: Form, page: Page, watch: Watch, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    (cookie,) = page.context.cookies()
    gateway.caller().send("POST", "/auth/logout", {"refresh_token": cookie["value"]})
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(form.element).to_contain_text("Your session has ended.")
    watch.expect_status(401, "/auth/refresh")


def test_a_network_that_comes_back_ends_the_wait(
    page: Page, watch: Watch, gateway: Gateway, pages_port: int, running_proxy: Proxy
) -> None:
    page.goto(f"http://pages.login.localhost:{pages_port}/proxy/projects")
    form = Form(page, gateway)
    expect(form.username).to_be_visible()
    stop_the_clock(page)
    running_proxy.stop()
    watch.expect_down()
    page.goto(page.url)
    expect(form.problem).to_contain_text("cannot be reached")
    running_proxy.start()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(form.username).to_be_visible()


def test_a_token_is_renewed_before_it_expires(form: Form, page: Page, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    page.clock.install()
    page.clock.fast_forward("09:40")  # of ten minutes
    expire_access_token(gateway, page.context.cookies()[0]["value"])
    assert read(page) == 200
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_a_token_that_is_still_good_is_used_while_it_cannot_be_renewed(
    form: Form, page: Page, watch: Watch, gateway: Gateway
) -> None:
    user = gateway.new_user(two_factor=False)
    now = time.time()
    page.clock.set_fixed_time(now)
    form.sign_in(user)
    expire_access_token(gateway, page.context.cookies()[0]["value"])
    gateway.site.switch(user, fault="503")
    page.clock.set_fixed_time(now + 580)  # of ten minutes, however long the tries take
    answered = page.evaluate(f"path => {{ globalThis.response = ({READ})(path) }}", PROJECTS)
    assert answered is None
    watch.expect_status(503, "/auth/refresh")
    for _ in range(2):  # the waits between its three tries
        with page.expect_response("**/auth/refresh"):
            page.clock.run_for(5_500)
    assert page.evaluate("response") == 200


@pytest.mark.parametrize("body", ["", "<html>", "{}", "[1]", "null"])
def test_an_answer_that_is_lost_or_somebody_elses_does_not_end_the_session(
    form: Form, page: Page, gateway: Gateway, body: str
) -> None:
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    origin = page.evaluate("location.origin")
    shared = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    page.route("**/auth/refresh", lambda route: route.fulfill(status=200, headers=shared, body=body))
    page.clock.install()
    page.clock.fast_forward("11:00")
    page.evaluate(f"path => {{ globalThis.response = ({READ})(path) }}", PROJECTS)
    for _ in range(2):
        with page.expect_response("**/auth/refresh"):
            page.clock.run_for(3_000)
    assert page.evaluate("response") == "unreachable"
    form.expect_signed_in(user)
    page.unroute("**/auth/refresh")
    assert read(page) == 200


def test_one_lost_request_and_then_another_is_no_origin_that_is_refused(
    form: Form, page: Page, watch: Watch, gateway: Gateway
) -> None:
    page.clock.install()
    lost = 2

    def lose(route: Route) -> None:
        nonlocal lost
        lost -= 1
        if lost >= 0:
            route.abort("connectionreset")
        else:
            route.fallback()

    page.route("**/auth/refresh", lose)
    watch.expect("net::ERR_CONNECTION_RESET")
    page.goto(page.url)
    expect(form.username.or_(page.get_by_text("cannot be reached")).first).to_be_visible()
    page.clock.run_for(2_000)
    expect(form.username).to_be_visible()


def test_the_end_of_an_old_session_is_not_that_of_the_one_that_goes_on(
    context: BrowserContext, page: Page, watch: Watch, gateway: Gateway, pages_port: int
) -> None:
    watch.may_hold_a_handle = True
    page.goto(f"http://{OTHER_SITE}:{pages_port}/projects")
    user = gateway.new_user(two_factor=False)
    Form(page, gateway).sign_in(user)
    old = gateway.caller().signed_in(gateway.new_user(two_factor=False)).body["refresh_token"]
    gateway.caller().logout(old)
    tab = context.new_page()
    tab.goto(f"http://{OTHER_SITE}:{pages_port}/")
    name = page.evaluate("sessionStorage.key(0)")
    tab.evaluate("([name, handle]) => sessionStorage.setItem(name, handle)", [name, old])
    context.add_init_script(ASKS_NOBODY)
    tab.goto(f"http://{OTHER_SITE}:{pages_port}/projects")
    expect(Form(tab, gateway).element).to_contain_text("Your session has ended.")
    watch.expect_status(401, "/auth/refresh")
    Form(page, gateway).expect_signed_in(user)
    assert read(page) == 200


def test_signing_out_is_not_undone_by_a_tab_that_was_just_loading(
    context: BrowserContext, form: Form, page: Page, gateway: Gateway
) -> None:
    context.add_init_script(NO_LOCKS)
    page.reload()
    form.sign_in(gateway.new_user(two_factor=False))
    context.add_init_script(ASKS_NOBODY)
    tab = context.new_page()
    held: list[Route] = []
    tab.route("**/auth/refresh", lambda route: held.append(route))
    tab.goto(page.url)
    until(lambda: tab.evaluate("1") and held)
    origin = page.evaluate("location.origin")
    cookie = f"{COOKIE}={context.cookies()[0]['value']}"
    response = gateway.caller(origin=origin, cookie=cookie).send("POST", "/auth/refresh", {})
    assert response.status == 200  # made before the sign-out, and late
    form.sign_out.click()
    expect(form.username).to_be_visible()
    shared = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    held[0].fulfill(status=200, headers=shared, body=response.text)
    expect(Form(tab, gateway).username).to_be_visible()
    expect(form.element).to_have_attribute("state", "password")


def test_the_next_person_sees_nothing_of_the_one_before(form: Form, page: Page, gateway: Gateway) -> None:
    form.sign_in(gateway.new_user(two_factor=False))
    form.sign_out.click()
    other = gateway.new_user(two_factor=False, data_fault="hold")
    form.give(other)
    form.expect_greeting(other)
    assert gateway.site.held.acquire(timeout=30)
    expect(form.projects).to_be_empty()
    gateway.site.switch(other, data_fault="")
    gateway.site.release()
    expect(form.projects).not_to_be_empty()
    assert gateway.site.reads_by(other) == 1
