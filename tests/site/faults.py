"""What tests can change about a site while it runs: its settings, the unknowns about real sites, and its faults."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, request

from tests.site.responses import ResponseInstead, hang_up, text_response

# Invalid responses by name: status, content type, body.
GARBAGE: dict[str, tuple[int, str, str]] = {
    "html": (200, "text/html", "<html><body>Down for maintenance</body></html>"),
    "html_401": (401, "text/html", "<html><body>Proxy authentication</body></html>"),
    "empty": (200, "application/json", ""),
    "truncated_json": (200, "application/json", '{"token_type":"Bearer","access_token":"ey'),
    "not_an_object": (200, "application/json", "[1]"),
    "missing_access_token": (200, "application/json", '{"token_type":"Bearer","expires_in":600,"refresh_token":"r"}'),
    "missing_refresh_token": (200, "application/json", '{"token_type":"Bearer","expires_in":600,"access_token":"a"}'),
    "expires_in_words": (
        200,
        "application/json",
        '{"token_type":"Bearer","access_token":"a","expires_in":"600 seconds","refresh_token":"r"}',
    ),
    "ip_allow_list": (403, "text/html", "<html><body>Your address 127.0.0.1 is not allowed</body></html>"),
    "nested": (200, "application/json", "[" * 20_000),
    "huge": (200, "application/json", " " * 200_000),
    "teapot": (418, "application/json", "{}"),
}
# The same for the launcher alone.
LAUNCHER_GARBAGE: dict[str, tuple[int, str, str]] = {
    "missing_id": (200, "application/json", '{"url":"https://studio.shotgrid.autodesk.com/app_session_request/a"}'),
    "id_is_a_path": (200, "application/json", '{"sessionRequestId":"../../api/v1","url":null}'),
    "id_is_a_number": (200, "application/json", '{"sessionRequestId":7,"url":null}'),
    "approved_without_token": (200, "application/json", '{"approved":true,"userLogin":"a"}'),
    "approved_with_number": (200, "application/json", '{"approved":true,"sessionToken":7,"userLogin":"a"}'),
    "approved_is_text": (200, "application/json", '{"approved":"true"}'),
    "approved_is_missing": (200, "application/json", '{"sessionToken":"fake-session-token"}'),
    "not_found_in_html": (404, "text/html", "<html><body>Not Found</body></html>"),
}
HOLD_SECONDS = 60  # a forgotten `hold` ends after this time
RETRY_AFTER_SECONDS = 7  # of `429_retry_after`
NEW_ADDRESS = "https://new-name.studio.example"  # of `moved`

# The values of each switch that has names as its values.
CHOICES: dict[str, tuple[str, ...]] = {
    "launcher": ("on", "off", "absent", "said_on_but_off", "unsaid_but_on"),
    "launcher_key": ("present", "older", "missing"),
    "declined": ("not_found", "pending", "forbidden", "denied"),
    "approval_url": ("own", "missing", "vendor_domain", "relative", "http", "other_host", "javascript", "userinfo"),
    "licence_ended": ("no", "401", "400"),
    "deactivated": ("", "400", "401", "403"),
    "identity_rejection": ("by_user", "always_110", "always_102"),
    "page_coop": ("", "same-origin"),
    "page_framing": ("SAMEORIGIN", ""),
    "site_cookie_samesite": ("Lax", "Strict"),
}


@dataclass(frozen=True)
class Switches:
    """Settings of a site's administrators, unknowns about real sites, and faults.

    Attributes:
        two_factor: users need a code to sign in.
        password_checked_first: the site rejects a wrong password before it requests a code.
        wrong_code: the error code for a rejected code, 102 or 106.
        retires_refresh_tokens: a refresh token works once.
        accepts_refresh_grant: the site accepts the grant `refresh` as `refresh_token`. shotgun-nodejs sends it to renew
            a token. No other client does. How real sites respond to it is unknown.
        authentication_method: what `/api/v1` reports. `default` and `ldap` accept passwords. `saml2` rejects them.
            `oxygen` is an Autodesk Identity site and accepts passwords of legacy logins alone. With `missing`,
            `/api/v1` does not have the key. `something_new` is a method that no client knows.
        expires_in: the lifetime of an access token in seconds.
        fault: what the token endpoint and the Python API do instead of responding. Empty means no fault.
            A name in `GARBAGE`: send that response (`ip_allow_list`: the 403 page of a site with such a list).
            `redirect`: send a redirect. `moved`: send the permanent redirect of a renamed site. A number from 400: send
            that status.
            `drop`: close the connection at once. `drop_response`: handle the request, then close the connection.
            `delay:SECONDS`: wait, then respond. `hold`: wait until `release` is called, then respond.
        numbers_as_text: the site sends the numbers of tokens, claims, rows and errors as text. Unknown.
        token_padding: how many characters its tokens are longer. Real ones have about 415 (probed).
        deactivated: the status, with an error body, for every grant of a deactivated user, refresh included. "" is for
            an active user. Unknown.
        data_fault: the same for the data routes.
        user_fault: the same for a user who reads their own row. The gateway reads it to learn who has signed in.
        request_fault: the same for the start of an approval request. A name in `LAUNCHER_GARBAGE` is possible too, and
            `429_retry_after`: status 429 with `Retry-After`.
        poll_fault: the same for the poll of an approval request.
        launcher: `on`. `off`: the start returns 403. `absent`: the site is older than the launcher. `said_on_but_off`:
            `/api/v1` reports `on`, the start returns 403. `unsaid_but_on`: `/api/v1` does not have the key.
        launcher_key: whether `/api/v1` reports the launcher under its present name, under an older one, or not.
        approval_seconds: the lifetime of an approval request (305: probed).
        approved_seconds: how long the site keeps the session token of an approved request. 0 is for ever. Unknown.
        declined: how the site responds to the poll of a declined request. Unknown.
        hands_out_twice: a second poll within two seconds gets the session token again. Probed sites do not do this.
        shows_machine: the approval page shows the `machineId`. Unknown.
        approval_url: the `url` of an approval request. Real sites send their own (probed).
        polling_address_bound: the start, the approval and the poll have to come from one address. Unknown.
        deletes_requests: an approval request can be deleted. Unknown.
        session_seconds: a web session ends after this time without use.
        session_grant_refresh_token: the response for a session token has a refresh token (probed).
        mint_moves_session: an exchange of a session token moves the end of its session (probed).
        refresh_moves_session: a refresh of the tokens from a session token moves it too. Unknown.
        refresh_outlives_session: such a refresh works after the end of the session. Unknown.
        licence_ended: the status for a session token whose user has no licence any more, `no` for a valid licence.
        identity_rejection: the error code for a password on an Autodesk Identity site. `by_user`: 110 for a known user
            and 102 for an unknown one (client, probed). `always_110` and `always_102` are for both.
        legacy_second_factor: a legacy login needs a code if two-factor authentication is on (help).
        saml_claims_expired: the site redirects users to the identity provider (client).
        page_coop: `Cross-Origin-Opener-Policy` of the site's pages, "" for none. Unknown.
        page_framing: `X-Frame-Options` of the site's pages, "" for none. Unknown.
        site_cookie_samesite: `SameSite` of the site's cookie. Unknown.
        cors_on_errors: a 401 or 5xx of a data route has CORS headers. Real sites send them with 200, 400 and 415
            (probed). Whether they send them with 401 and 5xx is unknown.
    """

    two_factor: bool = False
    password_checked_first: bool = True
    wrong_code: int = 102
    retires_refresh_tokens: bool = True
    accepts_refresh_grant: bool = True
    authentication_method: str = "default"
    expires_in: int = 600
    fault: str = ""
    numbers_as_text: bool = False
    token_padding: int = 0
    deactivated: str = ""
    data_fault: str = ""
    user_fault: str = ""
    cors_on_errors: bool = True
    request_fault: str = ""
    poll_fault: str = ""
    launcher: str = "on"
    launcher_key: str = "present"
    approval_seconds: float = 305
    approved_seconds: float = 305
    declined: str = "not_found"
    hands_out_twice: bool = False
    shows_machine: bool = True
    approval_url: str = "own"
    polling_address_bound: bool = False
    deletes_requests: bool = False
    session_seconds: int = 24 * 3600
    session_grant_refresh_token: bool = True
    mint_moves_session: bool = True
    refresh_moves_session: bool = True
    refresh_outlives_session: bool = True
    licence_ended: str = "no"
    identity_rejection: str = "by_user"
    legacy_second_factor: bool = True
    saml_claims_expired: bool = False
    page_coop: str = ""
    page_framing: str = "SAMEORIGIN"
    site_cookie_samesite: str = "Lax"

    def __post_init__(self) -> None:
        """Raise `ValueError` for a value that a switch does not have."""
        for name, values in CHOICES.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} must be one of: {', '.join(values)}")


class Faults:
    """Applies faults to requests."""

    def __init__(self) -> None:
        self.held = threading.Semaphore(0)  # released once for each request that a `hold` stops
        self._release = threading.Event()
        self._closing = threading.Event()

    def apply_before(self, fault: str) -> None:
        """Apply a fault before the request is handled. Raises `ResponseInstead` when the fault replaces the response.

        `drop_response` applies after the request: see `apply_after`.
        """
        if fault == "hold":
            release = self._release  # read before `held` lets the test call `release`
            self.held.release()
            release.wait(HOLD_SECONDS)
        elif fault == "drop":
            hang_up()
        elif fault == "redirect":
            raise ResponseInstead(Response(status=302, headers={"location": f"{request.host_url}api/v1"}))
        elif fault == "moved":
            raise ResponseInstead(Response(status=301, headers={"location": f"{NEW_ADDRESS}{request.path}"}))
        elif fault.startswith("delay:"):
            self._closing.wait(float(fault.removeprefix("delay:")))
        elif fault.isdigit():
            raise ResponseInstead(text_response(HTTPStatus(int(fault)).phrase, int(fault)))
        elif fault == "429_retry_after":
            response = text_response(HTTPStatus(429).phrase, 429)
            response.headers["retry-after"] = str(RETRY_AFTER_SECONDS)
            raise ResponseInstead(response)
        elif fault in GARBAGE or fault in LAUNCHER_GARBAGE:
            status, mimetype, body = (GARBAGE | LAUNCHER_GARBAGE)[fault]
            raise ResponseInstead(Response(body, status=status, mimetype=mimetype))

    def apply_after(self, *faults: str) -> None:
        """Apply faults after the request was handled. Raises `ResponseInstead` if one of them is `drop_response`."""
        if "drop_response" in faults:
            hang_up()

    def release(self) -> None:
        """Continue the requests that a `hold` has stopped."""
        holding, self._release = self._release, threading.Event()
        holding.set()

    def close(self) -> None:
        """End all delays and holds."""
        self._closing.set()
        self.release()
