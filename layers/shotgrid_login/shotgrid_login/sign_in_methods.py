"""How users can sign in to a site: what the site reports about itself at `/api/v1`, without a sign-in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from shotgrid_login.errors import SiteError, SiteUnavailable

# How long a function instance, and then a browser, uses what the site has reported. Seconds.
KNOWN_SECONDS = 300

# The same for a site that did not respond as expected. It is shorter in the function, so that pages learn the methods
# soon after the site responds again, but each call can take seconds. Seconds.
UNKNOWN_SECONDS = 60
RETRY_SECONDS = 10


class Password(Enum):
    """Whether the site accepts passwords."""

    YES = "yes"
    LEGACY = "legacy"  # only of legacy logins: a passphrase that is bound to a personal access token
    NO = "no"
    UNKNOWN = "unknown"


class Browser(Enum):
    """Whether users can approve a sign-in in the browser: whether the site's App Session Launcher is on."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


# By `user_authentication_method`, with the values that the vendor's clients name.
_PASSWORD = {
    "default": Password.YES,
    "ldap": Password.YES,
    "oxygen": Password.LEGACY,  # Autodesk Identity
    "saml2": Password.NO,
}

# The newest name of the launcher's key first. Older sites have the others.
LAUNCHER_KEYS = (
    "authentication_app_session_launcher_enabled",
    "app_session_launcher_enabled",
    "unified_login_flow2_enabled",
    "unified_login_flow_enabled2",
)


@dataclass(frozen=True)
class SignInMethods:
    """How users can sign in.

    Attributes:
        method: the site's `user_authentication_method` if it is a known one, otherwise "unknown".
    """

    method: str
    password: Password
    browser: Browser

    @classmethod
    def unknown(cls) -> SignInMethods:
        """Return the methods of a site that did not describe itself."""
        return cls("unknown", Password.UNKNOWN, Browser.UNKNOWN)

    @classmethod
    def from_about(cls, about: Mapping[str, Any]) -> SignInMethods:
        """Read the object `data` of the site's response. A site without any of the launcher's keys has no launcher."""
        method = about.get("user_authentication_method")
        if not isinstance(method, str) or method not in _PASSWORD:
            method = "unknown"
        launcher = next((about[name] for name in LAUNCHER_KEYS if name in about), False)
        return cls(
            method,
            _PASSWORD.get(method, Password.UNKNOWN),
            Browser.YES if launcher is True else Browser.NO,
        )

    @property
    def is_unknown(self) -> bool:
        """Whether the site did not describe itself."""
        return self == SignInMethods.unknown()


class CachedMethods:
    """The methods of one site, with at most one call in `KNOWN_SECONDS`."""

    def __init__(
        self,
        read: Callable[[], SignInMethods],
        *,
        offers_browser: bool,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        """Take what reads the methods from the site, and whether this deployment offers sign-in in the browser."""
        self._read = read
        self._offers_browser = offers_browser
        self._seconds = seconds
        self._methods = SignInMethods.unknown()
        self._read_again_at = 0.0

    def get(self) -> SignInMethods:
        """Return the methods; unknown ones if the site does not respond as expected."""
        if self._seconds() >= self._read_again_at:
            try:
                self._methods, seconds = self._read(), KNOWN_SECONDS
            except (SiteError, SiteUnavailable) as error:
                from shotgrid_login import log  # here, because `shotgrid-login check` is installed without the logger

                log.logger.warning("methods_unknown", extra={"reason": error.reason})
                self._methods, seconds = SignInMethods.unknown(), RETRY_SECONDS
            self._read_again_at = self._seconds() + seconds
        return self._methods if self._offers_browser else replace(self._methods, browser=Browser.NO)
