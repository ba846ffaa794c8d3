"""The first sign-in of a day in Chromium: how long the user waits for each step, with and without the warm-up.

The functions start on local AWS with new processes, without a limit of their processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws, SetupFailed
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.browser import FLAGS, find_chromium, is_warm_up, new_context
from tests.support.client import Gateway
from tests.support.pages import Form, open_form

FUNCTIONS = ("PasswordFunction", "OtpFunction")
STEPS = ("password", "code")


@dataclass
class Waits:
    """The seconds from the click to the next state of the form, by step."""

    password: list[float] = field(default_factory=list)
    code: list[float] = field(default_factory=list)


def first_sign_ins(rounds: int) -> dict[str, Waits]:
    """Return the waits `without` and `with` the warm-up, in turns; raises `SetupFailed`."""
    waits = {"without": Waits(), "with": Waits()}
    with _gateway() as gateway, _chromium() as open_context:
        for number in range(rounds + 1):
            for name, measured in waits.items():
                for function in FUNCTIONS:
                    gateway.aws.kill(function)
                context = open_context()
                times = _sign_in(context, gateway, warms_up=name == "with")
                context.close()
                if number > 0:  # the first round also starts the other functions
                    measured.password.append(times[0])
                    measured.code.append(times[1])
    return waits


@contextmanager
def _gateway() -> Iterator[Gateway]:
    with FakeSite(show=make_show(datetime.now(UTC).date())) as site, LocalAws(forks=False) as aws:
        host = f"{DOMAIN}:{aws.port}"
        domain = {"DomainName": DOMAIN, "CertificateArn": CERTIFICATE, "AllowedOrigins": f"http://{host}"}
        outputs = aws.create({"ShotGridSiteUrl": site.url, **domain})
        yield Gateway(aws, site, outputs, host)


@contextmanager
def _chromium() -> Iterator[Callable[[], BrowserContext]]:
    path = find_chromium()
    if path is None:
        raise SetupFailed("the first sign-in needs Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield lambda: new_context(browser)
        browser.close()


def _sign_in(context: BrowserContext, gateway: Gateway, *, warms_up: bool) -> tuple[float, float]:
    page = context.pages[0]
    if warms_up:
        form = _open_warm(page, gateway)
    else:
        page.route(is_warm_up_url, _answer)
        form = open_form(page, gateway, f"http://{gateway.host}/", "password")
    user = gateway.new_user(two_factor=True)
    form.username.fill(user.login)
    form.password.fill(user.password)
    password = _seconds(form, "code")
    form.code.fill(gateway.site.code(user.login))
    return password, _seconds(form, "signed-in")


def is_warm_up_url(url: str) -> bool:
    """Whether this is a route that a page warms up."""
    return url.endswith(("/auth/password", "/auth/otp"))


def _answer(route: Route) -> None:
    """Answer a warm-up in place of the gateway."""
    if is_warm_up(route.request):
        route.fulfill(status=204)
    else:
        route.continue_()


def _open_warm(page: Page, gateway: Gateway) -> Form:
    """Open the form, and wait until the functions have started, as a user does who types a password."""
    with (
        page.expect_response(lambda one: is_warm_up(one.request) and one.url.endswith("/auth/password")),
        page.expect_response(lambda one: is_warm_up(one.request) and one.url.endswith("/auth/otp")),
    ):
        return open_form(page, gateway, f"http://{gateway.host}/", "password")


def _seconds(form: Form, state: str) -> float:
    """Press the button. Return the seconds until the form has a state."""
    started = time.perf_counter()
    form.submit_button.click()
    form.document.locator(f"shotgrid-login[state={state}]").wait_for()
    return time.perf_counter() - started
