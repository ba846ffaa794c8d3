"""Takes pictures of the example dashboard in all its states: `python -m tests.browser.screenshots FOLDER`.

It takes each picture in light and dark, on a desktop and on a phone. It deploys a local stack for that.
"""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.browser import DESKTOP, FLAGS, PHONE

LOGIN, PASSWORD = "a_username", "a_password"
VIEWPORTS = {"desktop": DESKTOP, "phone": PHONE}


class Pictures:
    """A page, and the folder for the pictures of its states."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._number = 0

    def take(self, state: str) -> None:
        self._number += 1
        for device, viewport in VIEWPORTS.items():
            self._page.set_viewport_size(viewport)
            for scheme in ("light", "dark"):
                self._page.emulate_media(color_scheme=scheme)
                self._page.screenshot(path=self._folder / f"{self._number:02d}-{state}-{device}-{scheme}.png")


def walk(page: Page, pictures: Pictures, site: FakeSite, gateway: str) -> None:
    """Go through the states, and take a picture of each."""
    element = page.locator("shotgrid-login")
    button = element.get_by_role("button", name="Sign in")
    page.goto(gateway)
    expect(page.get_by_label("User name")).to_be_visible()
    pictures.take("signed-out")
    page.get_by_label("User name").fill(LOGIN)
    page.get_by_label("Password").fill("not the password")
    button.click()
    expect(element.get_by_role("alert")).not_to_be_empty()
    pictures.take("wrong-password")
    page.get_by_label("Password").fill(PASSWORD)
    site.switch(fault="hold")
    button.click()
    site.held.acquire()
    pictures.take("busy")
    site.switch(fault="")
    site.release()
    expect(page.get_by_label("Code", exact=True)).to_be_visible()
    pictures.take("code")
    page.get_by_label("Code", exact=True).fill("123 456")
    button.click()
    expect(element.get_by_role("alert")).not_to_be_empty()
    pictures.take("wrong-code")
    site.switch(data_fault="hold")
    page.get_by_label("Code", exact=True).fill(site.code(LOGIN))
    button.click()
    expect(page.locator("main[data-state=loading]")).to_be_visible()
    pictures.take("loading")
    site.switch(data_fault="")
    site.release()
    page.reload()
    expect(page.locator("main[data-state=ready]")).to_be_visible()
    pictures.take("dashboard")
    page.get_by_role("searchbox").fill("hbr")
    expect(page.locator("#search-results li").first).to_be_visible()
    pictures.take("search")
    page.get_by_role("searchbox").fill("nobody")
    expect(page.locator("#search-status")).to_contain_text("Nothing")
    page.get_by_label("Late only").check()
    expect(page.locator("#report[aria-busy]")).to_have_count(0)
    page.locator("#report").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#report').scrollIntoView()")
    pictures.take("late-only")
    site.switch(data_fault="503")
    page.get_by_label("Late only").uncheck()
    expect(page.locator("#trouble")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    pictures.take("trouble")
    site.switch(data_fault="")
    element.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    pictures.take("signed-out-again")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with FakeSite(show=make_show(datetime.now(UTC).date())) as site, LocalAws() as aws:
        site.switch(two_factor=True)
        site.add_user(LOGIN, PASSWORD)
        gateway = f"http://{DOMAIN}:{aws.port}"
        settings = {"ShotGridSiteUrl": site.url, "AllowedOrigins": gateway, "DomainName": DOMAIN}
        aws.deploy(settings | {"CertificateArn": CERTIFICATE})
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page()
            walk(page, Pictures(page, folder), site, f"{gateway}/")
            browser.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m tests.browser.screenshots FOLDER")
    main(Path(sys.argv[1]))
