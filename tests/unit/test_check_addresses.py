"""Addresses on the command line of `shotgrid-login check`."""

from __future__ import annotations

import pytest

from shotgrid_login_ops.check import addresses
from shotgrid_login_ops.check.addresses import InvalidAddress


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("studio.shotgrid.autodesk.com", "Use https://studio.shotgrid.autodesk.com"),
        ("studio.shotgrid.autodesk.com/page/1", "Use https://studio.shotgrid.autodesk.com"),
        ("https://studio.shotgrid.autodesk.com/page/1", "Use https://studio.shotgrid.autodesk.com"),
        ("http://studio.shotgrid.autodesk.com", "Use https://studio.shotgrid.autodesk.com"),
        ("http://site.localhost:8001", "unless its host is localhost or 127.0.0.1"),
        ("https://me:hunter2@studio.shotgrid.autodesk.com", "before the @"),
        ("me:hunter2@studio.shotgrid.autodesk.com", "before the @"),
        ("https://studio.shotgrid.autodesk.com?password=hunter2", "? or #"),
        ("me:hunter2", "Use one like https://"),
        ("https://", "Use one like https://"),
        ("https://studio.shotgrid.autodesk.com:99999", "Use one like https://"),
        ("https://studio.shotgrid.autodesk.com:0", "Use one like https://"),
        ("ftp://studio.shotgrid.autodesk.com", "Use one like https://"),
        ("my studio", "Use one like https://"),
        ("", "Use one like https://"),
    ],
)
def test_invalid_site_is_rejected_with_a_valid_one_and_without_its_password(text: str, message: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        addresses.site_url(text)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://Studio.ShotGrid.Autodesk.com/", "https://studio.shotgrid.autodesk.com"),
        ("https://studio.shotgrid.autodesk.com:8443", "https://studio.shotgrid.autodesk.com:8443"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("http://localhost:8001/", "http://localhost:8001"),
    ],
)
def test_valid_site_is_returned_as_its_root(text: str, expected: str) -> None:
    assert addresses.site_url(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://login.studio.com", "Use https://login.studio.com"),
        ("https://login.studio.com/v1//x", "stack's output Url"),
        ("https://login.studio.com/v1 /x", "stack's output Url"),
        ("login.studio.com", "Use https://login.studio.com"),
    ],
)
def test_invalid_gateway_is_rejected(text: str, message: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        addresses.gateway_url(text)
    assert message in str(caught.value)


def test_gateway_can_have_a_stage_or_a_name_under_localhost() -> None:
    assert addresses.gateway_url("https://login.studio.com/v1/") == "https://login.studio.com/v1"
    assert addresses.gateway_url("http://login.localhost:8000") == "http://login.localhost:8000"


def test_origin_with_a_path_is_rejected() -> None:
    assert addresses.origin("https://pages.studio.com") == "https://pages.studio.com"
    with pytest.raises(InvalidAddress) as caught:
        addresses.origin("https://pages.studio.com/x")
    assert "without its path. Use https://pages.studio.com" in str(caught.value)
