"""The HTTP routes of the fake site: the token endpoint, the data routes, the Python API, CORS, and `/stand-in`.

The routes of the launcher are in `internal_api`, the pages for users in `pages`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.routing import Rule

from tests.site import api3, launcher, schema
from tests.site.accounts import GRANTS
from tests.site.errors import Rejected
from tests.site.faults import Switches
from tests.site.internal_api import PREFIX, InternalApi, check_claims, message
from tests.site.pages import Pages
from tests.site.responses import (
    ResponseInstead,
    error_response,
    json_response,
    text_response,
    with_text_numbers,
)
from tests.site.rest import Data, Request, entity_type
from tests.site.state import State

API3_GRANT = "api3"  # stands for a call of the Python API in the counts
# What a page of another origin is allowed to do (probed). Every origin is echoed, and credentials are allowed. A
# preflight for any other request header gets no CORS headers at all. No response header is exposed to pages.
CORS_METHODS = "GET, POST, PUT, PATCH, DELETE"
CORS_HEADERS = {"authorization", "content-type", "accept", "accept-language", "content-language", "range", "origin"}
CORS_MAX_AGE = "3600"


class _Rule(Rule):
    """A route for which no URL is ever built. Most of the time of a new site would go into preparing that."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        def build(*_: object) -> tuple[str, str]:
            raise NotImplementedError(self.rule, append_unknown)

        return build


def create_app(state: State) -> Flask:
    """Return the site as a Flask application."""
    app = Flask("fake site", template_folder=str(Path(__file__).with_name("templates")))
    app.url_rule_class = _Rule
    _Api(state).add_to(app)
    InternalApi(state).add_to(app)
    Pages(state).add_to(app)
    _StandIn(state).add_to(app)
    app.register_error_handler(ResponseInstead, lambda instead: instead.response)
    app.register_error_handler(Rejected, error_response)
    # The response for an unknown route (probed). This site also sends it for routes that would change data.
    for status in (404, 405):
        app.register_error_handler(status, lambda _: _not_found())
    return app


def _not_found() -> Response:
    if request.path.startswith(PREFIX):
        return message("Not Found", 404)
    return error_response(Rejected("Not Found", status=404))


class _Api:
    """The routes of a real site."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add_to(self, app: Flask) -> None:
        app.add_url_rule("/api/v1", view_func=self._about)
        for version in ("v1", "v1.1"):
            path = f"/api/{version}/auth/access_token"
            app.add_url_rule(path, path, self._access_token, methods=["POST"])
        app.add_url_rule("/api/v1/entity/<plural>", view_func=self._list_rows)
        app.add_url_rule("/api/v1/entity/<plural>/<int:row_id>", view_func=self._read_row)
        app.add_url_rule("/api/v1/entity/<plural>/_search", view_func=self._search, methods=["POST"])
        app.add_url_rule("/api/v1/entity/<plural>/_summarize", view_func=self._summarize, methods=["POST"])
        app.add_url_rule("/api/v1/schema", view_func=self._schema)
        app.add_url_rule("/api/v1/schema/<name>", view_func=self._schema)
        app.add_url_rule("/api/v1/schema/<name>/fields", view_func=self._schema, defaults={"of_fields": True})
        app.add_url_rule("/api/v1/preferences", view_func=self._preferences)
        app.add_url_rule(api3.PATH, view_func=self._api3, methods=["POST"])
        app.before_request(self._preflight)
        app.after_request(self._add_cors_headers)

    def _about(self) -> Response:
        about = {
            "shotgun_version": "v8.89.0.1234 (build fake site)",
            "api_version": "v1",
            "shotgun_version_number": "8.89.0.1234",
            "shotgun_build_number": "fake site",
            "portfolio_version": "8.89.0.1234",
            **launcher.about(self._state.switches),
            "site_id": "1",
            "site_name": "fake_site",
        }
        return json_response({"data": about})

    # ---- the token endpoint ----------------------------------------------------------------------------

    def _access_token(self) -> Response:
        if request.mimetype not in ("", "application/x-www-form-urlencoded"):  # shotgun-nodejs sends no type (client)
            source = {"content_type": "must be application/x-www-form-urlencoded"}
            raise Rejected("Unsupported content type", source, status=415)
        state = self._state
        form = {**request.args.to_dict(), **request.form.to_dict()}
        grant = form.get("grant_type", "")
        if grant == "refresh" and state.switches.accepts_refresh_grant:
            grant = "refresh_token"
        if grant not in GRANTS:
            raise Rejected("Unsupported grant_type")
        state.add_secrets(form)
        login = state.requester(grant, form)
        switches = state.switches_of(login)
        state.count_request(login, grant)
        state.faults.apply_before(switches.fault)
        check_claims(expired=switches.saml_claims_expired and grant != "client_credentials")
        try:
            tokens = state.tokens(grant, form, switches)
            response = json_response(with_text_numbers(tokens) if switches.numbers_as_text else tokens)
        except Rejected as rejected:
            response = error_response(rejected, numbers_as_text=switches.numbers_as_text)
        state.count_response(login, grant)
        state.faults.apply_after(switches.fault)
        return response

    # ---- the Python API --------------------------------------------------------------------------------

    def _api3(self) -> Response:
        """Handle a call of the Python API. Each call carries its credentials and signs in again (client)."""
        try:
            call = api3.Call.parsed(request.get_data())
        except Rejected as rejected:
            return json_response(api3.exception(rejected))
        state = self._state
        name = state.caller_name(call.credentials)
        switches = state.switches_of(name)
        is_counted = call.method != api3.UNAUTHENTICATED
        if is_counted:
            state.count_request(name, API3_GRANT)
            state.add_secrets(call.credentials)
        state.faults.apply_before(switches.fault)
        try:
            body = {"results": self._api3_results(call, switches)}
        except Rejected as rejected:
            body = api3.exception(rejected)
        if is_counted:
            state.count_response(name, API3_GRANT)
        state.faults.apply_after(switches.fault, switches.data_fault)
        return json_response(body)

    def _api3_results(self, call: api3.Call, switches: Switches) -> Any:
        if call.method == api3.UNAUTHENTICATED:
            return api3.info(switches)
        state = self._state
        caller = state.caller(call.credentials, switches)
        check_claims(expired=switches.saml_claims_expired and caller.type == "HumanUser")
        if call.method == "get_session_token":
            return {"session_id": state.new_session_token(caller)}  # client
        state.count_read(caller.login, api3.PATH)
        state.faults.apply_before(switches.data_fault)
        return api3.Api3(state.rows(), state.show.today).call(call)

    # ---- the data routes -------------------------------------------------------------------------------

    def _schema(self, name: str = "", *, of_fields: bool = False) -> Response:
        def body(_: Data, sent: Request) -> dict[str, Any]:
            kind = entity_type(name) if name else None
            found = schema.types() if kind is None else schema.fields(kind) if of_fields else schema.described(kind)
            return {"data": found, "links": {"self": sent.path}}

        return self._data(body)

    def _preferences(self) -> Response:
        names = [name for name in request.args.get("prefs", "").split(",") if name]
        return self._data(lambda _, sent: {"data": schema.preferences(names), "links": {"self": sent.path}})

    def _list_rows(self, plural: str) -> Response:
        return self._data(lambda data, sent: data.listing(entity_type(plural), sent))

    def _read_row(self, plural: str, row_id: int) -> Response:
        return self._data(lambda data, sent: data.one(entity_type(plural), row_id, sent))

    def _search(self, plural: str) -> Response:
        return self._data(lambda data, sent: data.search(entity_type(plural), sent))

    def _summarize(self, plural: str) -> Response:
        return self._data(lambda data, sent: data.summarize(entity_type(plural), sent))

    def _data(self, body: Callable[[Data, Request], dict[str, Any]]) -> Response:
        """Handle a data request: count it, apply faults, check the bearer, then respond with `body`."""
        state = self._state
        login = state.login_of_bearer(request.headers.get("authorization", ""))
        state.count_read(login, request.path)
        switches = state.switches_of(login)
        fault = switches.user_fault if request.path == state.own_row(login) else switches.data_fault
        state.faults.apply_before(fault)
        if not login:
            # Unknown: the body of a real site's 401. This is the body of its rejected refresh.
            raise Rejected("Unauthorized", status=401, code=102)
        data = Data(state.rows(), state.show.today)
        sent = Request(request.path, request.args.to_dict(), request.mimetype, request.get_data())
        try:
            found = body(data, sent)
            response = json_response(with_text_numbers(found) if switches.numbers_as_text else found)
        except Rejected as rejected:
            response = error_response(rejected)
        state.faults.apply_after(fault)
        return response

    # ---- CORS ------------------------------------------------------------------------------------------

    def _preflight(self) -> Response | None:
        """Respond to a preflight request for any route, also for one that does not exist (probed)."""
        if request.path.startswith("/api/v1/entity/"):
            headers = request.headers
            self._state.add_addresses(request.url, headers.get("referer", ""), headers.get("origin", ""))
        return Response() if request.method == "OPTIONS" else None

    def _add_cors_headers(self, response: Response) -> Response:
        """Allow pages of every origin to read the response. Sites do so for their whole REST API (probed)."""
        if not request.path.startswith("/api/v1"):
            return response
        response.headers["vary"] = "Origin, Access-Control-Request-Method"
        origin = request.headers.get("origin")
        is_error = response.status_code == 401 or response.status_code >= 500
        if origin is None or (is_error and not self._state.switches.cors_on_errors):
            return response
        added = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        if request.method == "OPTIONS":
            method = request.headers.get("access-control-request-method", "")
            wanted = request.headers.get("access-control-request-headers", "")
            names = {name.strip().lower() for name in wanted.split(",") if name.strip()}
            if method.upper() not in CORS_METHODS.split(", ") or not names <= CORS_HEADERS:
                return response
            added |= {"access-control-allow-methods": CORS_METHODS, "access-control-max-age": CORS_MAX_AGE}
            added |= {"access-control-allow-headers": wanted} if names else {}
        response.headers.update(added)
        return response


class _StandIn:
    """The routes that only the fake site has, for `curl` and for tests in another process."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add_to(self, app: Flask) -> None:
        app.before_request(self._reject_pages)
        app.add_url_rule("/stand-in/code/<login>", view_func=self._code)
        app.add_url_rule("/stand-in/switches", view_func=self._switches, methods=["GET", "PUT"])
        app.add_url_rule("/stand-in/asked", view_func=self._requests)

    def _reject_pages(self) -> Response | None:
        """Reject requests of web pages, which cannot choose these headers. The developer can open the URLs.

        The host is compared, because a name of an attacker can resolve to this machine (DNS rebinding).
        """
        if not request.path.startswith("/stand-in"):
            return None
        port = request.environ["SERVER_PORT"]
        is_own_host = request.host in (f"127.0.0.1:{port}", f"localhost:{port}")
        is_from_page = "origin" in request.headers or request.headers.get("sec-fetch-mode", "navigate") != "navigate"
        if is_own_host and not is_from_page:
            return None
        return text_response("Web pages cannot use the routes under /stand-in.\n", 403)

    def _code(self, login: str) -> Response:
        if login not in self._state.accounts:
            return text_response(f"unknown user: {login}\n", 404)
        try:
            return text_response(self._state.code(login))
        except LookupError as error:
            return text_response(f"{error}\n", 409)

    def _switches(self) -> Response:
        if request.method == "PUT":
            changes = request.get_json()
            unknown = set(changes) - {known.name for known in fields(Switches)}
            if unknown:
                return text_response(f"unknown switches: {', '.join(sorted(unknown))}\n", 400)
            try:
                self._state.switch(**changes)
            except ValueError as error:
                return text_response(f"{error}\n", 400)
        return json_response(asdict(self._state.switches))

    def _requests(self) -> Response:
        counts = sorted(self._state.requests.items())
        return json_response({f"{name} {grant}": count for (name, grant), count in counts})
