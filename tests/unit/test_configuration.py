"""The environment of a function: an invalid variable is named."""

from __future__ import annotations

import re

import pytest

from shotgrid_login.configuration import Configuration, StartSettings, hash_key_arn
from shotgrid_login.configuration_error import ConfigurationError
from tests.support.lambda_events import ENVIRONMENT
from tests.support.template import template

# Lists with an origin that no browser sends.
UNUSABLE_ORIGINS = [
    "https://a.example:443",
    "https://a.example:443,https://b.example",
    "https://b.example,https://a.example:443",
    "http://localhost:80",
    "http://pages.localhost:80",
    "http://127.0.0.1:80,https://a.example",
    "https://a.example:0",
    "https://a.example:08443",
    "https://a.example:65536",
    "https://a.example:99999",
    "https://a.example:",
    "https://.example",
    "https://a..example",
    "https://",
]


def test_valid_environment_is_read() -> None:
    configuration = Configuration.from_environment(ENVIRONMENT)
    assert configuration.site_url == "https://studio.shotgrid.autodesk.com"
    assert configuration.allowed_origins == {"https://a.example", "http://localhost:8000"}
    assert configuration.serves_example
    assert (configuration.session_seconds, configuration.idle_seconds) == (43_200, 7_200)


@pytest.mark.parametrize(
    ("url", "normalized"),
    [
        ("https://studio.shotgrid.autodesk.com", "https://studio.shotgrid.autodesk.com"),
        ("HTTPS://Studio.ShotGrid.Autodesk.com:443/", "https://studio.shotgrid.autodesk.com"),
        ("https://site.example:0443", "https://site.example"),
        ("https://site.example:80", "https://site.example:80"),
        ("https://site.example:8443/", "https://site.example:8443"),
        ("HTTP://LocalHost:80", "http://localhost"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
    ],
)
def test_address_of_the_site_is_normalized(url: str, normalized: str) -> None:
    configuration = Configuration.from_environment({**ENVIRONMENT, "SHOTGRID_SITE_URL": url})
    assert configuration.site_url == normalized
    assert configuration.site_host == normalized.partition("://")[2]
    assert re.fullmatch(template()["Parameters"]["ShotGridSiteUrl"]["AllowedPattern"], url)


@pytest.mark.parametrize(
    "origins",
    [
        "https://a.example:4430,https://a.example:44,https://a.example:65535,https://a-1.b-2.example:1",
        "https://a.example:80,http://localhost:443,http://localhost:8000,http://127.0.0.1",
        "https://10.0.0.1,https://intranet,https://a.example.",
    ],
)
def test_allowed_origins_are_read_and_the_template_accepts_them(origins: str) -> None:
    configuration = Configuration.from_environment({**ENVIRONMENT, "ALLOWED_ORIGINS": origins})
    assert configuration.allowed_origins == set(origins.split(","))
    assert re.fullmatch(template()["Parameters"]["AllowedOrigins"]["AllowedPattern"], origins)


@pytest.mark.parametrize(
    "origins",
    [*UNUSABLE_ORIGINS, "https://a.example,", ",https://a.example", ",", "https://a.example,,https://b.example"],
)
def test_template_rejects_origins_that_no_browser_sends(origins: str) -> None:
    assert not re.search(template()["Parameters"]["AllowedOrigins"]["AllowedPattern"], origins)


def test_allowed_origins_can_be_empty() -> None:
    assert Configuration.from_environment({**ENVIRONMENT, "ALLOWED_ORIGINS": ""}).allowed_origins == frozenset()


@pytest.mark.parametrize("name", sorted(ENVIRONMENT.keys() - {"ALLOWED_ORIGINS", "HASH_KEY_ARN"}))
def test_missing_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Configuration.from_environment({**ENVIRONMENT, name: ""})


def test_missing_hash_key_is_named() -> None:
    assert hash_key_arn(ENVIRONMENT) == "arn"
    with pytest.raises(ConfigurationError, match="HASH_KEY_ARN"):
        hash_key_arn({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOTGRID_SITE_URL", "http://studio.shotgrid.autodesk.com"),
        ("SHOTGRID_SITE_URL", "https://site.example/api"),
        ("SHOTGRID_SITE_URL", "https://user:password@site.example"),
        ("SHOTGRID_SITE_URL", "https://site.example\n.evil.example"),
        ("SHOTGRID_SITE_URL", "HTTP://studio.shotgrid.autodesk.com"),
        ("SHOTGRID_SITE_URL", "https://site.example:0"),
        ("SHOTGRID_SITE_URL", "https://site.example:65536"),
        ("SHOTGRID_SITE_URL", "https://site.example:"),
        ("SHOTGRID_SITE_URL", "https://site.example:٤٤٣"),
        ("SHOTGRID_SITE_URL", "https://ſite.example"),
        ("SHOTGRID_SITE_URL", "https://site.example//"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://a.example,null"),
        ("ALLOWED_ORIGINS", "https://a.example/"),
        ("ALLOWED_ORIGINS", "http://a.example"),
        *(("ALLOWED_ORIGINS", origins) for origins in UNUSABLE_ORIGINS),
        ("SESSION_HOURS", "0"),
        ("SESSION_HOURS", "1.5"),
        ("IDLE_MINUTES", "-1"),
        ("IDLE_MINUTES", "²"),
        ("SERVE_EXAMPLE", "yes"),
        ("BROWSER_SIGN_IN", "on"),
    ],
)
def test_invalid_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Configuration.from_environment({**ENVIRONMENT, name: value})


@pytest.mark.parametrize(
    ("networks", "address", "allowed"),
    [
        ("", "203.0.113.7", True),
        ("", "test-invoke-source-ip", True),
        ("203.0.113.0/24", "203.0.113.7", True),
        ("203.0.113.0/24", "203.0.114.7", False),
        ("203.0.113.7/24", "203.0.113.8", True),
        ("203.0.113.0/24", "2001:db8::1", False),
        ("203.0.113.0/24,2001:db8::/32", "2001:db8::1", True),
        ("203.0.113.0/24", "test-invoke-source-ip", False),
    ],
)
def test_networks_limit_who_can_start_a_sign_in(networks: str, address: str, allowed: bool) -> None:
    environment = {"APP_NAME": "Studio pages", "BROWSER_SIGN_IN_NETWORKS": networks}
    assert StartSettings.from_environment(environment).allows(address) is allowed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_NAME", ""),
        ("APP_NAME", "<b>"),
        ("APP_NAME", " name"),
        ("APP_NAME", "a" * 25),
        ("BROWSER_SIGN_IN_NETWORKS", "203.0.113.0/33"),
        ("BROWSER_SIGN_IN_NETWORKS", "203.0.113.0/24,all"),
    ],
)
def test_invalid_variable_of_the_start_is_named(name: str, value: str) -> None:
    environment = {"APP_NAME": "Studio pages", "BROWSER_SIGN_IN_NETWORKS": "", name: value}
    with pytest.raises(ConfigurationError, match=name):
        StartSettings.from_environment(environment)
