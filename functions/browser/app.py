"""POST /auth/browser: start a browser sign-in. 202: the user has to approve it at the site."""

import re
import secrets

from shotgrid_login import cookie, gateway, http, transport
from shotgrid_login.approvals import GRACE_SECONDS, LIFETIME, RESULT_SECONDS
from shotgrid_login.browser_sign_in import PAGE_INTERVAL
from shotgrid_login.configuration import StartSettings

# The value of the browser's cookie: 128 random bits.
BROWSER = re.compile(r"[A-Za-z0-9_-]{22}")

# As long as a challenge can be used at most, with a result that arrived in the last moment. Seconds.
BROWSER_SECONDS = LIFETIME + GRACE_SECONDS + 2 * RESULT_SECONDS

settings = StartSettings.from_environment()
configuration = gateway.configuration()
sign_in = gateway.browser_sign_in()


@http.endpoint("POST", configuration.allowed_origins, warm_up=sign_in.warm_up)
def handler(request: http.Request) -> http.Response:
    """Accept `transport`, optionally. With cookie transport, only this browser can finish the sign-in."""
    request.require_page()
    fields = request.fields(required={}, optional=transport.TRANSPORT_FIELD)
    chosen = transport.choose(request, fields)
    browser, headers = "", {}
    if chosen is transport.Transport.COOKIE:
        # Kept if it exists: another tab of this browser may be signing in too.
        known = request.browser_cookie or ""
        browser = known if BROWSER.fullmatch(known) else secrets.token_urlsafe(16)
        headers = cookie.set_header(cookie.BROWSER, browser, BROWSER_SECONDS)
    started = sign_in.start(
        settings,
        page_host=request.page_host,
        user_agent=request.user_agent,
        source_address=request.source_address,
        browser=browser,
        transport=chosen.value,
    )
    body = {
        "status": "approval_required",
        "challenge": started.challenge,
        "approval_url": started.approval_url,
        "site_host": configuration.site_host,
        "app_name": started.app_name,
        "interval": PAGE_INTERVAL,
        "expires_in": started.expires_in,
    }
    return http.Response(202, "approval_required", body, headers)
