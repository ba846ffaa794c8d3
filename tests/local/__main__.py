"""`make run`: the gateway on this machine, with a fake site unless SHOTGRID_SITE_URL names a real one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws, SetupFailed
from tests.local.tls import TlsProxy
from tests.site.accounts import Kind
from tests.site.fake_site import FakeSite
from tests.site.show import make_show

PORTS = 4  # of the gateway, the fake site, pages of other servers, and the gateway over TLS
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class SiteKind:
    """A kind of site: what the site reports as its sign-in method, and what to try with it."""

    authentication_method: str
    description: str
    to_try: str


@dataclass(frozen=True)
class DemoUser:
    """A user of the fake site. The passwords are examples: the fake site listens on loopback only.

    Attributes:
        site: the kind of site that has such users.
        password: what the user types on the site's own login page.
        in_form: what the user types into the form of a hosted page, "" if the site accepts nothing there.
        has_code: the site requires a two-factor code.
    """

    site: str
    kind: Kind
    login: str
    password: str
    in_form: str
    has_code: bool


# The values of SITE. The first one is the default.
SITES = {
    "passwords": SiteKind(
        "default",
        "user names and passwords, with two-factor authentication",
        'Sign in with the form, or choose "Sign in with the browser instead".',
    ),
    "identity": SiteKind(
        "oxygen",
        "Autodesk Identity",
        "Sign in with the browser. The form is only for users with a legacy login.",
    ),
    "sso": SiteKind("saml2", "single sign-on", "Sign in with the browser. There is no form."),
}
USERS = (
    DemoUser("passwords", "site", "a_username", "a_password", "a_password", has_code=True),
    DemoUser("identity", "autodesk", "artist@studio.example", "autodesk_password", "", has_code=False),
    DemoUser("identity", "legacy", "lead@studio.example", "autodesk_password", "a_passphrase", has_code=True),
    DemoUser("sso", "sso", "guest@studio.example", "company_password", "", has_code=False),
)
SCRIPT, SCRIPT_KEY = "a_script", "a_script_key"


def main() -> None:
    """Start everything, print how to use it, and stop everything on Ctrl-C."""
    port, name = _port(), _site_name()
    gateway, gateway_over_tls = f"http://{DOMAIN}:{port}", f"https://{DOMAIN}:{port + 3}"
    site_url = os.environ.get("SHOTGRID_SITE_URL", "").rstrip("/")
    # Local API Gateway does not send its host to the functions, so the gateway's own pages have to be in the list.
    origins = [gateway, gateway_over_tls, f"http://pages.{DOMAIN}:{port + 2}"]
    origins += filter(None, [os.environ.get("ALLOWED_ORIGINS")])
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)
    with contextlib.ExitStack() as running:
        in_safari = f"in Safari: {gateway_over_tls}/, because Safari stores no session over http."
        if not site_url:
            in_safari += " It shows no data there: Safari blocks the fake site, which has no TLS."
            site_url = running.enter_context(fake_site(port + 1, SITES[name])).url
            _print(*description(site_url, name))
        try:
            running.enter_context(TlsProxy(port, port + 3))
        except OSError:
            raise SetupFailed(f"port {port + 3} is in use; choose another one with PORT=…") from None
        _print("Deploying to local AWS. This takes about ten seconds.")
        aws = running.enter_context(LocalAws(port))
        aws.deploy(
            {
                "ShotGridSiteUrl": site_url,
                "AllowedOrigins": ",".join(origins),
                "DomainName": DOMAIN,
                "CertificateArn": CERTIFICATE,
            }
        )
        _print(f"Example dashboard at {gateway}/")
        _print(f"  {in_safari}")
        _print(f"  your own pages: serve them at http://pages.{DOMAIN}:{port + 2}, or name theirs in ALLOWED_ORIGINS")
        _print(f"  aws and sam: export {variables(aws)}")
        _print(f"Gateway ready at {gateway}")
        signal.pause()


@contextlib.contextmanager
def fake_site(port: int, kind: SiteKind) -> Iterator[FakeSite]:
    """Run the fake site with all users of `USERS`, whatever its kind is."""
    with FakeSite(port, make_show(datetime.now(UTC).date())) as site:
        site.switch(authentication_method=kind.authentication_method, two_factor=True)
        for user in USERS:
            own = {} if user.has_code else {"two_factor": False}
            account = site.add_user(user.login, user.password, user.kind, **own)
            if user.kind == "legacy":
                account.passphrase = user.in_form
        site.add_script(SCRIPT, SCRIPT_KEY)
        yield site


def description(url: str, name: str) -> Iterator[str]:
    """Yield the lines that describe the fake site."""
    heading = ("SITE", "user", "password at the site", "in the form of a page", "code")
    rows = [
        (
            "> " * (user.site == name) + user.site,
            user.login,
            user.password,
            user.in_form or "not possible",
            "yes" if user.has_code else "no",
        )
        for user in USERS
    ]
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    yield f"Fake site at {url}: {SITES[name].description} (SITE={name})"
    yield f"  {SITES[name].to_try} Every user can sign in with the browser on every kind of site."
    yield ""
    for row in (heading, *rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    for user in USERS:
        if user.has_code and user.site == name:
            yield f"  next code    curl {url}/stand-in/code/{user.login}"
    yield f"  script       {SCRIPT}, key {SCRIPT_KEY}"
    yield f"  other kinds  make run SITE={'|'.join(SITES)}, or while it runs:"
    methods = ", ".join(f"{kind.authentication_method} ({site})" for site, kind in SITES.items())
    other = next(site for site in ("identity", "passwords") if site != name)
    body = f'{{"authentication_method": "{SITES[other].authentication_method}"}}'
    yield f"               curl -X PUT {url}/stand-in/switches -H 'content-type: application/json' -d '{body}'"
    yield f"               {methods}"
    yield "               The gateway and browsers cache the kind for five minutes each. Use a private window."
    yield ""


def variables(aws: LocalAws) -> str:
    """Return the variables with which other tools call the local AWS, as a shell reads them."""
    names = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environment = aws.environment()
    return " ".join(f"{name}={environment[name]}" for name in names)


def _stop(*_: object) -> None:
    # The exception ends the start at any point. A second signal must not interrupt the cleanup.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    os.write(1, b"\nStopping. This takes a few seconds.\n")  # `print` could be interrupted in another `print`
    raise KeyboardInterrupt


def _port() -> int:
    value, last = os.environ.get("PORT", "8000"), 65535 - PORTS + 1
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1024 <= int(value) <= last:
        raise SetupFailed(f"PORT must be a number from 1024 to {last}, not {value}")
    return int(value)


def _site_name() -> str:
    name = os.environ.get("SITE") or next(iter(SITES))
    if name not in SITES:
        raise SetupFailed(f"SITE must be {', '.join(SITES)}, not {name}")
    return name


def _print(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
    except SetupFailed as failed:
        sys.exit(f"make run: {failed}")
