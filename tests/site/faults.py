"""What tests can change about a site while it runs: its settings, the unknowns about real sites, and its faults."""

from __future__ import annotations

import threading
from dataclasses import dataclass

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
    "expires_in_text": (
        200,
        "application/json",
        '{"token_type":"Bearer","access_token":"a","expires_in":"600","refresh_token":"r"}',
    ),
    "nested": (200, "application/json", "[" * 20_000),
    "huge": (200, "application/json", " " * 200_000),
    "teapot": (418, "application/json", "{}"),
}
HOLD_SECONDS = 60  # a forgotten `hold` ends after this time


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
        authentication_method: `default`, or `saml2` or `oxygen`, which reject passwords.
        expires_in: the lifetime of an access token in seconds.
        fault: what the token endpoint and the Python API do instead of responding. Empty means no fault.
            A name in `GARBAGE`: send that response. `redirect`: send a redirect. A number from 500: send that status.
            `drop`: close the connection at once. `drop_response`: handle the request, then close the connection.
            `delay:SECONDS`: wait, then respond. `hold`: wait until `release` is called, then respond.
        data_fault: the same for the data routes.
        user_fault: the same for a user who reads their own row. The gateway reads it to learn who has signed in.
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
    data_fault: str = ""
    user_fault: str = ""
    cors_on_errors: bool = True


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
        elif fault.startswith("delay:"):
            self._closing.wait(float(fault.removeprefix("delay:")))
        elif fault.isdigit():
            raise ResponseInstead(text_response("Service Unavailable", int(fault)))
        elif fault in GARBAGE:
            status, mimetype, body = GARBAGE[fault]
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
