"""MiniStack behind a guard: tools on this machine can call AWS, web pages can only call deployed APIs.

MiniStack verifies no signatures, and lets pages of every origin read its responses. Without the guard, every web page
that a developer opens can read tables, decrypt tokens, and run code as a function. The guard rejects each request
that is neither of these two:

- A call of AWS. It has a signature in `Authorization`, and no header that only browsers send. A page cannot send this
  header without `Origin`. `Host` is an address of this machine, and not a name of an attacker that resolves to it (DNS
  rebinding).
- A request of a deployed API. `Host` names the API: by its id, or by a custom domain. The request reaches this API,
  and no path that MiniStack itself serves on every host.
"""

# ruff: noqa: SLF001  MiniStack has no public function for the requests of one API, and its version is pinned.

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import ministack.app as ministack
from ministack.core.responses import set_request_client_ip
from ministack.core.sigv4 import decode_header_value

# ASGI: https://asgi.readthedocs.io/en/latest/specs/www.html
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

AWS_HOSTS = {f"{name}:{os.environ['GATEWAY_PORT']}" for name in ("127.0.0.1", "localhost")}
SIGNATURE = "AWS4-HMAC-SHA256 "
API_HOST = re.compile(r"[0-9a-f]{8}\.execute-api\.localhost(:[0-9]+)?")

REJECTED = (
    403,
    {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"},
    "This is local AWS. It accepts signed calls of tools on this machine. Web pages can only call deployed APIs.\n",
)

_ministack = ministack.app


async def guarded(scope: Event, receive: Receive, send: Send) -> None:
    """Handle a call of AWS or a request of a deployed API, and reject everything else."""
    if scope["type"] == "lifespan":
        await _ministack(scope, receive, send)
        return
    headers = _headers(scope)
    if scope["type"] == "websocket":
        if API_HOST.fullmatch(headers.get("host", "")):
            await _ministack(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before `accept`, so the client gets 403
    elif _is_call_of_aws(headers):
        await _ministack(scope, receive, send)
    else:
        await _call_api(scope, headers, receive, send)


def _is_call_of_aws(headers: dict[str, str]) -> bool:
    return (
        headers.get("host") in AWS_HOSTS
        and headers.get("authorization", "").startswith(SIGNATURE)
        and not any(name == "origin" or name.startswith("sec-") for name in headers)
    )


async def _call_api(scope: Event, headers: dict[str, str], receive: Receive, send: Send) -> None:
    """Send the request to the API that its `Host` names. Without such an API, reject the request.

    `ministack.app.app` would first compare the path with those that MiniStack itself serves, on every host.
    """
    set_request_client_ip(scope["client"][0])
    try:
        body = await ministack._read_request_body(receive, scope["method"], headers)
    except ministack._RequestBodyDisconnected:
        return
    except ministack._IncompleteRequestBody as incomplete:
        body = incomplete.body
    response = None
    host, path, query = headers.get("host", ""), scope["path"], scope["query_string"].decode("utf-8")
    if _names_an_api(host, path):
        response = await ministack._handle_execute_api_request(
            host,
            path,
            scope["method"],
            headers,
            body,
            parse_qs(query, keep_blank_values=True),
            raw_path=scope["raw_path"].decode("ascii"),
            raw_query_string=query,
        )
        response = ministack._with_data_plane_headers(response, str(uuid.uuid4()), wildcard_cors=False)
    status, response_headers, text = response or REJECTED
    await ministack._send_response(ministack._with_date_header(send), status, dict(response_headers), text)


def _names_an_api(host: str, path: str) -> bool:
    if "/@connections/" in path:  # a call of AWS, which API Gateway serves on the host of a WebSocket API
        return False
    if API_HOST.fullmatch(host):
        return True
    names_another_api = ministack._parse_execute_api_url(host, path)  # with its id in the path, on every host
    return not names_another_api and bool(ministack._resolve_custom_domain_request(host, path))


def _headers(scope: Event) -> dict[str, str]:
    """Return the headers in lower case. The values of a repeated header are joined (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), decode_header_value(raw_value)
        separator = "; " if name == "cookie" else ", "
        headers[name] = f"{headers[name]}{separator}{value}" if name in headers else value
    return headers
