"""A client of a deployed gateway over real HTTP. It remembers every secret that it sends or receives."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import requests

from tests.local.stack import STACK, LocalAws
from tests.site.fake_site import Account, FakeSite
from tests.support.openapi import undocumented

COOKIE = "__Host-shotgrid_login"
BROWSER_COOKIE = "__Host-shotgrid_login_browser"
PAGE = "http://pages.login.localhost:8002"
OTHER_PAGE = "http://elsewhere.localhost:8003"
ORIGINS = f"{PAGE},{OTHER_PAGE}"


@dataclass
class Response:
    """A response."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.text)
        return parsed

    @property
    def code(self) -> str:
        """The error code, after a check that the problem has every field of RFC 9457 and of the contract."""
        assert self.headers["content-type"] == "application/problem+json", self.text
        assert self.body["status"] == self.status
        assert self.body["title"]
        assert self.body["detail"]
        assert self.body["request_id"] == self.headers["x-request-id"]
        return str(self.body["code"])

    @property
    def cookie(self) -> str | None:
        """The handle in the session cookie that the response sets; "" if it clears the cookie, None if it sets none."""
        return self._cookie(COOKIE)

    @property
    def browser_cookie(self) -> str | None:
        """The value of the cookie that identifies the browser; None if the response does not set it."""
        return self._cookie(BROWSER_COOKIE)

    def _cookie(self, name: str) -> str | None:
        match = re.match(rf"{name}=([^;]*)", self.headers.get("set-cookie", ""))
        return match[1] if match else None


@dataclass
class Gateway:
    """A deployed stack and the site behind it."""

    aws: LocalAws
    site: FakeSite
    outputs: Mapping[str, str]
    host: str
    base_path: str = ""
    stack: str = STACK
    secrets: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def new_user(self, **switches: Any) -> Account:
        """Open an account at the site that no other test uses."""
        login = f"artist_{secrets.token_hex(4)}"
        user = self.site.add_user(login, f"pass-{secrets.token_hex(8)}", **switches)
        self.names |= {login, user.name, user.email}
        return user

    def caller(self, **headers: str) -> Caller:
        """Return a caller at an address that no other test uses."""
        address = "10." + ".".join(str(secrets.randbelow(256)) for _ in range(3))
        return Caller(self, {"x-forwarded-for": address} | _named(headers))

    @property
    def state(self) -> Rows:
        return Rows(self.aws.client("dynamodb"), self.outputs["StateTable"])

    @property
    def bearers(self) -> Rows:
        return Rows(self.aws.client("dynamodb"), self.outputs["BearersTable"])

    def log_group(self, function: str) -> str:
        """Return the name of a function's log group."""
        return self.aws.resource(f"{function}Logs", self.stack)

    def bearers_of(self, handle: str) -> list[dict[str, Any]]:
        """Return the bearers of a session."""
        session_id = {"S": handle.partition(".")[0]}
        return [row for row in self.bearers.all() if row.get("session_id") == session_id]


class Rows:
    """A table, read and changed as its owner: tests change times in it and look for secrets."""

    def __init__(self, dynamodb: Any, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def all(self) -> list[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._name, ConsistentRead=True)
        return [row for page in pages for row in page["Items"]]

    def get(self, row_id: str) -> dict[str, Any]:
        row: dict[str, Any] = self._dynamodb.get_item(TableName=self._name, Key={"id": {"S": row_id}})["Item"]
        return row

    def set(self, row_id: str, **values: int | str | bytes) -> None:
        kinds = {int: "N", str: "S", bytes: "B"}
        self._dynamodb.update_item(
            TableName=self._name,
            Key={"id": {"S": row_id}},
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
            ConditionExpression="attribute_exists(id)",
            ExpressionAttributeValues={
                f":{name}": {kinds[type(value)]: str(value) if isinstance(value, int) else value}
                for name, value in values.items()
            },
        )

    def remove(self, row_id: str, *names: str) -> None:
        self._dynamodb.update_item(
            TableName=self._name,
            Key={"id": {"S": row_id}},
            UpdateExpression="REMOVE " + ", ".join(f"#{name}" for name in names),
            ConditionExpression="attribute_exists(id)",
            ExpressionAttributeNames={f"#{name}": name for name in names},
        )

    def put(self, row: dict[str, Any]) -> None:
        self._dynamodb.put_item(TableName=self._name, Item=row)


class Caller:
    """A caller: a page if it sends an `Origin`, otherwise a program."""

    def __init__(self, gateway: Gateway, headers: Mapping[str, str]) -> None:
        self.gateway = gateway
        self._headers = dict(headers)
        self.address = self._headers["x-forwarded-for"]  # the emulator uses it as the source address

    def send(
        self, method: str, path: str, body: Any = None, *, data: str | bytes | None = None, **headers: str
    ) -> Response:
        """Send one request; `body` as JSON, or `data` as it is."""
        sent = {"host": self.gateway.host} | self._headers
        if body is not None:
            data = json.dumps(body)
        if data is not None:
            sent["content-type"] = "application/json"
        sent |= _named(headers)
        http_response = requests.request(
            method,
            f"{self.gateway.aws.endpoint}{self.gateway.base_path}{path}",
            data=data,
            headers={name: value for name, value in sent.items() if value},
            timeout=60,
            allow_redirects=False,
        )
        response = Response(http_response.status_code, http_response.headers, http_response.text)
        if "x-request-id" in response.headers:  # the emulator's own responses are not those of the template
            assert undocumented(method, path, response.status, response.headers, response.text) == []
        self._remember(response)
        return response

    def password(self, user: Account, password: str | None = None, **fields: Any) -> Response:
        sent_password = user.password if password is None else password
        self.gateway.secrets.add(sent_password)
        return self.send("POST", "/auth/password", {"username": user.login, "password": sent_password, **fields})

    def otp(self, challenge: Response | str, code: str, **fields: Any) -> Response:
        self.gateway.secrets.add(code)
        text = challenge if isinstance(challenge, str) else challenge.body["challenge"]
        return self.send("POST", "/auth/otp", {"challenge": text, "code": code, **fields})

    def methods(self) -> Response:
        return self.send("GET", "/auth/methods")

    def browser(self, **fields: Any) -> Response:
        """Start a browser sign-in."""
        return self.send("POST", "/auth/browser", fields)

    def approval(self, challenge: Response | str, **fields: Any) -> Response:
        """Poll a browser sign-in."""
        text = challenge if isinstance(challenge, str) else challenge.body["challenge"]
        return self.send("POST", "/auth/approval", {"challenge": text, **fields})

    def refresh(self, handle: str, **fields: Any) -> Response:
        return self.send("POST", "/auth/refresh", {"refresh_token": handle, **fields})

    def logout(self, handle: str, **fields: Any) -> Response:
        return self.send("POST", "/auth/logout", {"refresh_token": handle, **fields})

    def session(self, api_token: str) -> Response:
        return self.send("GET", "/auth/session", authorization=f"Bearer {api_token}")

    def access_token(self, **form: str) -> Response:
        """Send a form to the gateway's copy of the site's token endpoint."""
        self.gateway.secrets |= {form[name] for name in ("password", "auth_token") if form.get(name)}
        return self.send(
            "POST", "/api/v1/auth/access_token", data=urlencode(form), content_type="application/x-www-form-urlencoded"
        )

    def signed_in(self, user: Account, **fields: Any) -> Response:
        """Sign in with a password, and with a code if the site requires one."""
        response = self.password(user, **fields)
        if response.status == 202:
            response = self.otp(response, self.gateway.site.code(user.login), **fields)
        assert response.status == 200, response.text
        return response

    def rotate(self, handle: str) -> str:
        """Let the stored access token expire, refresh, and return the new handle."""
        expire_access_token(self.gateway, handle)
        response = self.refresh(handle)
        assert response.status == 200, response.text
        return str(response.body["refresh_token"])

    def _remember(self, response: Response) -> None:
        if response.browser_cookie:
            self.gateway.secrets.add(response.browser_cookie)
        if response.cookie:
            self.gateway.secrets |= {response.cookie, response.cookie.partition(".")[2]}
        if response.status < 300 and response.headers["content-type"] == "application/json" and response.text:
            for name in ("access_token", "api_token", "refresh_token", "challenge", "approval_url"):
                if name in response.body:
                    self.gateway.secrets.add(response.body[name])
            if "refresh_token" in response.body:
                self.gateway.secrets.add(response.body["refresh_token"].partition(".")[2])


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def context_of(user: Account, signed_in: Mapping[str, Any]) -> dict[str, str]:
    """Return the context that an API receives from the authorizer for a signed-in user, without `expires_at`."""
    return {
        "user_id": str(user.id),
        "user_type": "HumanUser",
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "permission_group": user.permission_group,
        "session_id": signed_in["refresh_token"].partition(".")[0],
    }


def session_row(handle: str) -> str:
    """Return the id of a handle's session row."""
    return "session#" + handle.partition(".")[0]


def expire_access_token(gateway: Gateway, handle: str, seconds: int = 59) -> None:
    """Change the row so that the stored access token expires in `seconds`."""
    now = int(time.time())
    gateway.state.set(session_row(handle), fresh_until=now - 1, access_expires_at=now + seconds)


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until another process makes a condition true, and return its value."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"the condition did not become true within {seconds} s")
