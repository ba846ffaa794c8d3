"""The sign-in methods of the site, read once for many pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from shotgrid_login import log
from shotgrid_login.errors import SiteError, SiteUnavailable
from shotgrid_login.sign_in_methods import Browser, SignInMethods

# How long a function instance, and then a browser, uses what the site has reported. Seconds.
KNOWN_SECONDS = 300

# The same for a site that did not respond as expected. It is shorter in the function, so that pages learn the methods
# soon after the site responds again, but each call can take seconds. Seconds.
UNKNOWN_SECONDS = 60
RETRY_SECONDS = 10


class CachedMethods:
    """The methods of one site, with at most one call in `KNOWN_SECONDS`."""

    def __init__(
        self,
        read: Callable[[], SignInMethods],
        *,
        offers_browser: bool,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        """Take what reads the methods from the site, and whether this deployment offers browser sign-in."""
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
                log.logger.warning("methods_unknown", extra={"reason": error.reason})
                self._methods, seconds = SignInMethods.unknown(), RETRY_SECONDS
            self._read_again_at = self._seconds() + seconds
        return self._methods if self._offers_browser else replace(self._methods, browser=Browser.NO)
