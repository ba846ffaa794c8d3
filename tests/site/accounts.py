"""The accounts of a site: users, scripts, their sign-in, sessions and tokens."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

import jwt
import pyotp

from tests.site.errors import Rejected
from tests.site.faults import Switches
from tests.site.show import HumanUser, Link
from tests.site.web_sessions import WebSessions

GRANTS = ("password", "client_credentials", "refresh_token", "session_token")
HOST = "127.0.0.1"
REFRESH_TOKEN_SECONDS = 24 * 3600
NOTIFY_SECONDS = 300  # how long before its end a page of the site warns about the end of a web session
SINGLE_SIGN_ON, IDENTITY = 108, 110  # the error codes for a password on a site without passwords (client)
# The form fields of the token endpoint and the credentials of the Python API that are not secret.
PUBLIC_FIELDS = ("grant_type", "username", "client_id", "scope", "user_login", "script_name", "sudo_as_login")

# How a user signs in. `site`: with a password of the site. `autodesk`: with an Autodesk account. `legacy`: as
# `autodesk`, and at the API with a passphrase and a personal access token. `legacy_without_passphrase`: the user has
# the personal access token alone, so the API accepts no password. `sso`: at the company's identity provider.
Kind = Literal["site", "autodesk", "legacy", "legacy_without_passphrase", "sso"]


@dataclass
class Account:
    """A user or a script. `own` has the switches that differ from the site's for this account.

    `password` is what the user types on the site's own login page. `passphrase` is that of a legacy login.
    """

    id: int
    login: str
    password: str
    name: str
    email: str
    permission_group: str = "Artist"
    otp_secret: str = field(default_factory=pyotp.random_base32)
    backup_codes: set[str] = field(default_factory=set)
    shown_codes: set[str] = field(default_factory=set)  # by `Accounts.code`
    used_codes: set[str] = field(default_factory=set)
    own: dict[str, Any] = field(default_factory=dict)
    type: str = "HumanUser"
    kind: Kind = "site"
    passphrase: str = ""
    has_second_factor: bool = True  # False: the login page sets it up when the user first needs it

    @property
    def api_password(self) -> str:
        """The password that the API accepts, "" if it accepts none."""
        return {"site": self.password, "legacy": self.passphrase}.get(self.kind, "")

    @property
    def row(self) -> HumanUser:
        """The user as the data routes show it."""
        rule_set = Link("PermissionRuleSet", 8, self.permission_group)
        return HumanUser(self.id, self.name, self.login, self.email, rule_set)


class Accounts:
    """All accounts of a site. A script's name is its login, so one name space holds users and scripts."""

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.time  # for codes; in seconds since 1970
        self.switches = Switches()
        self.accounts: dict[str, Account] = {}  # users by login
        self.scripts: dict[str, str] = {}  # script keys by script name
        self.secrets: set[str] = set()  # every password, code and token that the site has received or sent
        self._lock = threading.RLock()
        self._signing_key = secrets.token_urlsafe(32)
        self._sessions: dict[str, tuple[str, str]] = {}  # (login, session token or "") by session uuid
        self._access_tokens: dict[str, str] = {}  # session uuids by token
        self._refresh_tokens: dict[str, tuple[str, str]] = {}  # (login, session uuid) by token
        self._web_sessions = WebSessions(lambda: self.clock())

    # ---- for tests and the demo ------------------------------------------------------------------------

    def add_user(self, login: str, password: str, kind: Kind = "site", **own: Any) -> Account:
        """Add a user with two backup codes. `own` are switches for this user alone."""
        with self._lock:
            user = Account(
                id=24 + len(self.accounts),
                login=login,
                password=password,
                name=login.partition("@")[0].replace("_", " ").replace(".", " ").title(),
                email=login if "@" in login else f"{login}@studio.example",
                backup_codes={f"{secrets.randbelow(10**8):08d}" for _ in range(2)},
                own=own,
                kind=kind,
                passphrase=f"passphrase-{secrets.token_hex(8)}" if kind == "legacy" else "",
            )
            self.accounts[login] = user
            self.secrets |= {password, user.passphrase, *user.backup_codes} - {""}
            return user

    def add_script(self, name: str, key: str) -> None:
        """Add a script with its key. Raises `ValueError` if the name is a user's login."""
        with self._lock:
            if name in self.accounts:
                raise ValueError(f"{name} is a user's login")
            self.scripts[name] = key
            self.secrets.add(key)

    def code(self, login: str) -> str:
        """Return an unused code of the user's authenticator app. Raises `LookupError` if all current codes are used.

        The code is valid until it is used: a slow test must not fail because a code expires.
        """
        user = self.accounts[login]
        totp = pyotp.TOTP(user.otp_secret)
        now = int(self.clock())
        codes = [totp.at(now + step * totp.interval) for step in (0, 1, -1)]
        code = next((code for code in codes if code not in user.used_codes), None)
        if code is None:
            raise LookupError("all codes of this minute are used; wait for the next one")
        with self._lock:
            user.shown_codes.add(code)
            self.secrets.add(code)
        return code

    def switch(self, user: Account | None = None, **changes: Any) -> None:
        """Change switches, for the site or for one user. Switching two-factor on ends the sessions of these users."""
        with self._lock:
            checked = asdict(replace(self.switches, **changes))
            if user is None:
                self.switches = Switches(**checked)
            else:
                user.own.update(changes)
            if changes.get("two_factor"):
                self.end_sessions(user)

    def switches_of(self, login: str) -> Switches:
        """Return the switches for a user. Scripts and unknown logins have the site's."""
        user = self.accounts.get(login)
        return replace(self.switches, **user.own) if user else self.switches

    def end_sessions(self, user: Account | None = None) -> None:
        """End the sessions and session tokens of all users, or of one user. Scripts keep theirs."""

        def is_ended(login: str) -> bool:
            return login == user.login if user else login in self.accounts

        with self._lock:
            self._sessions = {session: one for session, one in self._sessions.items() if not is_ended(one[0])}
            self._web_sessions.end(is_ended)

    def end_access_tokens(self, user: Account) -> None:
        """End a user's access tokens before they expire. Their sessions continue."""
        with self._lock:
            for token, session in list(self._access_tokens.items()):
                if self._login_of_session(session) == user.login:
                    del self._access_tokens[token]

    def sign_in_directly(self, user: Account) -> dict[str, Any]:
        """Sign a user in without the gateway and return the tokens."""
        return self._tokens(user, "user", self.switches_of(user.login), self._new_session(user))

    def new_session_token(self, account: Account) -> str:
        """Start a web session of an account and return its session token, as the vendor's desktop tools use one."""
        token = self._web_sessions.create(account.login, self.switches_of(account.login).session_seconds)
        with self._lock:
            self.secrets.add(token)
        return token

    def mints(self, session_token: str) -> int:
        """Return how many times a session token was exchanged for an access token."""
        return self._web_sessions.mints[session_token]

    # ---- the token endpoint ----------------------------------------------------------------------------

    def requester(self, grant: str, form: Mapping[str, str]) -> str:
        """Return the login or script name that a token request is for, "" if it names none."""
        if grant == "refresh_token":
            return self._refresh_tokens.get(form.get("refresh_token", ""), ("", ""))[0]
        holder = self._web_sessions.login(form.get("session_token", ""))
        return form.get("username", form.get("client_id", holder))

    def tokens(self, grant: str, form: Mapping[str, str], switches: Switches) -> dict[str, Any]:
        """Return the response body of a successful token request with one of `GRANTS`. Raises `Rejected`."""
        by_grant: dict[str, Callable[[Mapping[str, str], Switches], dict[str, Any]]] = {
            "password": self._by_password,
            "client_credentials": self._by_script_key,
            "refresh_token": self._by_refresh_token,
            "session_token": self._by_session_token,
        }
        return by_grant[grant](form, switches)

    def _by_password(self, form: Mapping[str, str], switches: Switches) -> dict[str, Any]:
        user = self.sign_in(form.get("username"), form.get("password"), form.get("auth_token"), switches)
        _check_active(switches)
        return self._tokens(user, "user", switches, self._new_session(user), window=form.get("session_uuid"))

    def _by_script_key(self, form: Mapping[str, str], switches: Switches) -> dict[str, Any]:
        script = self.script(form.get("client_id", ""), form.get("client_secret", ""))
        scope = form.get("scope", "")
        login = scope.removeprefix("sudo_as_login:") if scope.startswith("sudo_as_login:") else None
        self.check_sudo(script, login)
        return self._tokens(script, "script", switches, self._new_session(script), sudo_as_login=login)

    def _by_refresh_token(self, form: Mapping[str, str], switches: Switches) -> dict[str, Any]:
        token = form.get("refresh_token", "")
        with self._lock:
            login, session = self._refresh_tokens.get(token, ("", ""))
            if session not in self._sessions or _is_expired(token):
                raise Rejected("Unauthorized", status=401, code=102)
            _check_active(switches)
            if session_token := self._sessions[session][1]:
                self._check_refresh(session_token, switches)
            if switches.retires_refresh_tokens:
                del self._refresh_tokens[token]
        account = self._account(login)
        return self._tokens(account, "user" if account.type == "HumanUser" else "script", switches, session)

    def _check_refresh(self, session_token: str, switches: Switches) -> None:
        """Apply the unknowns about the refresh of tokens that came from a session token. Raises `Rejected`."""
        _check_licence(switches)
        is_alive = self._web_sessions.get(session_token) is not None
        if not is_alive and not switches.refresh_outlives_session:
            raise Rejected("Unauthorized", status=401, code=102)
        if is_alive and switches.refresh_moves_session:
            self._web_sessions.move(session_token, switches.session_seconds)

    def _by_session_token(self, form: Mapping[str, str], switches: Switches) -> dict[str, Any]:
        session_token = form.get("session_token", "")
        account = self.holder(session_token)
        _check_active(switches)
        _check_licence(switches)
        with self._lock:
            self._web_sessions.mints[session_token] += 1
            if switches.mint_moves_session:
                self._web_sessions.move(session_token, switches.session_seconds)
        tokens = self._tokens(account, "session_token", switches, self._new_session(account, session_token))
        if not switches.session_grant_refresh_token:
            del tokens["refresh_token"]
        return tokens

    def user_of_page(self, login: str, password: str) -> Account | None:
        """Return the user with this password of the site's own login page, whatever the kind of the user."""
        user = self.accounts.get(login)
        is_right = user is not None and secrets.compare_digest(user.password.encode(), password.encode())
        return user if is_right else None

    def user_of_session(self, session_token: str) -> Account | None:
        """Return the user of a web session."""
        session = self._web_sessions.get(session_token)
        return self.accounts.get(session.login) if session else None

    def end_web_session(self, session_token: str) -> None:
        """End one web session, as a user does who signs out of the site."""
        self._web_sessions.end_one(session_token)

    def web_session(self, session_token: str, *, renewed: bool) -> dict[str, Any] | None:
        """Return the times of a web session, as `/internal_api/session` sends them. `renewed` moves its end first."""
        session = self._web_sessions.get(session_token)
        if session is None:
            return None
        if renewed:
            self._web_sessions.renew(session_token, self.switches_of(session.login).session_seconds)
        return {
            "app": {"createdAt": int(session.created_at), "expiresAt": int(session.expires_at)},
            "license": {"createdAt": int(session.created_at), "expiresAt": int(session.expires_at)},
            "expired": False,
            "expiresAt": int(session.expires_at),
            "notifyAt": int(session.expires_at) - NOTIFY_SECONDS,
            "expirationReason": None,
        }

    # ---- credentials -----------------------------------------------------------------------------------

    def sign_in(self, login: str | None, password: str | None, code: str | None, switches: Switches) -> Account:
        """Return the user with this password, and with this code if one is required. Raises `Rejected`."""
        if not login or not password:
            raise Rejected("Missing or invalid authentication arguments")
        user = self.accounts.get(login)
        wrong_password = f"Can't authenticate user '{login}'."
        if code_of_method := _code_of_method(user, switches):
            is_about_method = code_of_method in (SINGLE_SIGN_ON, IDENTITY)
            title = "Password authentication is not allowed on this site" if is_about_method else wrong_password
            raise Rejected(title, code=code_of_method)
        right = user.api_password if user else ""
        is_right = right != "" and secrets.compare_digest(right.encode(), password.encode())
        two_factor = switches.two_factor
        if user and user.kind == "legacy" and not switches.legacy_second_factor:
            two_factor = False
        if not is_right and (not two_factor or switches.password_checked_first):
            raise Rejected(wrong_password, code=102)
        if two_factor:
            if not code:
                source = {"auth_token": "missing for 2FA login"}
                raise Rejected("Missing argument for 2FA login", source, code=106)
            if user is None or not is_right or not user.has_second_factor or not self.use_code(user, code):
                title = wrong_password if switches.wrong_code == 102 else "Invalid 2FA code"
                raise Rejected(title, code=switches.wrong_code)
        assert user is not None
        return user

    def script(self, name: str, key: str) -> Account:
        """Return the script with this name and key. Two-factor does not apply to scripts. Raises `Rejected`."""
        if name not in self.scripts or not secrets.compare_digest(self.scripts[name].encode(), key.encode()):
            raise Rejected(f"Can't authenticate script '{name}'", code=102)
        return self._account(name)

    def holder(self, session_token: str) -> Account:
        """Return the account of a session token. No code is required. Raises `Rejected`."""
        session = self._web_sessions.get(session_token)
        if session is None:
            raise Rejected(f"Can't authenticate session token ending with '{session_token[-4:]}'", code=102)
        return self._account(session.login)

    def check_sudo(self, caller: Account, login: str | None) -> None:
        """Raise `Rejected` if the caller must not act as this user. The token still names the caller (probed)."""
        if login is not None and caller.type != "ApiUser":
            raise Rejected(f"The user does not have permission to 'sudo': '{caller.login}'", code=102)  # client
        if login is not None and login not in self.accounts:
            raise Rejected(f"Cannot 'sudo' - unknown or retired user: '{login}'", code=102)  # probed

    def caller(self, credentials: Mapping[str, Any], switches: Switches) -> Account:
        """Return the account of a call of the Python API, by any of its three kinds of credentials.

        Raises `Rejected`.
        """
        if "user_login" in credentials:
            names = ("user_login", "user_password", "auth_token")
            login, password, code = (str(credentials.get(name, "")) for name in names)
            caller = self.sign_in(login, password, code, switches)
        elif "script_name" in credentials:
            caller = self.script(str(credentials["script_name"]), str(credentials.get("script_key", "")))
        elif "session_token" in credentials:
            caller = self.holder(str(credentials["session_token"]))
        else:
            raise Rejected("Missing or invalid authentication arguments", code=102)  # unknown
        self.check_sudo(caller, credentials.get("sudo_as_login"))
        return caller

    def caller_name(self, credentials: Mapping[str, Any]) -> str:
        """Return the login or script name in the credentials of the Python API, valid or not."""
        holder = self._web_sessions.login(str(credentials.get("session_token")))
        return str(credentials.get("user_login") or credentials.get("script_name") or holder)

    def login_of_bearer(self, authorization: str) -> str:
        """Return the login of the valid access token in an `Authorization` header, "" without one."""
        scheme, _, token = authorization.partition(" ")
        try:
            jwt.decode(token, self._signing_key, algorithms=["HS256"], audience=HOST)
        except jwt.InvalidTokenError:
            return ""
        if scheme.lower() != "bearer":
            return ""
        return self._login_of_session(self._access_tokens.get(token, ""))

    def add_secrets(self, fields: Mapping[str, Any]) -> None:
        """Record the secrets in a form of the token endpoint or in the credentials of the Python API."""
        found = {value for name, value in fields.items() if isinstance(value, str) and name not in PUBLIC_FIELDS}
        with self._lock:
            self.secrets |= found

    # ---- accounts, sessions and tokens -----------------------------------------------------------------

    def _account(self, name: str) -> Account:
        if name in self.accounts:
            return self.accounts[name]
        number = 1 + list(self.scripts).index(name)
        return Account(id=number, login=name, password="", name=name, email="", type="ApiUser")

    def use_code(self, user: Account, code: str) -> bool:
        """Return whether the code is valid, and mark it as used."""
        with self._lock:
            if code in user.used_codes:
                return False
            now = datetime.fromtimestamp(self.clock(), UTC)
            is_current = pyotp.TOTP(user.otp_secret).verify(code, for_time=now, valid_window=1)
            is_valid = is_current or code in user.backup_codes | user.shown_codes
            if is_valid:
                user.used_codes.add(code)
            return is_valid

    def _new_session(self, account: Account, session_token: str = "") -> str:
        session = str(uuid.uuid4())
        with self._lock:
            self._sessions[session] = account.login, session_token
        return session

    def _login_of_session(self, session: str) -> str:
        return self._sessions.get(session, ("", ""))[0]

    def _tokens(
        self,
        account: Account,
        auth_type: str,
        switches: Switches,
        session: str,
        *,
        sudo_as_login: str | None = None,
        window: str | None = None,
    ) -> dict[str, Any]:
        """Return new tokens of a session, as the token endpoint sends them.

        `window` is the field `session_uuid` of the request. That its value becomes the claim is a guess.
        """
        now = int(time.time())
        claims: dict[str, Any] = {"iss": HOST, "aud": HOST, "iat": now, "session_uuid": window or session}
        if switches.token_padding:
            claims["padding"] = secrets.token_hex(switches.token_padding)[: switches.token_padding * 3 // 4]
        if auth_type == "session_token":
            claims["session_uuid"] = None  # probed
        access_token = jwt.encode(
            claims
            | {
                "exp": now + switches.expires_in,
                "jti": str(uuid.uuid4()),
                "user": {
                    "type": account.type,
                    "id": str(account.id) if switches.numbers_as_text else account.id,
                },
                "sudo_as_login": sudo_as_login,
                "auth_type": auth_type,
            },
            self._signing_key,
        )
        refresh_claims = {"exp": now + REFRESH_TOKEN_SECONDS, "jti": str(uuid.uuid4())}
        refresh_token = jwt.encode(claims | refresh_claims, self._signing_key)
        with self._lock:
            self._access_tokens[access_token] = session
            self._refresh_tokens[refresh_token] = (account.login, session)
            self.secrets |= {access_token, refresh_token}
        return {
            "token_type": "Bearer",
            "access_token": access_token,
            "expires_in": switches.expires_in,
            "refresh_token": refresh_token,
        }


def _is_expired(token: str) -> bool:
    return bool(jwt.decode(token, options={"verify_signature": False})["exp"] <= time.time())


def _code_of_method(user: Account | None, switches: Switches) -> int | None:
    """Return the error code for a password that this kind of site does not accept, None if it accepts passwords."""
    if switches.authentication_method == "saml2":
        return SINGLE_SIGN_ON
    if switches.authentication_method != "oxygen" or (user and user.kind == "legacy"):
        return None
    codes = {"by_user": IDENTITY if user else 102, "always_110": IDENTITY, "always_102": 102}
    return codes[switches.identity_rejection]


def _check_active(switches: Switches) -> None:
    """Raise `Rejected` for a deactivated user. Unknown: which status real sites send."""
    if switches.deactivated:
        raise Rejected("User is deactivated", status=int(switches.deactivated), code=102)


def _check_licence(switches: Switches) -> None:
    """Raise `Rejected` for a user whose licence has ended. Unknown: whether real sites do so, and with which status."""
    if switches.licence_ended != "no":
        raise Rejected("License expired", status=int(switches.licence_ended), code=102)
