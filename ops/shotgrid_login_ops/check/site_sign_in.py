"""How users sign in at a site, as the site reports it, and what users of the gateway's pages will see.

Facts about sites are from `docs/site-contract.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from shotgrid_login.sign_in_methods import LAUNCHER_KEYS, Browser, Password, SignInMethods
from shotgrid_login_ops.check.findings import Finding, ok, printable, problem, unknown

_PASSWORDS = {"default": "user names and passwords of the site", "ldap": "user names and passwords of LDAP"}

ENABLE_LAUNCHER = (
    'Let the site\'s administrators or Autodesk support enable the "App Session Launcher". The site reports it as '
    "authentication_app_session_launcher_enabled. Where to enable it is not documented. Then run the check again."
)
_NEW_TAB = (
    "It opens a new tab with the site's usual sign-in. There users approve a request that names the page that they "
    "came from."
)
_LEGACY = (
    "Its form needs the legacy passphrase, never the Autodesk password. The site rejects unknown users there with code "
    "102, like a wrong password."
)
_SCRIPTS = "Scripts with script keys are not affected."


class Launcher(Enum):
    """The site's App Session Launcher. The gateway treats a launcher that is not reported as off."""

    ON = "on"
    OFF = "off"
    NOT_REPORTED = "not reported"


@dataclass(frozen=True)
class SignIn:
    """How users sign in at a site.

    Attributes:
        method: `user_authentication_method`; None if the site does not report it.
        known_method: the same, as the gateway reports it: "unknown" if the gateway does not know this method.
        password: whether the site accepts passwords.
        launcher: whether users can sign in with the browser.
    """

    method: str | None
    known_method: str
    password: Password
    launcher: Launcher

    @classmethod
    def from_about(cls, about: Mapping[str, Any]) -> SignIn:
        """Read the object `data` of the site's response to `GET /api/v1`."""
        methods = SignInMethods.from_about(about)
        launcher = Launcher.ON if methods.browser is Browser.YES else Launcher.OFF
        if not any(key in about for key in LAUNCHER_KEYS):
            launcher = Launcher.NOT_REPORTED
        method = about.get("user_authentication_method")
        return cls(method if isinstance(method, str) else None, methods.method, methods.password, launcher)

    @property
    def has_launcher(self) -> bool:
        """Whether users can sign in with the browser."""
        return self.launcher is Launcher.ON

    @property
    def needs_launcher(self) -> bool:
        """Whether users without a legacy login can sign in only in the browser."""
        return self.password in (Password.LEGACY, Password.NO)

    def findings(self) -> list[Finding]:
        """Return the findings `site.sign-in` and `site.browser`."""
        return [self._sign_in(), self._browser()]

    def _sign_in(self) -> Finding:
        name = "site.sign-in"
        match self.method:
            case "default" | "ldap" as method:
                browser = " They also offer the browser sign-in, see site.browser." if self.has_launcher else ""
                return ok(
                    name,
                    method,
                    f"Users sign in with {_PASSWORDS[method]}. Pages show a form for user name and password, and "
                    f"prompt for the code of users who have two-factor authentication.{browser}",
                )
            case "oxygen" as method:
                users = "Users sign in with their Autodesk account."
                if not self.has_launcher:
                    meaning = (
                        f"{users} {self._no_launcher} So pages can sign in only users with a legacy login. {_LEGACY}"
                    )
                    return problem(name, method, f"{meaning} {_SCRIPTS}", ENABLE_LAUNCHER)
                legacy = f"A link opens the form for users with a legacy login. {_LEGACY}"
                return ok(name, method, f"{users} Pages show a button. {_NEW_TAB} {legacy}")
            case "saml2" as method:
                users = "Users sign in with single sign-on (SAML). The site accepts no passwords."
                if not self.has_launcher:
                    meaning = f"{users} {self._no_launcher} So pages cannot sign users in. {_SCRIPTS}"
                    return problem(name, method, meaning, ENABLE_LAUNCHER)
                return ok(name, method, f"{users} Pages show a button. {_NEW_TAB}")
        fault = "The site does not report how users sign in." if self.method is None else "This method is unknown."
        browser = " and the button of the browser sign-in" if self.has_launcher else ""
        return unknown(
            name,
            None if self.method is None else printable(self.method),
            f"{fault} Pages show the form for user name and password{browser}.",
            "Run the check with --user. What signs in there also works on pages.",
        )

    def _browser(self) -> Finding:
        name, value = "site.browser", self.launcher.value
        if self.has_launcher:
            return ok(
                name,
                value,
                "The site's App Session Launcher is on. Users can sign in with the browser: in a new tab they sign in "
                "to the site as usual, also with their second factor, and approve a request.",
            )
        if self.needs_launcher:
            return problem(name, value, f"{self._no_launcher} Users of this site need it.", "See site.sign-in.")
        if self.launcher is Launcher.OFF:
            return ok(name, value, f"{self._no_launcher} Pages do not offer the browser sign-in.")
        return unknown(name, value, f"{self._no_launcher} Pages do not offer the browser sign-in.")

    @property
    def _no_launcher(self) -> str:
        if self.launcher is Launcher.OFF:
            return "The site's App Session Launcher is off."
        return "The site does not report an App Session Launcher: it may be older than version 8.50."
