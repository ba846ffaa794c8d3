"""A session in the browser: page loads, expiry, outages, and several tabs."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.site.fake_site import Account
from tests.support.browser import Monitor
from tests.support.client import COOKIE, Gateway, expire_access_token, until
from tests.support.pages import (
    FAST_TIMERS,
    SLOW_TIMERS,
    STOPPED_TIMERS,
    TOKEN_SECONDS,
    Form,
    expire_tokens,
    hold,
    open_form,
    pass_time,
    read_site,
    run,
)
from tests.support.proxy import Proxy

SAME_SITE = "pages.login.localhost"
OTHER_SITE = "elsewhere.localhost"
PROJECTS = "/api/v1/entity/projects"

SLACK = 10  # seconds that a response with a new token may take: the gateway sends the seconds that are left

NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
NO_CHANNEL = "delete window.BroadcastChannel"
# On load, a page does not ask the other tabs for their session.
ASKS_NO_TAB = """
BroadcastChannel.prototype.postMessage = ((post) => function (message) {
  if (message.kind !== "ask") post.call(this, message);
})(BroadcastChannel.prototype.postMessage)
"""
# The page misses messages of other tabs while `isDeaf` is true, as a page in the back/forward cache does. They are in
# `missed`, as functions that deliver them.
CAN_BE_DEAF = """
globalThis.missed = [];
const { set } = Object.getOwnPropertyDescriptor(BroadcastChannel.prototype, "onmessage");
Object.defineProperty(BroadcastChannel.prototype, "onmessage", {
  set(receive) {
    set.call(this, (event) => {
      if (globalThis.isDeaf && event.data.kind) missed.push(() => receive(event));
      else receive(event);
    });
  },
});
"""
HEAR = "globalThis.isDeaf = false; missed.splice(0).forEach((deliver) => deliver());"
LEAVES_CACHE = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
START_READ = "globalThis.reading = login.fetch(login.site + values.path).then(({ status }) => status);"
# How many callers wait for a Web Lock of this origin.
WAITING_FOR_LOCK = "navigator.locks.query().then(({ pending }) => pending.length)"
HANDLE = "sessionStorage.getItem(sessionStorage.key(0))"  # with token transport


@pytest.fixture
def running_proxy(proxy: Proxy) -> Iterator[Proxy]:
    proxy.start()
    yield proxy
    proxy.stop()


def open_tab(page: Page, gateway: Gateway, init_script: str = "") -> Form:
    """Open the URL of a page in a new tab of the same browser context."""
    tab = page.context.new_page()
    if init_script:
        tab.add_init_script(init_script)
    tab.goto(page.url)
    return Form(tab, gateway)


def cookie(context: BrowserContext) -> str:
    """Return the handle that the browser holds as a cookie."""
    (only,) = context.cookies()
    return only["value"]


def renew_token(gateway: Gateway, user: Account, page: Page) -> None:
    """Give a page with an expired token a new one. The page's time stands still, so the token does not age."""
    expire_tokens(gateway, user, cookie(page.context), page)
    assert read_site(page) == 200


def store_handle(tab: Page, page: Page, handle: str) -> None:
    """Store a handle in a tab, under the name that the module uses on `page`."""
    name = page.evaluate("sessionStorage.key(0)")
    tab.evaluate("([name, handle]) => sessionStorage.setItem(name, handle)", [name, handle])


def open_tab_with_handle(page: Page, gateway: Gateway, pages_port: int, handle: str, init_script: str) -> Form:
    """Open the URL of a page of another site in a new tab that has a handle in its storage."""
    tab = page.context.new_page()
    tab.add_init_script(init_script)
    tab.goto(f"http://{OTHER_SITE}:{pages_port}/")
    store_handle(tab, page, handle)
    tab.goto(page.url)
    return Form(tab, gateway)


def sign_in_on_another_site(page: Page, monitor: Monitor, gateway: Gateway, pages_port: int) -> tuple[Form, Account]:
    """Sign a new user in on a page of another site, which holds the handle in its storage."""
    monitor.allows_handle = True
    form = open_form(page, gateway, f"http://{OTHER_SITE}:{pages_port}/projects", "password")
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    return form, user


def sessions_of(gateway: Gateway, user: Account) -> list[str]:
    """Return the ids of a user's session rows."""
    key = {"S": f"HumanUser:{user.id}"}
    return [row["id"]["S"] for row in gateway.state.all() if row.get("user_key") == key]


def wait_for_shared_handle(*pages: Page) -> str:
    """Wait until all tabs have the same handle in their storage, and return it."""

    def shared() -> str | None:
        handles = {str(page.evaluate(HANDLE)) for page in pages}
        return handles.pop() if len(handles) == 1 else None

    handle: str = until(shared)
    return handle


# ---- expiry ------------------------------------------------------------------------------------------------


def test_expired_token_is_renewed_without_a_new_sign_in(
    signed_in_form: Form, page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    expect_new_token_for_requests_that_wait_for_one_refresh(page, user, monitor, gateway)
    for refreshes in (2, 3, 4):
        expire_tokens(gateway, user, cookie(page.context), page)
        assert read_site(page) == 200
        assert gateway.site.requests_for(user, "refresh_token") == refreshes
    expect_one_refresh_for_parallel_requests(page, user, monitor, gateway)
    for lifetime, renewed_after in ((600, 570), (40, 20)):
        expect_renewal_shortly_before_the_expiry(page, user, gateway, lifetime, renewed_after)
    signed_in_form.expect_signed_in(user)
    assert monitor.requests_to("/auth/password") == []


def expect_new_token_for_requests_that_wait_for_one_refresh(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    """Expect that a token is replaced that the site has ended, also for a request that waits for that refresh."""
    start_read = "(globalThis.reads ??= []).push(login.fetch(values.url).then(({ status }) => status));"
    gateway.site.end_access_tokens(user)
    gateway.site.switch(user, fault="hold")
    run(page, start_read, url=gateway.site.url + PROJECTS)
    assert gateway.site.held.acquire(timeout=30)
    monitor.expect_status(401, PROJECTS)
    pass_time(page, TOKEN_SECONDS)
    run(page, start_read, url=gateway.site.url + PROJECTS)
    until(lambda: page.evaluate(WAITING_FOR_LOCK) == 1)
    refreshes = len(monitor.requests_to("/auth/refresh"))
    gateway.site.switch(user, fault="")
    gateway.site.release()
    assert page.evaluate("Promise.all(reads)") == [200, 200]
    assert len(monitor.requests_to("/auth/refresh")) == refreshes
    assert gateway.site.requests_for(user, "refresh_token") == 1


def expect_one_refresh_for_parallel_requests(page: Page, user: Account, monitor: Monitor, gateway: Gateway) -> None:
    expire_tokens(gateway, user, cookie(page.context), page)
    refreshes = len(monitor.requests_to("/auth/refresh"))
    site_refreshes = gateway.site.requests_for(user, "refresh_token")
    statuses = page.evaluate(
        """async (path) => {
          const { login } = await import(document.querySelector("script").src.replace("-element", ""));
          const read = async () => (await login.fetch(login.site + path)).status;
          return Promise.all(Array.from({ length: 10 }, read));
        }""",
        PROJECTS,
    )
    assert statuses == [200] * 10
    assert len(monitor.requests_to("/auth/refresh")) == refreshes + 1
    assert gateway.site.requests_for(user, "refresh_token") == site_refreshes + 1


def expect_renewal_shortly_before_the_expiry(
    page: Page, user: Account, gateway: Gateway, lifetime: int, renewed_after: int
) -> None:
    gateway.site.switch(user, expires_in=lifetime)
    renew_token(gateway, user, page)
    refreshes = gateway.site.requests_for(user, "refresh_token")
    expire_access_token(gateway, cookie(page.context))  # from now on the gateway refreshes on every request
    pass_time(page, renewed_after - SLACK)
    assert read_site(page) == 200
    assert gateway.site.requests_for(user, "refresh_token") == refreshes
    pass_time(page, SLACK)
    assert read_site(page) == 200
    assert gateway.site.requests_for(user, "refresh_token") == refreshes + 1


def test_session_that_has_ended_is_shown_as_ended_and_the_next_user_can_sign_in(
    signed_in_form: Form, page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    def expect_end_and_sign_in(next_user: Account) -> None:
        expect(signed_in_form.element).to_contain_text("Your session has ended.")
        expect(signed_in_form.username).to_be_focused()
        signed_in_form.sign_in(next_user)

    # The site rejects the session while the page loads.
    expire_tokens(gateway, user, cookie(page.context))
    gateway.site.switch(user, deactivated="403")
    page.reload()
    signed_in_form.wait_for_state("password")
    monitor.expect_status(401, "/auth/refresh")
    signed_in_form.sign_in(gateway.new_user(two_factor=False))

    gateway.caller().logout(cookie(page.context))
    held_request = hold(page, "**/auth/methods", times=1)
    page.evaluate(LEAVES_CACHE)
    expect(signed_in_form.username).to_be_focused()
    signed_in_form.password.focus()  # the next user is faster than the gateway
    with page.expect_response("**/auth/methods"):
        held_request().continue_()
    run(page, "await login.methods();")
    expect(signed_in_form.password).to_be_focused()
    signed_in_form.username.focus()
    user = gateway.new_user(two_factor=False)
    expect_end_and_sign_in(user)

    gateway.site.switch(user, two_factor=True)
    gateway.site.switch(cors_on_errors=False)
    try:
        assert read_site(page) == "session_ended"  # CORS hides the 401
    finally:
        gateway.site.switch(cors_on_errors=True)
    monitor.expect("blocked by CORS policy", "net::ERR_FAILED")
    expect_end_and_sign_in(gateway.new_user(two_factor=False))

    gateway.state.set(f"session#{cookie(page.context).partition('.')[0]}", idle_expires_at=1)
    pass_time(page, 3 * 3600)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the laptop wakes
    expect_end_and_sign_in(gateway.new_user(two_factor=False))


def test_next_user_sees_nothing_of_the_previous_user_and_ends_only_the_sessions_that_it_wants(
    signed_in_form: Form, page: Page, user: Account, gateway: Gateway
) -> None:
    elsewhere = gateway.caller()
    handle = elsewhere.signed_in(user).body["refresh_token"]
    signed_in_form.sign_out()
    assert elsewhere.refresh(handle).status == 200

    next_user = gateway.new_user(two_factor=False, data_fault="hold")
    signed_in_form.submit_password(next_user)
    signed_in_form.expect_greeting(next_user)
    assert gateway.site.held.acquire(timeout=30)
    expect(signed_in_form.projects).to_be_empty()
    gateway.site.switch(next_user, data_fault="")
    gateway.site.release()
    expect(signed_in_form.projects).not_to_be_empty()
    assert gateway.site.reads_by(next_user) == 1

    next_handle = elsewhere.signed_in(next_user).body["refresh_token"]
    run(page, "await login.signOut({ everywhere: true });")
    signed_in_form.wait_for_state("password")
    assert elsewhere.refresh(next_handle).status == 401
    assert elsewhere.refresh(handle).status == 200


# ---- several tabs ------------------------------------------------------------------------------------------


def test_sign_in_sign_out_and_the_end_of_the_session_reach_the_other_tab(
    form: Form, page: Page, monitor: Monitor, gateway: Gateway
) -> None:
    tab = open_tab(page, gateway)
    tab.wait_for_state("password")
    user = gateway.new_user(two_factor=True)
    tab.sign_in(user)
    form.expect_signed_in(user)
    assert read_site(page) == 200
    page.bring_to_front()  # clicks in a hidden tab take seconds
    form.sign_out()
    tab.wait_for_state("password")
    expect(tab.element).to_contain_text("You are signed out.")
    assert read_site(page) == "signed_out"
    assert read_site(tab.page) == "signed_out"

    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    tab.expect_signed_in(user)
    gateway.site.switch(user, two_factor=True)
    assert read_site(page) == "session_ended"
    monitor.expect_status(401, PROJECTS)
    monitor.expect_status(401, "/auth/refresh")
    for one in (form, tab):
        expect(one.element).to_contain_text("Your session has ended. Sign in to go on.")
    expect(form.username).to_be_focused()
    form.sign_in(user)
    assert read_site(page) == 200


def test_tabs_that_load_with_an_expired_token_cause_one_refresh_at_the_site(
    user: Account, page: Page, context: BrowserContext, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    expire_access_token(gateway, cookie(context))
    gateway.site.switch(user, fault="hold")
    tabs = [page, context.new_page(), context.new_page()]
    for tab in tabs:
        tab.goto(f"http://{SAME_SITE}:{pages_port}/projects", wait_until="commit")
    assert gateway.site.held.acquire(timeout=30)
    until(lambda: page.evaluate(WAITING_FOR_LOCK) == len(tabs) - 1)
    assert len(monitor.requests_to("/auth/refresh")) == 1
    gateway.site.switch(user, fault="")
    gateway.site.release()
    for tab in tabs:
        Form(tab, gateway).expect_signed_in(user)
        assert read_site(tab) == 200
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_tabs_work_in_browsers_without_web_locks_and_broadcast_channels(
    user: Account, context: BrowserContext, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    init_script = f"{NO_LOCKS}; {NO_CHANNEL}"
    first = context.new_page()
    first.add_init_script(init_script)
    open_form(first, gateway, f"http://{SAME_SITE}:{pages_port}/projects", "signed-in").expect_signed_in(user)
    second = open_tab(first, gateway, init_script)
    second.expect_signed_in(user)
    for refreshes in (1, 2):
        expire_tokens(gateway, user, cookie(context), first, second.page)
        assert [read_site(tab) for tab in (first, second.page)] == [200, 200]
        assert gateway.site.requests_for(user, "refresh_token") == refreshes


def test_tabs_of_another_site_share_each_new_handle(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    _, user = sign_in_on_another_site(page, monitor, gateway, pages_port)
    tab = open_tab(page, gateway)
    tab.expect_signed_in(user)  # with the session of the first tab, because its own storage is empty
    with page.context.expect_page() as opened:
        page.evaluate("open(location.href)")  # the new tab starts with a copy of sessionStorage
    duplicate = Form(opened.value, gateway)
    duplicate.expect_signed_in(user)
    tabs = (page, tab.page, duplicate.page)

    # All tabs use one handle through two expiries.
    refreshes = len(monitor.requests_to("/auth/refresh"))
    for expiry in (1, 2):
        expire_shared_handle(gateway, user, *tabs)
        for one in tabs:
            run(one, START_READ, path=PROJECTS)
        assert [one.evaluate("reading") for one in tabs] == [200] * 3
        # The others have received the handle of the tab that had the lock first.
        assert len(monitor.requests_to("/auth/refresh")) == refreshes + expiry
    handle = wait_for_shared_handle(*tabs)
    assert len(sessions_of(gateway, user)) == 1
    assert gateway.caller().refresh(handle).body["refresh_token"] == handle

    # The gateway ends the session of a tab that uses an older handle than the previous one.
    for refreshes, reader in enumerate((tab.page, tab.page, page, page, duplicate.page), start=3):
        expire_shared_handle(gateway, user, *tabs)
        assert read_site(reader) == 200
        assert gateway.site.requests_for(user, "refresh_token") == refreshes
    wait_for_shared_handle(*tabs)
    duplicate.page.reload()
    duplicate.expect_signed_in(user)
    assert [read_site(one) for one in tabs] == [200] * 3
    page.close()
    duplicate.page.close()
    tab.page.reload()
    tab.expect_signed_in(user)


def test_tab_of_another_site_with_an_old_handle_neither_uses_it_nor_ends_the_session_of_another_tab(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    form, user = sign_in_on_another_site(page, monitor, gateway, pages_port)
    old_handle = page.evaluate(HANDLE)
    for _ in range(2):
        expire_tokens(gateway, user, old_handle, page)
        assert read_site(page) == 200
    refreshes = len(monitor.requests_to("/auth/refresh"))
    # The new tab waits for nothing but the other tab, however slow that is.
    tab = open_tab_with_handle(page, gateway, pages_port, old_handle, f"{SLOW_TIMERS} {NO_LOCKS}")
    tab.expect_signed_in(user)
    assert len(monitor.requests_to("/auth/refresh")) == refreshes
    assert read_site(page) == 200
    tab.page.close()

    ended_handle = gateway.caller().signed_in(gateway.new_user(two_factor=False)).body["refresh_token"]
    gateway.caller().logout(ended_handle)
    tab = open_tab_with_handle(page, gateway, pages_port, ended_handle, ASKS_NO_TAB)
    expect(tab.element).to_contain_text("Your session has ended.")
    monitor.expect_status(401, "/auth/refresh")
    form.expect_signed_in(user)
    assert read_site(page) == 200


def expire_shared_handle(gateway: Gateway, user: Account, *pages: Page) -> None:
    """Let the access token of the session expire that these tabs share."""
    expire_tokens(gateway, user, wait_for_shared_handle(*pages), *pages)


def test_tab_of_another_site_that_was_frozen_or_in_the_back_forward_cache_uses_the_newest_handle(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    _, user = sign_in_on_another_site(page, monitor, gateway, pages_port)
    tab = open_tab(page, gateway, CAN_BE_DEAF)
    tab.expect_signed_in(user)

    def renew_in_page(times: int) -> None:
        for _ in range(times):
            expire_shared_handle(gateway, user, page)
            assert read_site(page) == 200

    pass_time(tab.page, 4 * TOKEN_SECONDS)
    devtools = page.context.new_cdp_session(tab.page)
    devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    renew_in_page(4)
    refreshes = len(monitor.requests_to("/auth/refresh"))
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    assert read_site(tab.page) == 200
    assert len(monitor.requests_to("/auth/refresh")) == refreshes
    wait_for_shared_handle(page, tab.page)
    for reader in (tab.page, page):
        expire_shared_handle(gateway, user, page, tab.page)
        assert read_site(reader) == 200

    wait_for_shared_handle(page, tab.page)
    pass_time(tab.page, TOKEN_SECONDS)
    tab.page.evaluate("globalThis.isDeaf = true")
    renew_in_page(2)
    tab.page.evaluate(f"globalThis.isDeaf = false; {LEAVES_CACHE}")
    assert read_site(tab.page) == 200
    wait_for_shared_handle(page, tab.page)
    assert read_site(page) == 200


def test_tabs_without_locks_agree_on_one_of_two_handles_with_the_same_expiry(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    monitor.allows_handle = True
    first = page.context.new_page()
    first.add_init_script(NO_LOCKS + CAN_BE_DEAF)
    form = open_form(first, gateway, f"http://{OTHER_SITE}:{pages_port}/projects", "password")
    user = gateway.new_user(two_factor=False)
    form.sign_in(user)
    second = open_tab(first, gateway, NO_LOCKS + CAN_BE_DEAF).page
    Form(second, gateway).expect_signed_in(user)
    tabs = (first, second)
    expire_shared_handle(gateway, user, *tabs)
    now = max(tab.evaluate("Date.now()") for tab in tabs)
    for tab in tabs:
        tab.evaluate("(now) => { Date.now = () => now; globalThis.isDeaf = true; }", now)
    assert [read_site(tab) for tab in tabs] == [200, 200]
    assert first.evaluate(HANDLE) != second.evaluate(HANDLE)
    for tab in tabs:
        tab.evaluate(HEAR)
    for reader in tabs:
        expire_shared_handle(gateway, user, *tabs)
        assert read_site(reader) == 200


def test_sign_out_is_final_for_a_tab_that_receives_an_older_response_later(
    signed_in_form: Form, page: Page, context: BrowserContext, gateway: Gateway
) -> None:
    loading = context.new_page()
    loading.add_init_script(f"{NO_LOCKS}; {ASKS_NO_TAB}")
    held_request = hold(loading, "**/auth/refresh")
    loading.goto(page.url)
    request = held_request()
    origin = page.evaluate("location.origin")
    older = gateway.caller(origin=origin, cookie=f"{COOKIE}={cookie(context)}").send("POST", "/auth/refresh", {})
    assert older.status == 200
    page.bring_to_front()  # clicks in a hidden tab take seconds
    signed_in_form.sign_out()
    headers = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    request.fulfill(status=200, headers=headers, body=older.text)
    Form(loading, gateway).wait_for_state("password")
    assert signed_in_form.wait_for_state("password", "signed-in") == "password"


# ---- outages -----------------------------------------------------------------------------------------------


def test_session_survives_a_lost_network_invalid_responses_and_an_unavailable_site(
    signed_in_form: Form, page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    page.evaluate(FAST_TIMERS)
    expire_tokens(gateway, user, cookie(page.context), page)
    page.context.set_offline(True)
    assert read_site(page) == "unreachable"
    monitor.expect("net::ERR_INTERNET_DISCONNECTED")
    signed_in_form.expect_signed_in(user)
    page.context.set_offline(False)
    assert read_site(page) == 200

    expire_tokens(gateway, user, cookie(page.context), page)
    expect_session_despite_invalid_responses(signed_in_form, page, user)
    assert read_site(page) == 200

    expire_tokens(gateway, user, cookie(page.context), page)
    gateway.site.switch(user, fault="503")
    assert read_site(page) == "site_unavailable"
    monitor.expect_status(503, "/auth/refresh")
    signed_in_form.expect_signed_in(user)
    gateway.site.switch(user, fault="")
    assert read_site(page) == 200
    expect_use_until_expiry_of_a_token_that_cannot_be_renewed(page, user, monitor, gateway)


def expect_session_despite_invalid_responses(form: Form, page: Page, user: Account) -> None:
    origin = page.evaluate("location.origin")
    headers = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}

    def fulfill(body: str, route: Route) -> None:
        route.fulfill(status=200, headers=headers, body=body)

    for body in ("", "<html>", "{}", "[1]", "null"):
        page.route("**/auth/refresh", functools.partial(fulfill, body))
        assert read_site(page) == "unreachable", body
        form.expect_signed_in(user)
        page.unroute("**/auth/refresh")


def expect_use_until_expiry_of_a_token_that_cannot_be_renewed(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    renew_token(gateway, user, page)
    refreshes = len(monitor.requests_to("/auth/refresh"))
    expire_access_token(gateway, cookie(page.context))
    gateway.site.switch(user, fault="503")
    pass_time(page, TOKEN_SECONDS - SLACK)
    assert read_site(page) == 200
    assert len(monitor.requests_to("/auth/refresh")) == refreshes + 3
    pass_time(page, SLACK)
    assert read_site(page) == "site_unavailable"


def test_session_survives_a_gateway_that_is_down_for_a_while(
    user: Account, context: BrowserContext, monitor: Monitor, gateway: Gateway, pages_port: int, running_proxy: Proxy
) -> None:
    page = context.new_page()
    page.add_init_script(FAST_TIMERS)
    form = open_form(page, gateway, f"http://{SAME_SITE}:{pages_port}/proxy/projects", "signed-in")
    form.expect_signed_in(user)
    running_proxy.stop()
    monitor.expect_no_connection()
    assert read_site(page) == 200  # the token is still valid

    form.sign_out_button.click()
    expect(form.problem).to_contain_text("cannot be reached")
    form.expect_signed_in(user)  # because the gateway still has the session

    page.goto(page.url)  # the modules come from the browser's cache
    form.wait_for_state("unreachable")
    expect(form.problem).to_contain_text("cannot be reached")
    expect(form.username).to_be_hidden()
    running_proxy.start()
    form.expect_signed_in(user)
    expect(form.problem).to_be_empty()

    expect_end_of_the_wait_by_the_user_and_by_the_network(form, page, user, running_proxy)


def expect_end_of_the_wait_by_the_user_and_by_the_network(
    form: Form, page: Page, user: Account, running_proxy: Proxy
) -> None:
    page.add_init_script(STOPPED_TIMERS)  # no wait ends by itself
    running_proxy.stop()
    page.goto(page.url)
    retry = page.get_by_role("button", name="Try again")
    for _ in range(2):
        with page.expect_event("requestfailed"):
            retry.click()
        expect(retry).to_have_attribute("aria-disabled", "false")
    running_proxy.start()
    retry.click()
    form.expect_signed_in(user)

    running_proxy.stop()
    page.goto(page.url)
    form.wait_for_state("unreachable")
    running_proxy.start()
    page.evaluate("dispatchEvent(new Event('online'))")
    form.expect_signed_in(user)


# ---- a way out ---------------------------------------------------------------------------------------------


def test_user_signs_in_again_while_the_site_does_not_renew_the_session(
    page: Page, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    form, user = sign_in_on_another_site(page, monitor, gateway, pages_port)
    expire_tokens(gateway, user, page.evaluate(HANDLE))
    gateway.site.switch(user, fault="moved")
    page.reload()
    form.wait_for_state("unreachable")
    expect(form.problem).not_to_be_empty()
    form.sign_in_again_button.click()
    form.wait_for_state("password")
    expect(form.problem).to_be_empty()
    expect(form.username).to_be_focused()
    assert len(sessions_of(gateway, user)) == 1
    other = gateway.new_user(two_factor=True)
    form.sign_in(other)
    assert sessions_of(gateway, user) == []  # the sign-in has replaced it
    assert read_site(page) == 200
    monitor.expect_status(502, "/auth/refresh")


def test_session_that_is_found_late_does_not_replace_the_form(
    user: Account, context: BrowserContext, monitor: Monitor, gateway: Gateway, pages_port: int
) -> None:
    expire_tokens(gateway, user, cookie(context))
    gateway.site.switch(user, fault="503")
    page = context.new_page()
    page.add_init_script(STOPPED_TIMERS)
    form = open_form(page, gateway, f"http://{SAME_SITE}:{pages_port}/projects", "unreachable")
    monitor.expect_status(503, "/auth/refresh")
    gateway.site.switch(user, fault="hold")
    page.get_by_role("button", name="Try again").click()
    assert gateway.site.held.acquire(timeout=30)
    form.sign_in_again_button.click()
    form.wait_for_state("password")
    gateway.site.switch(user, fault="")
    with page.expect_response("**/auth/refresh"):
        gateway.site.release()
    assert run(page, "await login.restored; return login.state;") == "signed_out"
    assert form.wait_for_state("password", "signed-in") == "password"
