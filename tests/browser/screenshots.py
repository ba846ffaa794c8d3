"""Takes pictures of the example dashboard in all its states: `python -m tests.browser.screenshots FOLDER`.

It takes each picture in light and dark, on a desktop and on a phone. It deploys a local stack for that. The site first
has passwords, and then uses Autodesk Identity.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.browser import DESKTOP, PHONE, chromium
from tests.support.client import Gateway
from tests.support.pages import change_methods, open_form

LOGIN, PASSWORD = "a_username", "a_password"
VIEWPORTS = {"desktop": DESKTOP, "phone": PHONE}


class Pictures:
    """The folder for the pictures, which are numbered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def take(self, page: Page, state: str) -> None:
        self._number += 1
        for device, viewport in VIEWPORTS.items():
            page.set_viewport_size(viewport)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=self._folder / f"{self._number:02d}-{state}-{device}-{scheme}.png")


def walk(page: Page, pictures: Pictures, site: FakeSite, gateway: str) -> None:
    """Go through the states on a site with passwords, and take a picture of each."""
    element = page.locator("shotgrid-login")
    button = element.get_by_role("button", name="Sign in", exact=True)
    page.goto(gateway)
    expect(page.get_by_label("User name")).to_be_visible()
    pictures.take(page, "signed-out")
    page.get_by_label("User name").fill(LOGIN)
    page.get_by_label("Password").fill("not the password")
    button.click()
    expect(element.get_by_role("alert")).not_to_be_empty()
    pictures.take(page, "wrong-password")
    page.get_by_label("Password").fill(PASSWORD)
    site.switch(fault="hold")
    button.click()
    site.held.acquire()
    pictures.take(page, "busy")
    site.switch(fault="")
    site.release()
    expect(page.get_by_label("Code", exact=True)).to_be_visible()
    pictures.take(page, "code")
    page.get_by_label("Code", exact=True).fill("123 456")
    button.click()
    expect(element.get_by_role("alert")).not_to_be_empty()
    pictures.take(page, "wrong-code")
    site.switch(data_fault="hold")
    page.get_by_label("Code", exact=True).fill(site.code(LOGIN))
    button.click()
    expect(page.locator("main[data-state=loading]")).to_be_visible()
    pictures.take(page, "loading")
    site.switch(data_fault="")
    site.release()
    page.reload()
    expect(page.locator("main[data-state=ready]")).to_be_visible()
    pictures.take(page, "dashboard")
    page.get_by_role("searchbox").fill("hbr")
    expect(page.locator("#search-results li").first).to_be_visible()
    pictures.take(page, "search")
    page.get_by_role("searchbox").fill("nobody")
    expect(page.locator("#search-status")).to_contain_text("Nothing")
    page.get_by_label("Late only").check()
    expect(page.locator("#report[aria-busy]")).to_have_count(0)
    page.locator("#report").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#report').scrollIntoView()")
    pictures.take(page, "late-only")
    site.switch(data_fault="503")
    page.get_by_label("Late only").uncheck()
    expect(page.locator("#trouble")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    pictures.take(page, "trouble")
    site.switch(data_fault="")
    element.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    pictures.take(page, "signed-out-again")
    page.route("**/auth/refresh", lambda route: route.abort("connectionreset"))
    page.reload()
    expect(element.get_by_role("button", name="Sign in again")).to_be_visible()
    pictures.take(page, "unreachable")
    page.unroute("**/auth/refresh")


def walk_through_identity(browser: Browser, pictures: Pictures, gateway: Gateway) -> None:
    """Go through the states on a site with Autodesk Identity, and take a picture of each."""
    site, url = gateway.site, f"http://{gateway.host}/"
    user = site.add_user("robin.weber@studio.example", "autodesk password", kind="autodesk")
    site.switch(two_factor=False)
    change_methods(gateway, authentication_method="oxygen")
    page = browser.new_page()
    form = open_form(page, gateway, url, "browser")
    pictures.take(page, "identity")
    form.password_link.click()
    pictures.take(page, "legacy-login")
    form.submit_password(user)
    form.wait_for_state("browser")
    pictures.take(page, "password-not-taken")
    site.switch(request_fault="hold")
    form.browser_button.click()
    site.held.acquire()
    pictures.take(page, "opening")
    site.switch(request_fault="")
    site.release()
    form.wait_for_state("waiting")
    pictures.take(page, "waiting")
    site.switch(poll_fault="503")
    form.come_back()
    expect(form.element).to_contain_text("does not respond")
    pictures.take(page, "waiting-for-the-site")
    site.switch(poll_fault="")
    page.reload()
    form.wait_for_state("waiting")
    site.decline(site.approval_requests[-1].id)
    form.come_back()
    form.wait_for_state("browser")
    pictures.take(page, "declined")
    form.sign_in_with_browser(user)
    expect(page.locator("main[data-state=ready]")).to_be_visible()
    pictures.take(page, "signed-in-with-the-browser")
    form.sign_out(to="browser")
    pictures.take(page, "not-you")
    page.close()

    page = browser.new_page()
    page.add_init_script("window.open = () => null")
    form = open_form(page, gateway, url, "browser")
    form.browser_button.click()
    form.wait_for_state("waiting")
    pictures.take(page, "blocked")
    page.close()
    for method, state in (("oxygen", "password"), ("saml2", "browser")):
        change_methods(gateway, authentication_method=method, launcher="off")
        page = browser.new_page()
        open_form(page, gateway, url, state)
        pictures.take(page, f"{method}-without-launcher")
        page.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with FakeSite(show=make_show(datetime.now(UTC).date())) as site, LocalAws() as aws:
        site.switch(two_factor=True)
        site.add_user(LOGIN, PASSWORD)
        gateway = f"http://{DOMAIN}:{aws.port}"
        settings = {"ShotGridSiteUrl": site.url, "AllowedOrigins": gateway, "DomainName": DOMAIN}
        outputs = aws.deploy(settings | {"CertificateArn": CERTIFICATE})
        with chromium() as browser:
            page = browser.new_page()
            pictures = Pictures(folder)
            walk(page, pictures, site, f"{gateway}/")
            walk_through_identity(browser, pictures, Gateway(aws, site, outputs, host=f"{DOMAIN}:{aws.port}"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m tests.browser.screenshots FOLDER")
    main(Path(sys.argv[1]))
