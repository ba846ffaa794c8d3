"""The routes under `/internal_api`: approval requests, and the web session of a cookie.

They are the site's own, not part of the REST API. They need no bearer, and no response has a CORS header (probed).
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request

from tests.site import launcher
from tests.site.launcher import Forbidden, Launcher, NotFound
from tests.site.responses import ResponseInstead, json_response
from tests.site.state import State

PREFIX = "/internal_api/"
SESSION_PATH = "/internal_api/session"
SESSION_COOKIE = "_session_id"
COUNTED_AS = "launcher"  # the name in the counts
SAML_LOGIN = "/saml/saml_login_request"  # where a site redirects after the claims have expired (client)


class InternalApi:
    """The routes under `/internal_api`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add_to(self, app: Flask) -> None:
        app.add_url_rule(launcher.PATH, view_func=self._start, methods=["POST"])
        app.add_url_rule(f"{launcher.PATH}/<request_id>", view_func=self._poll, methods=["PUT"])
        app.add_url_rule(f"{launcher.PATH}/<request_id>", view_func=self._delete, methods=["DELETE"])
        app.add_url_rule(SESSION_PATH, view_func=self._session, methods=["GET", "POST"])

    def _start(self) -> Response:
        state = self._state
        state.count_request(COUNTED_AS, "start")
        state.faults.apply_before(state.switches.request_fault)
        state_of_launcher = state.launcher()
        if state_of_launcher is Launcher.ABSENT:  # unknown; its page is the site's general one
            return Response("<html><body>Not Found</body></html>", status=404, mimetype="text/html")
        if state_of_launcher is Launcher.OFF:  # client
            return message("App Session Launcher is disabled", 403)
        sent = _fields()
        missing = [name for name in ("appName", "machineId") if not isinstance(sent.get(name), str) or not sent[name]]
        if missing:
            return message(f"Missing params: {', '.join(missing)}", 400)
        address = request.remote_addr or ""
        body = state.start(request.host_url.rstrip("/"), sent["appName"], sent["machineId"], address)
        state.count_response(COUNTED_AS, "start")
        state.faults.apply_after(state.switches.request_fault)
        return json_response(body)

    def _poll(self, request_id: str) -> Response:
        state = self._state
        state.count_request(COUNTED_AS, "poll")
        state.faults.apply_before(state.switches.poll_fault)
        if state.switches.saml_claims_expired:
            return saml_redirect()
        try:
            response = json_response(state.poll(request_id, request.remote_addr or ""))
        except NotFound:
            response = message("Not Found", 404)
        except Forbidden:
            response = message("Forbidden", 403)  # unknown
        state.count_response(COUNTED_AS, "poll")
        state.faults.apply_after(state.switches.poll_fault)
        return response

    def _delete(self, request_id: str) -> Response:
        try:
            self._state.delete(request_id)
        except NotFound:
            return message("Not Found", 404)
        return json_response({})

    def _session(self) -> Response:
        """Return the times of the web session of the cookie. A POST moves its end (probed)."""
        about = self._state.web_session(request.cookies.get(SESSION_COOKIE, ""), renewed=request.method == "POST")
        return json_response(about) if about else message("Unauthorized", 401)


def message(text: str, status: int) -> Response:
    """Return an error of these routes. It is not the envelope of the REST API (probed)."""
    return json_response({"message": text}, status)


def saml_redirect() -> Response:
    """Return the response for a user whose claims from the identity provider have expired (client)."""
    return Response(status=302, headers={"location": f"{request.host_url}{SAML_LOGIN[1:]}"})


def check_claims(*, expired: bool) -> None:
    """Raise `ResponseInstead` if the claims of a user have expired."""
    if expired:
        raise ResponseInstead(saml_redirect())


def _fields() -> dict[str, Any]:
    """Return the fields of a form or of a JSON object (probed)."""
    if request.is_json:
        sent = request.get_json(silent=True)
        return sent if isinstance(sent, dict) else {}
    return request.form.to_dict()
