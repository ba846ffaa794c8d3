"""The sign-in methods of a site, and how long they are used."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shotgrid_login.cached_methods import KNOWN_SECONDS, RETRY_SECONDS, CachedMethods
from shotgrid_login.errors import SiteError, SiteUnavailable
from shotgrid_login.sign_in_methods import Browser, Password, SignInMethods
from shotgrid_login.site import Site
from tests.site.fake_site import FakeSite
from tests.site.faults import GARBAGE
from tests.support.core import Clock
from tests.support.replay import http, replaying


@pytest.fixture
def own_site() -> FakeSite:
    """Return a site whose switches no other test uses. It is not started."""
    return FakeSite()


@pytest.mark.parametrize(
    ("method", "reported", "password"),
    [
        ("default", "default", Password.YES),
        ("ldap", "ldap", Password.YES),
        ("oxygen", "oxygen", Password.LEGACY),
        ("saml2", "saml2", Password.NO),
        ("missing", "unknown", Password.UNKNOWN),
        ("something_new", "unknown", Password.UNKNOWN),
    ],
)
def test_password_depends_on_the_method(own_site: FakeSite, method: str, reported: str, password: Password) -> None:
    own_site.switch(authentication_method=method)
    with own_site:
        found = Site(own_site.url).sign_in_methods()
    assert found == SignInMethods(reported, password, Browser.YES)


@pytest.mark.parametrize(
    ("launcher", "key", "browser"),
    [
        ("on", "present", Browser.YES),
        ("on", "older", Browser.YES),
        ("on", "missing", Browser.NO),
        ("off", "present", Browser.NO),
        ("off", "older", Browser.NO),
        ("absent", "present", Browser.NO),
        ("said_on_but_off", "present", Browser.YES),
        ("unsaid_but_on", "present", Browser.NO),
    ],
)
def test_browser_depends_on_what_the_site_reports(
    own_site: FakeSite, launcher: str, key: str, browser: Browser
) -> None:
    own_site.switch(launcher=launcher, launcher_key=key)
    with own_site:
        assert Site(own_site.url).sign_in_methods().browser is browser


@pytest.mark.parametrize(
    "key",
    [
        "authentication_app_session_launcher_enabled",
        "app_session_launcher_enabled",
        "unified_login_flow2_enabled",
        "unified_login_flow_enabled2",
    ],
)
@pytest.mark.parametrize(("value", "browser"), [(True, Browser.YES), (False, Browser.NO), ("true", Browser.NO)])
def test_every_name_of_the_launcher_counts(key: str, value: object, browser: Browser) -> None:
    assert SignInMethods.from_about({key: value}).browser is browser


def test_newest_name_of_the_launcher_decides() -> None:
    about = {"unified_login_flow2_enabled": True, "authentication_app_session_launcher_enabled": False}
    assert SignInMethods.from_about(about).browser is Browser.NO


def test_embedded_browser_of_desktop_clients_is_not_the_launcher() -> None:
    assert SignInMethods.from_about({"unified_login_flow_enabled": True}).browser is Browser.NO


@pytest.mark.parametrize("response", [*GARBAGE.values(), (200, "application/json", '{"data":[]}')])
def test_unexpected_response_is_an_error(response: tuple[int, str, str]) -> None:
    status, media_type, body = response
    with replaying(http(status, body, [f"content-type: {media_type}"])) as replay, pytest.raises(SiteError):
        Site(replay.url).sign_in_methods()


class Reader:
    """Reads methods, and fails while `error` is set."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None

    def __call__(self) -> SignInMethods:
        self.calls += 1
        if self.error:
            raise self.error
        return SignInMethods("oxygen", Password.LEGACY, Browser.YES)


def cached(read: Callable[[], SignInMethods], clock: Clock, *, offers_browser: bool = True) -> CachedMethods:
    return CachedMethods(read, offers_browser=offers_browser, seconds=clock)


def test_site_is_called_once_in_five_minutes() -> None:
    read, clock = Reader(), Clock()
    methods = cached(read, clock)
    methods.get()
    clock.advance(KNOWN_SECONDS - 1)
    methods.get()
    assert read.calls == 1
    clock.advance(1)
    methods.get()
    assert read.calls == 2


@pytest.mark.parametrize("error", [SiteError("x"), SiteUnavailable("x")])
def test_methods_of_a_site_that_does_not_respond_are_unknown_until_it_does(error: Exception) -> None:
    read, clock = Reader(), Clock()
    read.error = error
    methods = cached(read, clock)
    assert methods.get().is_unknown
    read.error = None
    assert methods.get().is_unknown
    clock.advance(RETRY_SECONDS)
    assert methods.get().method == "oxygen"


def test_browser_is_not_offered_if_the_deployment_does_not_offer_it() -> None:
    assert cached(Reader(), Clock(), offers_browser=False).get().browser is Browser.NO


def test_methods_of_a_silent_site_are_unknown_although_the_deployment_offers_no_browser() -> None:
    read = Reader()
    read.error = SiteUnavailable("x")
    assert cached(read, Clock(), offers_browser=False).get().is_unknown
