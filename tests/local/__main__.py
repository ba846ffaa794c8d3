"""`make run`: the gateway on this machine, with a fake site for the ShotGrid site unless a real one is named."""

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
PASSWORD = "a_password"  # the fake site's only account, on loopback
STOP = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Start everything, say how to use it, and stop everything on Ctrl-C."""
    port = _port()
    gateway = f"http://{DOMAIN}:{port}"
    site_url = os.environ.get("SHOTGRID_SITE_URL", "").rstrip("/")
    # The gateway's own pages, and others of the same site on this machine.
    origins = os.environ.get("ALLOWED_ORIGINS") or f"{gateway},http://pages.{DOMAIN}:{port + 2}"
    for wish in STOP:
        signal.signal(wish, _stop)
    with contextlib.ExitStack() as running:
        if not site_url:
            site = running.enter_context(FakeSite(port + 1, make_show(datetime.now(UTC).date())))
            site.switch(two_factor=True)
            site.add_user(LOGIN, PASSWORD)
            site_url = site.url
            _say(f"Fake site at {site_url}: user {LOGIN}, password {PASSWORD}")
            _say(f"  the next code:        curl {site_url}/stand-in/code/{LOGIN}")
        _say("Deploying to local AWS, which takes about ten seconds")
        aws = running.enter_context(LocalAws(port))
        aws.deploy(
            {
                "ShotGridSiteUrl": site_url,
                "AllowedOrigins": origins,
                "DomainName": DOMAIN,
                "CertificateArn": CERTIFICATE,
            }
        )
        _say(f"Example dashboard at {gateway}/")
        _say(f"Gateway ready at {gateway}")
        signal.pause()


def _stop(*_: object) -> None:
    # Leaves by an exception, wherever the start has come to. A second wish must not interrupt the cleaning up.
    for wish in STOP:
        signal.signal(wish, signal.SIG_IGN)
    raise KeyboardInterrupt


def _port() -> int:
    value = os.environ.get("PORT", "8000")
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1024 <= int(value) <= 65533:
        raise SetupFailed(f"PORT must be a number from 1024 to 65533, not {value}")
    return int(value)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
    except SetupFailed as failed:
        sys.exit(f"make run: {failed}")
