"""`make run`: the gateway on this machine, with a fake site unless SHOTGRID_SITE_URL names a real one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from datetime import UTC, datetime

from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws, SetupFailed
from tests.site.fake_site import FakeSite
from tests.site.show import make_show

LOGIN = "a_username"
PASSWORD = "a_password"  # of the fake site's only user, on loopback
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Start everything, print how to use it, and stop everything on Ctrl-C."""
    port = _port()
    gateway = f"http://{DOMAIN}:{port}"
    site_url = os.environ.get("SHOTGRID_SITE_URL", "").rstrip("/")
    # The gateway's own pages, and other pages on the same site of this machine.
    origins = os.environ.get("ALLOWED_ORIGINS") or f"{gateway},http://pages.{DOMAIN}:{port + 2}"
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    with contextlib.ExitStack() as running:
        if not site_url:
            site = running.enter_context(FakeSite(port + 1, make_show(datetime.now(UTC).date())))
            site.switch(two_factor=True)
            site.add_user(LOGIN, PASSWORD)
            site_url = site.url
            _print(f"Fake site at {site_url}: user {LOGIN}, password {PASSWORD}")
            _print(f"  next code: curl {site_url}/stand-in/code/{LOGIN}")
        _print("Deploying to local AWS. This takes about ten seconds.")
        aws = running.enter_context(LocalAws(port))
        aws.deploy(
            {
                "ShotGridSiteUrl": site_url,
                "AllowedOrigins": origins,
                "DomainName": DOMAIN,
                "CertificateArn": CERTIFICATE,
            }
        )
        _print(f"Example dashboard at {gateway}/")
        _print(f"Gateway ready at {gateway}")
        signal.pause()


def _stop(*_: object) -> None:
    # The exception ends the start at any point. A second signal must not interrupt the cleanup.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _port() -> int:
    value = os.environ.get("PORT", "8000")
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1024 <= int(value) <= 65533:
        raise SetupFailed(f"PORT must be a number from 1024 to 65533, not {value}")
    return int(value)


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
    except SetupFailed as failed:
        sys.exit(f"make run: {failed}")
