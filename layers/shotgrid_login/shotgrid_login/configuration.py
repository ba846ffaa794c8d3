"""The settings of a deployment, read from a function's environment and checked once."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from shotgrid_login.configuration_error import ConfigurationError

# https, except for localhost: user names and passwords are sent to the site.
_SITE_URL = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?")
_DEFAULT_PORTS = {"https": 443, "http": 80}
# As browsers write it: without the default port of the scheme, and no other spelling of the port.
_ORIGIN = re.compile(
    r"(https://([a-z0-9-]+\.)*[a-z0-9-]+\.?(?!:443$)|http://(([a-z0-9-]+\.)*localhost|127\.0\.0\.1)(?!:80$))"
    r"(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)
_APP_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 ._-]{0,22}[A-Za-z0-9])?")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class StartSettings:
    """The settings of the function that starts a browser sign-in.

    Attributes:
        app_name: what the site's approval page shows as the application, before the page's host.
        networks: the networks that can start a sign-in; empty for all networks.
    """

    app_name: str
    networks: tuple[Network, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> StartSettings:
        """Read and check the variables that `template.yaml` sets; raises `ConfigurationError`."""
        return cls(_app_name(environment), _networks(environment))

    def allows(self, source_address: str) -> bool:
        """Whether a caller at this address can start a sign-in."""
        try:
            address = ipaddress.ip_address(source_address)
        except ValueError:
            return not self.networks
        return not self.networks or any(address in network for network in self.networks)


@dataclass(frozen=True)
class Configuration:
    """The settings of a deployment.

    Attributes:
        site_url: root of the ShotGrid site, as an origin (RFC 6454, serialized): lower case, without a default port.
        allowed_origins: origins (RFC 6454, serialized) of the pages that can call the gateway.
        session_seconds: how long a session lasts, even if it is used.
        idle_seconds: how long a session lasts without a refresh.
        state_table: name of the table with sessions, challenges and failed attempts.
        bearers_table: name of the table that the authorizer reads.
        key_arn: ARN of the KMS key that seals challenges and tokens.
        serves_example: whether the gateway serves the example at `/`.
        offers_browser_sign_in: whether users can sign in with the browser.
    """

    site_url: str
    allowed_origins: frozenset[str]
    session_seconds: int
    idle_seconds: int
    state_table: str
    bearers_table: str
    key_arn: str
    serves_example: bool
    offers_browser_sign_in: bool

    @property
    def site_host(self) -> str:
        """The host of the site, with its port if the URL has one."""
        return urlsplit(self.site_url).netloc

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Configuration:
        """Read and check the variables that `template.yaml` sets; raises `ConfigurationError`."""
        return cls(
            site_url=_site_url(environment),
            allowed_origins=_origins(environment),
            session_seconds=_positive(environment, "SESSION_HOURS") * 3600,
            idle_seconds=_positive(environment, "IDLE_MINUTES") * 60,
            state_table=_required(environment, "STATE_TABLE"),
            bearers_table=_required(environment, "BEARERS_TABLE"),
            key_arn=_required(environment, "KEY_ARN"),
            serves_example=_boolean(environment, "SERVE_EXAMPLE"),
            offers_browser_sign_in=_boolean(environment, "BROWSER_SIGN_IN"),
        )


def hash_key_arn(environment: Mapping[str, str] = os.environ) -> str:
    """Return the ARN of the KMS key for `Hashes`. Only functions that hash names have the variable.

    Raises `ConfigurationError`.
    """
    return _required(environment, "HASH_KEY_ARN")


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        raise ConfigurationError(f"{name} is not set")
    return value


def _positive(environment: Mapping[str, str], name: str) -> int:
    value = _required(environment, name)
    if not re.fullmatch(r"[0-9]{1,9}", value) or int(value) == 0:
        raise ConfigurationError(f"{name} must be a whole number above zero")
    return int(value)


def _boolean(environment: Mapping[str, str], name: str) -> bool:
    value = _required(environment, name)
    if value not in ("true", "false"):
        raise ConfigurationError(f"{name} must be true or false")
    return value == "true"


def _site_url(environment: Mapping[str, str]) -> str:
    value = _required(environment, "SHOTGRID_SITE_URL").lower().removesuffix("/")
    url = urlsplit(value) if _SITE_URL.fullmatch(value) else None
    try:
        port = url.port if url else 0
    except ValueError:  # above 65535
        port = 0
    if not url or port == 0:
        raise ConfigurationError("SHOTGRID_SITE_URL must be https://HOST without a path (http for localhost only)")
    # Browsers write addresses in this form, and pages compare the address with those that they call.
    return f"{url.scheme}://{url.hostname}" + ("" if port in (None, _DEFAULT_PORTS[url.scheme]) else f":{port}")


def _origins(environment: Mapping[str, str]) -> frozenset[str]:
    origins = frozenset(filter(None, environment.get("ALLOWED_ORIGINS", "").split(",")))
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(
                "ALLOWED_ORIGINS must be comma-separated https://HOST origins without the default port (http for"
                " localhost only)"
            )
    return origins


def _app_name(environment: Mapping[str, str]) -> str:
    value = _required(environment, "APP_NAME")
    if not _APP_NAME.fullmatch(value):
        raise ConfigurationError("APP_NAME must be up to 24 letters, digits, spaces, dots, dashes and underscores")
    return value


def _networks(environment: Mapping[str, str]) -> tuple[Network, ...]:
    values = filter(None, environment.get("BROWSER_SIGN_IN_NETWORKS", "").split(","))
    try:
        return tuple(ipaddress.ip_network(value, strict=False) for value in values)
    except ValueError:
        raise ConfigurationError(
            "BROWSER_SIGN_IN_NETWORKS must be comma-separated networks such as 203.0.113.0/24"
        ) from None
