"""How users can sign in to a site: what the site reports about itself at `/api/v1`, without a sign-in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Password(Enum):
    """Whether the site accepts passwords."""

    YES = "yes"
    LEGACY = "legacy"  # only of legacy logins: a passphrase that is bound to a personal access token
    NO = "no"
    UNKNOWN = "unknown"


class Browser(Enum):
    """Whether users can approve a browser sign-in: whether the site's App Session Launcher is on."""

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
        """Whether nothing is known about passwords: the site did not describe itself, or in an unknown way."""
        return self.password is Password.UNKNOWN
