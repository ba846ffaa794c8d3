"""The first sign-in of a day in Chromium: how long the user waits for each step, with and without the warm-up.

The functions start on local AWS with new processes, without a limit of their processor.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from playwright.sync_api import BrowserContext, Page, Response

from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.browser import chromium, is_warm_up, new_context
from tests.support.client import Gateway
from tests.support.pages import Form, open_form

# The function of each step. Its route warms it up.
FUNCTIONS = {"password": "PasswordFunction", "otp": "OtpFunction"}


def first_sign_ins(rounds: int) -> Mapping[str, Mapping[str, list[float]]]:
    """Return the seconds of each step, `without` and `with` the warm-up, in turns; raises `SetupFailed`."""
    seconds = {name: {step: list[float]() for step in FUNCTIONS} for name in ("without", "with")}
    with _gateway() as gateway, chromium() as browser:
        for number in range(rounds + 1):
            for name, measured in seconds.items():
                for function in FUNCTIONS.values():
                    gateway.aws.kill(function)
                context = new_context(browser)
                times = _sign_in(context, gateway, warms_up=name == "with")
                context.close()
                if number > 0:  # the first round also starts the other functions
                    for step in FUNCTIONS:
                        measured[step].append(times[step])
    return seconds


@contextmanager
def _gateway() -> Iterator[Gateway]:
    with FakeSite(show=make_show(datetime.now(UTC).date())) as site, LocalAws(forks=False) as aws:
        host = f"{DOMAIN}:{aws.port}"
        domain = {"DomainName": DOMAIN, "CertificateArn": CERTIFICATE, "AllowedOrigins": f"http://{host}"}
        outputs = aws.create({"ShotGridSiteUrl": site.url, **domain})
        yield Gateway(aws, site, outputs, host)


def _sign_in(context: BrowserContext, gateway: Gateway, *, warms_up: bool) -> dict[str, float]:
    page = context.pages[0]
    if not warms_up:  # no warm-up reaches the gateway
        page.route("**/auth/{password,otp}", lambda route: route.fulfill(status=204))
    form = _open_form(page, gateway)
    page.unroute_all()
    user = gateway.new_user(two_factor=True)
    form.username.fill(user.login)
    form.password.fill(user.password)
    password = _seconds(form, "code")
    form.code.fill(gateway.site.code(user.login))
    return {"password": password, "otp": _seconds(form, "signed-in")}


def _open_form(page: Page, gateway: Gateway) -> Form:
    """Open the form, and wait for the responses to the warm-up. A user needs longer to type a password."""

    def is_response(response: Response, step: str) -> bool:
        return is_warm_up(response.request) and response.url.endswith(f"/auth/{step}")

    with (
        page.expect_response(lambda response: is_response(response, "password")),
        page.expect_response(lambda response: is_response(response, "otp")),
    ):
        return open_form(page, gateway, f"http://{gateway.host}/", "password")


def _seconds(form: Form, state: str) -> float:
    """Press the button. Return the seconds until the form has a state."""
    started = time.perf_counter()
    form.submit_button.click()
    form.document.locator(f"shotgrid-login[state={state}]").wait_for()
    return time.perf_counter() - started
