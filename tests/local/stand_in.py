"""A stand-in for a ShotGrid site: it answers as `site-contract.md` says real ones were seen to.

What nobody has seen is a switch (`Switches`), for the whole site or for one person, and can be turned while it
runs. It is for tests and the demo and is never deployed.

Unlike a real site it has routes under `/stand-in`: the next code of a person, the switches, and what was asked.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import jwt
import pyotp
from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

ANSWER_HEADERS = {
    "cache-control": "private, max-age=0, must-revalidate",
    "server": "nginx + Phusion Passenger(R)",
    "strict-transport-security": "max-age=63072000; includeSubDomains; preload",
    "x-frame-options": "SAMEORIGIN",
}
REFRESH_TOKEN_SECONDS = 24 * 3600
GRANTS = ("password", "client_credentials", "refresh_token", "session_token")
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
        authentication_method: `default`, or `saml2` or `oxygen`, which refuse passwords.
        expires_in: the life of an access token in seconds.
        fault: what the token endpoint does instead of answering: a name of `GARBAGE`, `redirect`, a status from
            500 on, `drop` (hang up unasked), `drop_answer` (do it, then hang up), `delay:SECONDS`, `hold` (wait
            until `release`). Empty for none.
    """

    two_factor: bool = False
    password_checked_first: bool = True
    wrong_code: int = 102
    retires_refresh_tokens: bool = True
    authentication_method: str = "default"
    expires_in: int = 600
    fault: str = ""


@dataclass
class Person:
    """Someone with an account. `own` are switches that differ from the site's for them alone."""

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


class SiteAnswer(Exception):
    """An answer that ends the handling of a request."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class StandIn:
    """The site's state, and the server that shows it on loopback."""

    def __init__(self, port: int = 0) -> None:
        self.switches = Switches()
        self.people: dict[str, Person] = {}
        self.scripts: dict[str, str] = {}
        self.asked: Counter[tuple[str, str]] = Counter()  # by login and grant
        self.answered: Counter[tuple[str, str]] = Counter()
        self.secrets: set[str] = set()  # every password, code and token that came in or went out
        self.held = threading.Semaphore(0)  # released once for each request that a `hold` has reached
        self._release = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.RLock()
        self._key = secrets.token_urlsafe(32)
        self._sessions: dict[str, str] = {}  # session uuid: login
        self._refresh_tokens: dict[str, tuple[str, str]] = {}  # token: login, session uuid
        self._session_tokens: dict[str, str] = {}  # token: login
        self._server = make_server("127.0.0.1", port, self._app(), threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> StandIn:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self.release()
        self._server.shutdown()
        self._server.server_close()

    # ---- for tests and the demo ------------------------------------------------------------------------

    def add_person(self, login: str, password: str, **own: Any) -> Person:
        """Open an account with two backup codes; `own` are switches for this person alone."""
        with self._lock:
            person = Person(
                id=24 + len(self.people),
                login=login,
                password=password,
                name=login.replace("_", " ").title(),
                email=f"{login}@studio.example",
                backup_codes={f"{secrets.randbelow(10**8):08d}" for _ in range(2)},
                own=own,
            )
            self.people[login] = person
            self.secrets |= {password, *person.backup_codes}
            return person

    def code(self, login: str) -> str:
        """Return a code that the person's app shows and that was not used yet."""
        person = self.people[login]
        totp = pyotp.TOTP(person.otp_secret)
        now = int(time.time())
        codes = [totp.at(now + step * totp.interval) for step in (0, 1, -1)]
        code = next((code for code in codes if code not in person.used_codes), None)
        if code is None:
            raise LookupError("all codes of this minute are used; wait for the next one")
        self.secrets.add(code)
        return code

    def switch(self, person: Person | None = None, **changes: Any) -> None:
        """Turn switches, for the site or for one person. Turning two-factor on ends the sessions it is for."""
        with self._lock:
            checked = asdict(replace(self.switches, **changes))
            if person is None:
                self.switches = Switches(**checked)
            else:
                person.own.update(changes)
            if changes.get("two_factor"):
                self.end_sessions(person)

    def end_sessions(self, person: Person | None = None) -> None:
        """End everyone's sessions, or one person's."""
        with self._lock:
            for session, login in list(self._sessions.items()):
                if person is None or login == person.login:
                    del self._sessions[session]

    def release(self) -> None:
        """Let the requests go on that a `hold` has stopped."""
        holding, self._release = self._release, threading.Event()
        holding.set()

    def sign_in_directly(self, person: Person) -> dict[str, Any]:
        """Return the tokens of a sign-in that no gateway has seen."""
        answer = self._success(person, "user", self._switches_of(person.login), self._new_session(person))
        tokens: dict[str, Any] = json.loads(answer.get_data())
        return tokens

    def asked_for(self, person: Person, grant: str) -> int:
        """Return how often a grant was asked for this person."""
        return self.asked[person.login, grant]

    # ---- what a site does ------------------------------------------------------------------------------

    def _app(self) -> Flask:
        app = Flask("stand-in")
        app.add_url_rule("/api/v1", view_func=self._about)
        app.add_url_rule("/api/v1/auth/access_token", view_func=self._access_token, methods=["POST"])
        app.add_url_rule("/api/v1/entity/human_users/<int:person_id>", view_func=self._human_user)
        app.add_url_rule("/stand-in/code/<login>", view_func=self._show_code)
        app.add_url_rule("/stand-in/switches", view_func=self._show_switches, methods=["GET", "PUT"])
        app.add_url_rule("/stand-in/asked", view_func=self._show_asked)
        app.register_error_handler(SiteAnswer, lambda answer: answer.response)
        return app

    def _about(self) -> Response:
        return _json(
            200,
            {
                "data": {
                    "shotgun_version": "v8.89.0.1234 (build stand-in)",
                    "api_version": "v1",
                    "shotgun_version_number": "8.89.0.1234",
                    "shotgun_build_number": "stand-in",
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
        if request.mimetype != "application/x-www-form-urlencoded":
            detail = {"content_type": "must be application/x-www-form-urlencoded"}
            return _error(415, 103, "Unsupported content type", detail)
        asked = {**request.args.to_dict(), **request.form.to_dict()}
        grant = asked.get("grant_type", "")
        if grant not in GRANTS:
            return _error(400, 103, "Unsupported grant_type")
        self.secrets |= {value for name, value in asked.items() if name not in ("grant_type", "username", "client_id")}
        login = asked.get("username", "")
        if grant == "refresh_token":
            login, _ = self._refresh_tokens.get(asked.get("refresh_token", ""), ("", ""))
        switches = self._switches_of(login)
        self.asked[login, grant] += 1
        self._fault_before(switches.fault)
        try:
            answer = getattr(self, f"_{grant}")(asked, switches)
        except SiteAnswer as refused:
            answer = refused.response
        self.answered[login, grant] += 1
        if switches.fault == "drop_answer":
            _hang_up()
        return answer  # type: ignore[no-any-return]

    def _password(self, asked: dict[str, str], switches: Switches) -> Response:
        login, password = asked.get("username"), asked.get("password")
        if not login or not password:
            return _error(400, 103, "Missing or invalid authentication arguments")
        if elsewhere := METHODS_WITHOUT_PASSWORD.get(switches.authentication_method):
            return _error(400, elsewhere, "Password authentication is not allowed on this site")
        person = self.people.get(login)
        right = person is not None and secrets.compare_digest(person.password.encode(), password.encode())
        refused = _error(400, 102, f"Can't authenticate user '{login}'.")
        if not right and (not switches.two_factor or switches.password_checked_first):
            return refused
        if switches.two_factor:
            code = asked.get("auth_token")
            if not code:
                source = {"auth_token": "missing for 2FA login"}
                return _error(400, 106, "Missing argument for 2FA login", source)
            if person is None or not right or not self._spend(person, code):
                title = f"Can't authenticate user '{login}'." if switches.wrong_code == 102 else "Invalid 2FA code"
                return _error(400, switches.wrong_code, title)
        assert person is not None
        return self._success(person, "user", switches, self._new_session(person))

    def _refresh_token(self, asked: dict[str, str], switches: Switches) -> Response:
        token = asked.get("refresh_token", "")
        with self._lock:
            login, session = self._refresh_tokens.get(token, ("", ""))
            if session not in self._sessions or _expired(token):
                return _error(401, 102, "Unauthorized")
            if switches.retires_refresh_tokens:
                del self._refresh_tokens[token]
        return self._success(self.people[login], "user", switches, session)

    def _client_credentials(self, asked: dict[str, str], switches: Switches) -> Response:
        name, key = asked.get("client_id", ""), asked.get("client_secret", "")
        if self.scripts.get(name) is None or self.scripts[name] != key:
            return _error(400, 102, f"Can't authenticate script '{name}'")
        script = Person(id=1, login=name, password="", name=name, email="")
        scope = asked.get("scope", "")
        if scope.startswith("sudo_as_login:"):
            person = self.people.get(scope.removeprefix("sudo_as_login:"))
            if person is None:
                return _error(400, 102, f"Can't authenticate script '{name}'")
            return self._success(person, "script", switches, self._new_session(person), sudo_as_login=person.login)
        return self._success(script, "script", switches, self._new_session(script), entity_type="ApiUser")

    def _session_token(self, asked: dict[str, str], switches: Switches) -> Response:
        token = asked.get("session_token", "")
        login = self._session_tokens.get(token)
        if login is None:
            return _error(400, 102, f"Can't authenticate session token ending with '{token[-4:]}'")
        person = self.people[login]
        return self._success(person, "session_token", switches, self._new_session(person))

    def session_token(self, person: Person) -> str:
        """Mint a session token, as the desktop tools hold one."""
        token = secrets.token_hex(16)
        self._session_tokens[token] = person.login
        self.secrets.add(token)
        return token

    def _human_user(self, person_id: int) -> Response:
        self._bearer()
        person = next((person for person in self.people.values() if person.id == person_id), None)
        if person is None:
            return _error(404, 104, "Not Found", detail=f"HumanUser: {person_id} not found")
        wanted = request.args.get("fields", "").split(",")
        attributes = {"login": person.login, "name": person.name, "email": person.email}
        link = f"/api/v1/entity/human_users/{person_id}"
        data: dict[str, Any] = {
            "type": "HumanUser",
            "attributes": {name: value for name, value in attributes.items() if name in wanted},
            "relationships": {},
            "id": person_id,
            "links": {"self": link},
        }
        if "permission_rule_set" in wanted:
            rule_set = {"id": 8, "name": person.permission_group, "type": "PermissionRuleSet"}
            data["relationships"]["permission_rule_set"] = {
                "data": rule_set,
                "links": {"self": f"{link}/relationships/permission_rule_set"},
            }
        return _json(200, {"data": data, "links": {"self": link}})

    def _bearer(self) -> dict[str, Any]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"], audience="127.0.0.1")
        except jwt.InvalidTokenError:
            raise SiteAnswer(_error(401, 102, "Unauthorized")) from None
        if scheme.lower() != "bearer" or claims["session_uuid"] not in self._sessions:
            raise SiteAnswer(_error(401, 102, "Unauthorized"))
        return claims

    def _success(
        self,
        person: Person,
        auth_type: str,
        switches: Switches,
        session: str,
        *,
        entity_type: str = "HumanUser",
        sudo_as_login: str | None = None,
    ) -> Response:
        now = int(time.time())
        claims = {"iss": "127.0.0.1", "aud": "127.0.0.1", "iat": now, "session_uuid": session}
        access_token = jwt.encode(
            claims
            | {
                "exp": now + switches.expires_in,
                "jti": str(uuid.uuid4()),
                "user": {"type": entity_type, "id": person.id},
                "sudo_as_login": sudo_as_login,
                "auth_type": auth_type,
            },
            self._key,
        )
        refresh_token = jwt.encode(claims | {"exp": now + REFRESH_TOKEN_SECONDS, "jti": str(uuid.uuid4())}, self._key)
        with self._lock:
            self._refresh_tokens[refresh_token] = (person.login, session)
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

    def _new_session(self, person: Person) -> str:
        session = str(uuid.uuid4())
        with self._lock:
            self._sessions[session] = person.login
        return session

    def _switches_of(self, login: str) -> Switches:
        person = self.people.get(login)
        return replace(self.switches, **person.own) if person else self.switches

    def _spend(self, person: Person, code: str) -> bool:
        with self._lock:
            if code in person.used_codes:
                return False
            right = code in person.backup_codes or pyotp.TOTP(person.otp_secret).verify(code, valid_window=1)
            if right:
                person.used_codes.add(code)
            return right

    def _fault_before(self, fault: str) -> None:
        if fault == "hold":
            self.held.release()
            self._release.wait(60)
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

    # ---- what only a stand-in has ------------------------------------------------------------------------

    def _show_code(self, login: str) -> Response:
        if login not in self.people:
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
        return _json(200, {f"{login} {grant}": count for (login, grant), count in sorted(self.asked.items())})


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections, as real sites do

    def log_request(self, *_: object) -> None:
        """Keep the terminal for what matters."""


def _json(status: int, body: Any) -> Response:
    response = Response(json.dumps(body), status=status, content_type="application/json; charset=utf-8")
    response.headers.update(ANSWER_HEADERS | {"x-request-id": secrets.token_hex(16)})
    return response


def _error(
    status: int, code: int, title: str, source: dict[str, str] | None = None, detail: str | None = None
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
