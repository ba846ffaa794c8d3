"""Transports: how a page holds the handle of its session, in a cookie or as a token in the body.

With the cookie, no script can read the handle. Browsers keep it only for pages on the gateway's own site. All other
callers use the token.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from shotgrid_login import cookie, log
from shotgrid_login.errors import InvalidRequest, OriginNotAllowed, SessionEnded
from shotgrid_login.http import Request, Response
from shotgrid_login.sessions import Handle, Sessions, SignedIn

# The fields of this module, for the routes that accept them (`http.Fields`: longest value in characters). A handle has
# 66 characters. Longer texts, such as the site's own refresh tokens, count as handles of ended sessions.
TRANSPORT_FIELD = {"transport": 16}
HANDLE_FIELD = {"refresh_token": 4096}
SIGN_IN_FIELDS = TRANSPORT_FIELD | HANDLE_FIELD


class Transport(Enum):
    """How a page holds its handle."""

    COOKIE = "cookie"
    TOKEN = "token"  # noqa: S105


def choose(request: Request, fields: Mapping[str, str]) -> Transport:
    """Return the transport that the page requests in `fields`. By default the page's site decides.

    Raises:
        InvalidRequest: neither "cookie" nor "token", or a cookie that the browser would reject.
        OriginNotAllowed: a cookie for a caller that is not a page.
    """
    # In a frame of a page on another site, browsers drop the cookie although the frame is on the gateway's site.
    same_site = request.sec_fetch_site in ("same-origin", "same-site") and request.has_cookie_access
    requested = fields.get("transport")
    if requested is None:
        return Transport.COOKIE if same_site and request.origin else Transport.TOKEN
    try:
        transport = Transport(requested)
    except ValueError:
        raise InvalidRequest('transport: must be "cookie" or "token"') from None
    if transport is Transport.COOKIE:
        if request.origin is None:
            raise OriginNotAllowed("The cookie is only for pages in browsers, and this request has no Origin header.")
        if request.sec_fetch_site is not None and not same_site:
            raise InvalidRequest(
                'transport: a page on another site, or in a frame of one, cannot keep the cookie; use "token"'
            )
    return transport


def check_unchanged(fields: Mapping[str, str], started: Transport) -> None:
    """Raise `InvalidRequest` if the page requests another transport than at the start of the sign-in."""
    if fields.get("transport", started.value) != started.value:
        raise InvalidRequest("transport: must be the transport of the start, or left out")


def find_handle(request: Request, fields: Mapping[str, str]) -> tuple[Handle, Transport] | None:
    """Return the handle of a request and its transport; None if there is no handle.

    A handle in the body's `fields` takes precedence over the cookie, which browsers add on their own. Raises
    `SessionEnded` if the text is not a handle.
    """
    if "refresh_token" in fields:
        return Handle.parse(fields["refresh_token"]), Transport.TOKEN
    if request.cookie is not None:
        request.used_cookie = True
        return Handle.parse(request.cookie), Transport.COOKIE
    return None


def end_replaced(
    request: Request, fields: Mapping[str, str], transport: Transport, sessions: Sessions, new: SignedIn
) -> None:
    """End the sessions that a page has just replaced: of the handle in its body, and of a cookie that is set again.

    An error is only logged. The sign-in has succeeded, and its code cannot be used again.
    """
    replaced = [fields.get("refresh_token"), request.cookie if transport is Transport.COOKIE else None]
    for text in filter(None, replaced):
        try:
            handle = Handle.parse(text)
            # A repeated request can already have the handle of the new session.
            if handle.session_id != new.session.session_id:
                sessions.sign_out(handle)
        except SessionEnded:
            continue  # the text is not a handle, so there is no session to end
        except Exception as error:  # noqa: BLE001
            log.record_unexpected(error)


def signed_in(result: SignedIn, transport: Transport, site_url: str, held: Handle | None = None) -> Response:
    """Return 200 with the tokens, their site, the user, and the handle as `transport` requires.

    `held` is the handle that the page already has. Its cookie is not set again: the response could be late, and would
    replace a newer cookie of another tab.
    """
    session = result.session
    log.log_user(session.user_hash)
    now = int(time.time())
    body: dict[str, Any] = {
        "status": "signed_in",
        "token_type": "Bearer",
        "access_token": result.access_token,
        "api_token": result.api_token,
        "expires_in": max(0, session.access_expires_at - now),
        "site_url": site_url,
        "user": session.user.public,
        "session": session_times(session.expires_at, session.idle_expires_at),
    }
    headers = {}
    if transport is Transport.TOKEN:
        body["refresh_token"] = str(result.handle)
    elif result.handle != held:
        headers = cookie.set_header(cookie.SESSION, str(result.handle), max(0, session.expires_at - now))
    return Response(200, "signed_in", body, headers)


def session_times(expires_at: int, idle_expires_at: int) -> dict[str, str]:
    """Return the two limits of a session, given in epoch seconds, as RFC 3339 times in UTC."""
    return {"expires_at": _rfc3339(expires_at), "idle_expires_at": _rfc3339(idle_expires_at)}


def _rfc3339(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
