"""The texts that the approval page receives, and the URLs that pages may open."""

from __future__ import annotations

import pytest

from shotgrid_login.app_session_launcher import LONGEST_LABEL, app_name, is_approval_url, machine_id


def test_app_name_has_the_host_of_the_page() -> None:
    assert app_name("Studio pages", "pages.studio.example") == "Studio pages at pages.studio.example"


def test_long_app_name_keeps_the_end_of_the_host() -> None:
    label = app_name("Studio pages", "a" * 63 + ".evil.example")
    assert len(label) == LONGEST_LABEL
    assert label.startswith("Studio pages at ...aaa")
    assert label.endswith("a.evil.example")


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36", "Chrome on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/20.0 Safari/605.1",
            "Safari on macOS",
        ),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) Version/20.0 Safari/604.1", "Safari on iPhone"),
        ("Mozilla/5.0 (Linux; Android 17) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "Firefox on Linux"),
        ("<script>alert(1)</script>", "Browser on unknown OS"),
        ("", "Browser on unknown OS"),
    ],
)
def test_machine_is_described_by_words_of_our_own(user_agent: str, expected: str) -> None:
    assert machine_id(user_agent, "203.0.113.7") == f"{expected}, 203.0.113.7"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("2001:db8:1111:2222:3333:4444:5555:6666", "2001:db8:1111:2222:3333:4444:5555:6666"),
        ("fe80::1%<b>", "fe80::1"),
        ("test-invoke-source-ip", "unknown address"),
    ],
)
def test_address_is_shown_only_if_it_is_valid(address: str, expected: str) -> None:
    assert machine_id("", address) == f"Browser on unknown OS, {expected}"


SITE = "https://studio.shotgrid.autodesk.com"


@pytest.mark.parametrize(
    "url",
    [
        f"{SITE}/app_session_request/abc_DEF-123?sticky_id=abc",
        "https://STUDIO.shotgrid.autodesk.com/app_session_request/abc",
        "https://other.shotgunstudio.com/app_session_request/abc/approve",
    ],
)
def test_approval_page_of_the_site_or_the_vendor_can_be_opened(url: str) -> None:
    assert is_approval_url(url, SITE)


@pytest.mark.parametrize(
    "url",
    [
        "http://studio.shotgrid.autodesk.com/app_session_request/abc",
        "https://studio.shotgrid.autodesk.com:444/app_session_request/abc",
        "https://shotgrid.autodesk.com.evil.example/app_session_request/abc",
        "https://evilshotgrid.autodesk.com/app_session_request/abc",
        "https://shotgunstudio.com/app_session_request/abc",
        "https://user@studio.shotgrid.autodesk.com/app_session_request/abc",
        "https://studio.shotgrid.autodesk.com\\@evil.example/app_session_request/abc",
        "https://studio.shotgrid.autodesk.com/app_session_request/../user/login",
        "https://studio.shotgrid.autodesk.com/app_session_request/abc#fragment",
        "https://studio.shotgrid.autodesk.com/app_session_request/",
        "https://studio.shotgrid.autodesk.com/other/abc",
        "https://studio.shotgrid.autodesk.com/app_session_request/abc\n",
        " https://studio.shotgrid.autodesk.com/app_session_request/abc",
        "//studio.shotgrid.autodesk.com/app_session_request/abc",
        "javascript:alert(1)//app_session_request/abc",
        "data:text/html,app_session_request",
        f"{SITE}/app_session_request/{'a' * 300}",
        7,
        ["https://studio.shotgrid.autodesk.com/app_session_request/abc"],
    ],
)
def test_any_other_url_is_rejected(url: object) -> None:
    assert not is_approval_url(url, SITE)
