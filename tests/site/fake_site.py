"""A fake site for a ShotGrid site: it answers as `site-contract.md` says real ones were seen to.

What nobody has seen is a switch (`Switches`), for the whole site or for one user, and can be turned while it
runs. It is for tests and the demo and is never deployed. The data that it serves is a `Show`, none unless one is given.

Unlike a real site it has routes under `/stand-in`: the next code of a user, the switches, and what was asked.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pyotp
from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.site import api3, schema
from tests.site.filters import Rejected
from tests.site.rest import Data, Request, entity_type
from tests.site.show import HumanUser, Link, Row, Show

ANSWER_HEADERS = {
    "cache-control": "private, max-age=0, must-revalidate",
    "server": "nginx + Phusion Passenger(R)",
    "strict-transport-security": "max-age=63072000; includeSubDomains; preload",
    "x-frame-options": "SAMEORIGIN",
}
REFRESH_TOKEN_SECONDS = 24 * 3600
GRANTS = ("password", "client_credentials", "refresh_token", "session_token")
NAMES = ("grant_type", "username", "client_id", "scope")  # of what is sent for a token and is no secret
API3 = "api3"  # the name that `requests` has for a call of the Python API, which is no grant
# What a page on another origin may do (probed): any origin is echoed, with credentials; these methods; these request
# headers, and with any other none of the answer's own. Nothing is exposed beyond what a browser exposes by itself.
CORS_METHODS = "GET, POST, PUT, PATCH, DELETE"
CORS_HEADERS = {"authorization", "content-type", "accept", "accept-language", "content-language", "range", "origin"}
CORS_MAX_AGE = "3600"
METHODS_WITHOUT_PASSWORD = {"saml2": 108, "oxygen": 110}

# Answers that no site should give, by name.
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


@dataclass(frozen=True)
class Switches:
    """What a site's administrators can set, and what is unknown about sites.

    Attributes:
        two_factor: a code is asked for.
        password_checked_first: a wrong password is refused before a code is asked for.
        wrong_code: the error code for a refused code, 102 or 106.
        retires_refresh_tokens: a refresh token works once.
        accepts_refresh_grant: the grant `refresh`, which shotgun-nodejs asks for when it renews a token, is `refresh_token`.
            No other client sends it, and nobody has seen what a site says to it.
        authentication_method: `default`, or `saml2` or `oxygen`, which refuse passwords.
        expires_in: the life of an access token in seconds.
        fault: what the token endpoint and each call of the Python API do instead of answering: a name of `GARBAGE`,
            `redirect`, a status from 500 on, `drop` (hang up unasked), `drop_response` (do it, then hang up),
            `delay:SECONDS`, `hold` (wait until `release`). Empty for none.
        data_fault: likewise what the data routes do,
        user_fault: but for a user who reads their own row, as a gateway does to know who has signed in.
        cors_on_errors: a 401 or 5xx of a data route says, as other answers do, that a page may read it. Seen on 200,
            400 and 415 (probed), on these unknown.
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


@dataclass
class Account:
    """Someone with an account, or a script. `own` are switches that differ from the site's for them alone."""

    id: int
    login: str
    password: str
    name: str
    email: str
    permission_group: str = "Artist"
    otp_secret: str = field(default_factory=pyotp.random_base32)
    backup_codes: set[str] = field(default_factory=set)
    used_codes: set[str] = field(default_factory=set)
    own: dict[str, Any] = field(default_factory=dict)
    type: str = "HumanUser"

    @property
    def row(self) -> HumanUser:
        """The user as the data routes show them."""
        rule_set = Link("PermissionRuleSet", 8, self.permission_group)
        return HumanUser(self.id, self.name, self.login, self.email, rule_set)


class SiteAnswer(Exception):
    """An answer that ends the handling of a request."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class FakeSite:
    """The site's state, and the server that shows it on loopback."""

    def __init__(self, port: int = 0, show: Show | None = None) -> None:
        self.switches = Switches()
        self.show = show or Show(datetime.now(UTC).date())
        self.accounts: dict[str, Account] = {}
        self.scripts: dict[str, str] = {}  # keys by name
        self.requests: Counter[tuple[str, str]] = Counter()  # by login, or a script's name, and grant
        self.responses: Counter[tuple[str, str]] = Counter()
        self.reads: Counter[tuple[str, str]] = Counter()  # by login, empty for no valid bearer, and path of a data route
        self.seen_addresses: set[str] = set()  # at data routes: addresses with their query, referrers and origins
        self.secrets: set[str] = set()  # every password, code and token that came in or went out
        self.held = threading.Semaphore(0)  # released once for each request that a `hold` has reached
        self._release = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.RLock()
        self._key = secrets.token_urlsafe(32)
        # By whom: a user's login or a script's name.
        self._sessions: dict[str, str] = {}  # session uuid: whose
        self._refresh_tokens: dict[str, tuple[str, str]] = {}  # token: whose, session uuid
        self._session_tokens: dict[str, str] = {}  # token: whose
        self._access_tokens: dict[str, str] = {}  # token: login
        self._server = make_server("127.0.0.1", port, self._app(), threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeSite:
        # How soon it sees that it is told to stop, in seconds: half of one is the default, and a wait for every test.
        serve = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serve.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.release()
        self._server.shutdown()
        self._server.server_close()

    # ---- for tests and the demo ------------------------------------------------------------------------

    def add_user(self, login: str, password: str, **own: Any) -> Account:
        """Open an account with two backup codes; `own` are switches for this user alone."""
        with self._lock:
            user = Account(
                id=24 + len(self.accounts),
                login=login,
                password=password,
                name=login.replace("_", " ").title(),
                email=f"{login}@studio.example",
                backup_codes={f"{secrets.randbelow(10**8):08d}" for _ in range(2)},
                own=own,
            )
            self.accounts[login] = user
            self.secrets |= {password, *user.backup_codes}
            return user

    def add_script(self, name: str, key: str) -> None:
        """Give a script a key. Its name is nobody's login."""
        with self._lock:
            if name in self.accounts:
                raise ValueError(f"{name} is a user's login")
            self.scripts[name] = key
            self.secrets.add(key)

    def code(self, login: str) -> str:
        """Return a code that the user's app shows and that was not used yet."""
        user = self.accounts[login]
        totp = pyotp.TOTP(user.otp_secret)
        now = int(time.time())
        codes = [totp.at(now + step * totp.interval) for step in (0, 1, -1)]
        code = next((code for code in codes if code not in user.used_codes), None)
        if code is None:
            raise LookupError("all codes of this minute are used; wait for the next one")
        self.secrets.add(code)
        return code

    def switch(self, user: Account | None = None, **changes: Any) -> None:
        """Turn switches, for the site or for one user. Turning two-factor on ends the sessions it is for."""
        with self._lock:
            checked = asdict(replace(self.switches, **changes))
            if user is None:
                self.switches = Switches(**checked)
            else:
                user.own.update(changes)
            if changes.get("two_factor"):
                self.end_sessions(user)

    def end_sessions(self, user: Account | None = None) -> None:
        """End all people's sessions and session tokens, or one user's. A script's go on."""
        with self._lock:
            for sessions in (self._sessions, self._session_tokens):
                for session, login in list(sessions.items()):
                    if login == user.login if user else login in self.accounts:
                        del sessions[session]

    def end_access_tokens(self, user: Account) -> None:
        """End a user's access tokens before their time, and not the sessions that they came from."""
        with self._lock:
            for token, login in list(self._access_tokens.items()):
                if login == user.login:
                    del self._access_tokens[token]

    def release(self) -> None:
        """Let the requests go on that a `hold` has stopped."""
        holding, self._release = self._release, threading.Event()
        holding.set()

    def sign_in_directly(self, user: Account) -> dict[str, Any]:
        """Return the tokens of a sign-in that no gateway has seen."""
        answer = self._success(user, "user", self._switches_of(user.login), self._new_session(user))
        tokens: dict[str, Any] = json.loads(answer.get_data())
        return tokens

    def requests_for(self, user: Account, grant: str) -> int:
        """Return how often a grant was asked for this user."""
        return self.requests[user.login, grant]

    def own_row(self, login: str) -> str | None:
        """Return the address of a user's own row, None for nobody's and a script's."""
        user = self.accounts.get(login)
        return f"/api/v1/entity/human_users/{user.id}" if user else None

    def reads_by(self, user: Account) -> int:
        """Return how many requests to data routes came with a valid bearer of this user, but for their own row."""
        with self._lock:
            read = [(path, count) for (login, path), count in self.reads.items() if login == user.login]
        return sum(count for path, count in read if path != self.own_row(user.login))

    # ---- what a site does ------------------------------------------------------------------------------

    def _app(self) -> Flask:
        app = Flask("fake site")
        app.add_url_rule("/api/v1", view_func=self._about)
        app.add_url_rule("/api/v1/auth/access_token", view_func=self._access_token, methods=["POST"])
        app.add_url_rule("/api/v1/entity/<plural>", view_func=self._list_rows)
        app.add_url_rule("/api/v1/entity/<plural>/<int:row_id>", view_func=self._read_row)
        app.add_url_rule("/api/v1/entity/<plural>/_search", view_func=self._search, methods=["POST"])
        app.add_url_rule("/api/v1/entity/<plural>/_summarize", view_func=self._summarize, methods=["POST"])
        app.add_url_rule("/api/v1/schema", view_func=self._show_schema)
        app.add_url_rule("/api/v1/schema/<name>", view_func=self._show_schema)
        app.add_url_rule("/api/v1/schema/<name>/fields", view_func=self._show_schema, defaults={"of_fields": True})
        app.add_url_rule("/api/v1/preferences", view_func=self._show_preferences)
        app.add_url_rule(api3.PATH, view_func=self._api3, methods=["POST"])
        app.add_url_rule("/stand-in/code/<login>", view_func=self._show_code)
        app.add_url_rule("/stand-in/switches", view_func=self._show_switches, methods=["GET", "PUT"])
        app.add_url_rule("/stand-in/asked", view_func=self._show_asked)
        app.register_error_handler(SiteAnswer, lambda answer: answer.response)
        # A route that is none (probed), and here also one that would change data.
        for status in (404, 405):
            app.register_error_handler(status, lambda _: _error(404, 103, "Not Found"))
        app.before_request(self._preflight)
        app.after_request(self._share)
        return app

    def _about(self) -> Response:
        return _json(
            200,
            {
                "data": {
                    "shotgun_version": "v8.89.0.1234 (build fake site)",
                    "api_version": "v1",
                    "shotgun_version_number": "8.89.0.1234",
                    "shotgun_build_number": "fake site",
                    "portfolio_version": "8.89.0.1234",
                    "unified_login_flow_enabled": True,
                    "user_authentication_method": self.switches.authentication_method,
                    "authentication_app_session_launcher_enabled": True,
                    "site_id": "1",
                    "site_name": "stand_in",
                }
            },
        )

    def _access_token(self) -> Response:
        if request.mimetype not in ("", "application/x-www-form-urlencoded"):  # shotgun-nodejs says none (client)
            detail = {"content_type": "must be application/x-www-form-urlencoded"}
            return _error(415, 103, "Unsupported content type", detail)
        asked = {**request.args.to_dict(), **request.form.to_dict()}
        grant = asked.get("grant_type", "")
        if grant == "refresh" and self.switches.accepts_refresh_grant:
            grant = "refresh_token"
        if grant not in GRANTS:
            return _error(400, 103, "Unsupported grant_type")
        self.secrets |= {value for name, value in asked.items() if name not in NAMES}
        holder = self._session_tokens.get(asked.get("session_token", ""), "")
        login = asked.get("username", asked.get("client_id", holder))
        if grant == "refresh_token":
            login, _ = self._refresh_tokens.get(asked.get("refresh_token", ""), ("", ""))
        switches = self._switches_of(login)
        self.requests[login, grant] += 1
        self._fault_before(switches.fault)
        try:
            answer = getattr(self, f"_{grant}")(asked, switches)
        except SiteAnswer as refused:
            answer = refused.response
        except Rejected as refused:
            answer = _error(refused.status, refused.code, refused.title, refused.source)
        self.responses[login, grant] += 1
        if switches.fault == "drop_response":
            _hang_up()
        return answer  # type: ignore[no-any-return]

    def _password(self, asked: dict[str, str], switches: Switches) -> Response:
        user = self._sign_in(asked.get("username"), asked.get("password"), asked.get("auth_token"), switches)
        return self._success(user, "user", switches, self._new_session(user))

    def _sign_in(self, login: str | None, password: str | None, code: str | None, switches: Switches) -> Account:
        """Return who signs in with a password and, where one is wanted, a code. Raises `Rejected`."""
        if not login or not password:
            raise Rejected("Missing or invalid authentication arguments")
        if elsewhere := METHODS_WITHOUT_PASSWORD.get(switches.authentication_method):
            raise Rejected("Password authentication is not allowed on this site", code=elsewhere)
        user = self.accounts.get(login)
        right = user is not None and secrets.compare_digest(user.password.encode(), password.encode())
        unknown = f"Can't authenticate user '{login}'."
        if not right and (not switches.two_factor or switches.password_checked_first):
            raise Rejected(unknown, code=102)
        if switches.two_factor:
            if not code:
                source = {"auth_token": "missing for 2FA login"}
                raise Rejected("Missing argument for 2FA login", source, code=106)
            if user is None or not right or not self._spend(user, code):
                title = unknown if switches.wrong_code == 102 else "Invalid 2FA code"
                raise Rejected(title, code=switches.wrong_code)
        assert user is not None
        return user

    def _refresh_token(self, asked: dict[str, str], switches: Switches) -> Response:
        token = asked.get("refresh_token", "")
        with self._lock:
            login, session = self._refresh_tokens.get(token, ("", ""))
            if session not in self._sessions or _expired(token):
                return _error(401, 102, "Unauthorized")
            if switches.retires_refresh_tokens:
                del self._refresh_tokens[token]
        holder = self._account(login)
        return self._success(holder, "user" if holder.type == "HumanUser" else "script", switches, session)

    def _client_credentials(self, asked: dict[str, str], switches: Switches) -> Response:
        script = self._script(asked.get("client_id", ""), asked.get("client_secret", ""))
        scope = asked.get("scope", "")
        login = scope.removeprefix("sudo_as_login:") if scope.startswith("sudo_as_login:") else None
        self._check_sudo(script, login)
        return self._success(script, "script", switches, self._new_session(script), sudo_as_login=login)

    def _script(self, name: str, key: str) -> Account:
        """Return the script of a name and key. Raises `Rejected`. No switch is asked: scripts know no second factor."""
        if name not in self.scripts or not secrets.compare_digest(self.scripts[name].encode(), key.encode()):
            raise Rejected(f"Can't authenticate script '{name}'", code=102)
        return self._account(name)

    def _check_sudo(self, caller: Account, login: str | None) -> None:
        """Raise `Rejected` for one who may not act as a user. Whoever calls stays who they are (probed)."""
        if login is not None and caller.type != "ApiUser":
            raise Rejected(f"The user does not have permission to 'sudo': '{caller.login}'", code=102)  # client
        if login is not None and login not in self.accounts:
            raise Rejected(f"Cannot 'sudo' - unknown or retired user: '{login}'", code=102)  # probed

    def _session_token(self, asked: dict[str, str], switches: Switches) -> Response:
        holder = self._holder(asked.get("session_token", ""))
        return self._success(holder, "session_token", switches, self._new_session(holder))

    def _holder(self, session_token: str) -> Account:
        """Return whose session token it is. Raises `Rejected`. Who has one is not asked for a code."""
        login = self._session_tokens.get(session_token)
        if login is None:
            raise Rejected(f"Can't authenticate session token ending with '{session_token[-4:]}'", code=102)
        return self._account(login)

    def session_token(self, holder: Account) -> str:
        """Mint a session token, as the desktop tools hold one."""
        token = secrets.token_hex(16)
        with self._lock:
            self._session_tokens[token] = holder.login
            self.secrets.add(token)
        return token

    def _account(self, name: str) -> Account:
        """Return the user or script of a name."""
        if name in self.accounts:
            return self.accounts[name]
        number = 1 + list(self.scripts).index(name)
        return Account(id=number, login=name, password="", name=name, email="", type="ApiUser")

    # ---- the Python API ----------------------------------------------------------------------------------

    def _api3(self) -> Response:
        """Answer a call of the Python API. Each signs in anew, with the credentials that it carries (client)."""
        try:
            call = api3.Call.parsed(request.get_data())
        except Rejected as refused:
            return _json(200, api3.exception(refused))
        name = self._name_in(call)
        switches = self._switches_of(name)
        if call.method != api3.UNAUTHENTICATED:
            self.requests[name, API3] += 1
            self.secrets |= call.secrets
        self._fault_before(switches.fault)
        try:
            answer = {"results": self._api3_results(call, switches)}
        except Rejected as refused:
            answer = api3.exception(refused)
        if call.method != api3.UNAUTHENTICATED:
            self.responses[name, API3] += 1
        if "drop_response" in (switches.fault, switches.data_fault):
            _hang_up()
        return _json(200, answer)

    def _name_in(self, call: api3.Call) -> str:
        sent = call.credentials
        holder = self._session_tokens.get(str(sent.get("session_token")), "")
        return str(sent.get("user_login") or sent.get("script_name") or holder)

    def _api3_results(self, call: api3.Call, switches: Switches) -> Any:
        if call.method == api3.UNAUTHENTICATED:
            return api3.info(switches.authentication_method)
        caller = self._api3_caller(call.credentials, switches)
        if call.method == "get_session_token":
            return {"session_id": self.session_token(caller)}  # client
        with self._lock:
            self.reads[caller.login, api3.PATH] += 1
        self._fault_before(switches.data_fault)
        return api3.Api3(self._rows(), self.show.today).call(call)

    def _api3_caller(self, sent: dict[str, Any], switches: Switches) -> Account:
        """Return who calls, by any of the three credentials. Raises `Rejected`."""
        if "user_login" in sent:
            login, password, code = (str(sent.get(name, "")) for name in ("user_login", "user_password", "auth_token"))
            caller = self._sign_in(login, password, code, switches)
        elif "script_name" in sent:
            caller = self._script(str(sent["script_name"]), str(sent.get("script_key", "")))
        elif "session_token" in sent:
            caller = self._holder(str(sent["session_token"]))
        else:
            raise Rejected("Missing or invalid authentication arguments", code=102)  # unknown
        self._check_sudo(caller, sent.get("sudo_as_login"))
        return caller

    # ---- data --------------------------------------------------------------------------------------------

    def _rows(self) -> dict[str, dict[int, Row]]:
        """Return the show's rows, with a row for everyone who has an account."""
        with self._lock:
            users = {user.id: user.row for user in self.accounts.values()}
        rows = self.show.rows
        return rows | {"HumanUser": rows["HumanUser"] | users}

    def _show_schema(self, name: str = "", *, of_fields: bool = False) -> Response:
        def answer(_: Data, asked: Request) -> dict[str, Any]:
            kind = entity_type(name) if name else None
            found = schema.types() if kind is None else schema.fields(kind) if of_fields else schema.described(kind)
            return {"data": found, "links": {"self": asked.address}}

        return self._data(answer)

    def _show_preferences(self) -> Response:
        names = [name for name in request.args.get("prefs", "").split(",") if name]
        return self._data(lambda _, asked: {"data": schema.preferences(names), "links": {"self": asked.address}})

    def _list_rows(self, plural: str) -> Response:
        return self._data(lambda data, asked: data.listing(entity_type(plural), asked))

    def _read_row(self, plural: str, row_id: int) -> Response:
        return self._data(lambda data, asked: data.one(entity_type(plural), row_id, asked))

    def _search(self, plural: str) -> Response:
        return self._data(lambda data, asked: data.search(entity_type(plural), asked))

    def _summarize(self, plural: str) -> Response:
        return self._data(lambda data, asked: data.summarize(entity_type(plural), asked))

    def _data(self, answer: Callable[[Data, Request], dict[str, Any]]) -> Response:
        """Answer a data route: faults first, then 401, whose shape is that of a refused refresh: unknown here."""
        login = self._bearer()
        with self._lock:
            self.reads[login, request.path] += 1
        switches = self._switches_of(login)
        fault = switches.user_fault if request.path == self.own_row(login) else switches.data_fault
        self._fault_before(fault)
        if not login:
            return _error(401, 102, "Unauthorized")
        data = Data(self._rows(), self.show.today)
        asked = Request(request.path, request.args.to_dict(), request.mimetype, request.get_data())
        try:
            found = _json(200, answer(data, asked))
        except Rejected as refused:
            found = _error(refused.status, refused.code, refused.title, refused.source, refused.detail)
        if fault == "drop_response":
            _hang_up()
        return found

    def _bearer(self) -> str:
        """Return whose access token came with the request; empty without one that is good."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], audience="127.0.0.1")
        except jwt.InvalidTokenError:
            return ""
        if scheme.lower() != "bearer" or token not in self._access_tokens:
            return ""
        return self._sessions.get(claims["session_uuid"], "")

    def _preflight(self) -> Response | None:
        """Answer whether a page may ask, whatever the route, even one that does not exist (probed)."""
        if request.path.startswith("/api/v1/entity/"):
            addresses = {request.url, request.headers.get("referer", ""), request.headers.get("origin", "")}
            with self._lock:
                self.seen_addresses |= addresses - {""}
        return Response() if request.method == "OPTIONS" and request.path.startswith("/api/v1") else None

    def _share(self, response: Response) -> Response:
        """Say that a page of any origin may read the answer, as sites do for all of their REST API (probed)."""
        if not request.path.startswith("/api/v1"):
            return response
        response.headers["vary"] = "Origin, Access-Control-Request-Method"
        origin = request.headers.get("origin")
        refuses = response.status_code == 401 or response.status_code >= 500
        if origin is None or (refuses and not self.switches.cors_on_errors):
            return response
        shared = {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
        if request.method == "OPTIONS":
            method = request.headers.get("access-control-request-method", "")
            wanted = request.headers.get("access-control-request-headers", "")
            names = {name.strip().lower() for name in wanted.split(",") if name.strip()}
            if method.upper() not in CORS_METHODS.split(", ") or not names <= CORS_HEADERS:
                return response
            shared |= {"access-control-allow-methods": CORS_METHODS, "access-control-max-age": CORS_MAX_AGE}
            shared |= {"access-control-allow-headers": wanted} if names else {}
        response.headers.update(shared)
        return response

    def _success(
        self,
        user: Account,
        auth_type: str,
        switches: Switches,
        session: str,
        *,
        sudo_as_login: str | None = None,
    ) -> Response:
        now = int(time.time())
        claims = {"iss": "127.0.0.1", "aud": "127.0.0.1", "iat": now, "session_uuid": session}
        access_token = jwt.encode(
            claims
            | {
                "exp": now + switches.expires_in,
                "jti": str(uuid.uuid4()),
                "user": {"type": user.type, "id": user.id},
                "sudo_as_login": sudo_as_login,
                "auth_type": auth_type,
            },
            self._key,
        )
        refresh_token = jwt.encode(claims | {"exp": now + REFRESH_TOKEN_SECONDS, "jti": str(uuid.uuid4())}, self._key)
        with self._lock:
            self._access_tokens[access_token] = user.login
            self._refresh_tokens[refresh_token] = (user.login, session)
            self.secrets |= {access_token, refresh_token}
        return _json(
            200,
            {
                "token_type": "Bearer",
                "access_token": access_token,
                "expires_in": switches.expires_in,
                "refresh_token": refresh_token,
            },
        )

    def _new_session(self, user: Account) -> str:
        session = str(uuid.uuid4())
        with self._lock:
            self._sessions[session] = user.login
        return session

    def _switches_of(self, login: str) -> Switches:
        user = self.accounts.get(login)
        return replace(self.switches, **user.own) if user else self.switches

    def _spend(self, user: Account, code: str) -> bool:
        with self._lock:
            if code in user.used_codes:
                return False
            right = code in user.backup_codes or pyotp.TOTP(user.otp_secret).verify(code, valid_window=1)
            if right:
                user.used_codes.add(code)
            return right

    def _fault_before(self, fault: str) -> None:
        if fault == "hold":
            release = self._release  # before anybody can hear that there is something to release
            self.held.release()
            release.wait(60)
        elif fault == "drop":
            _hang_up()
        elif fault == "redirect":
            elsewhere = Response(status=302, headers={"location": f"{self.url}/api/v1"})
            raise SiteAnswer(elsewhere)
        elif fault.startswith("delay:"):
            self._closing.wait(float(fault.removeprefix("delay:")))
        elif fault.isdigit():
            raise SiteAnswer(Response("Service Unavailable", status=int(fault), mimetype="text/plain"))
        elif fault in GARBAGE:
            status, mimetype, body = GARBAGE[fault]
            raise SiteAnswer(Response(body, status=status, mimetype=mimetype))

    # ---- what only a fake site has ------------------------------------------------------------------------

    def _show_code(self, login: str) -> Response:
        if login not in self.accounts:
            return Response(f"nobody here is called {login}\n", status=404, mimetype="text/plain")
        try:
            return Response(self.code(login), mimetype="text/plain")
        except LookupError as used_up:
            return Response(f"{used_up}\n", status=409, mimetype="text/plain")

    def _show_switches(self) -> Response:
        if request.method == "PUT":
            changes = request.get_json()
            unknown = set(changes) - {known.name for known in fields(Switches)}
            if unknown:
                return Response(f"unknown switches: {', '.join(sorted(unknown))}\n", status=400, mimetype="text/plain")
            self.switch(**changes)
        return _json(200, asdict(self.switches))

    def _show_asked(self) -> Response:
        return _json(200, {f"{login} {grant}": count for (login, grant), count in sorted(self.requests.items())})


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections, as real sites do

    def log_request(self, *_: object) -> None:
        """Keep the terminal for what matters."""


def _json(status: int, body: Any) -> Response:
    response = Response(json.dumps(body), status=status, content_type="application/json; charset=utf-8")
    response.headers.update(ANSWER_HEADERS | {"x-request-id": secrets.token_hex(16)})
    return response


def _error(
    status: int, code: int, title: str, source: Mapping[str, Any] | None = None, detail: str | None = None
) -> Response:
    error = {
        "id": secrets.token_hex(16),
        "status": status,
        "code": code,
        "title": title,
        "source": source or {},
        "detail": detail,
        "meta": None,
    }
    return _json(status, {"errors": [error]})


def _expired(token: str) -> bool:
    return bool(jwt.decode(token, options={"verify_signature": False})["exp"] <= time.time())


def _hang_up() -> None:
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise SiteAnswer(Response(status=500))
