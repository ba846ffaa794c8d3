"""The HTTP responses of a site: JSON, error bodies, and a closed connection."""

from __future__ import annotations

import json
import secrets
import socket
from typing import Any

from flask import Response, request

from tests.site.errors import Rejected

HEADERS = {
    "cache-control": "private, max-age=0, must-revalidate",
    "server": "nginx + Phusion Passenger(R)",
    "strict-transport-security": "max-age=63072000; includeSubDomains; preload",
    "x-frame-options": "SAMEORIGIN",
}


class ResponseInstead(Exception):
    """Ends the handling of a request: the site sends this response."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def json_response(body: Any, status: int = 200) -> Response:
    """Return a JSON response with the headers that real sites send (recorded)."""
    response = Response(json.dumps(body), status=status, content_type="application/json; charset=utf-8")
    response.headers.update(HEADERS | {"x-request-id": secrets.token_hex(16)})
    return response


def with_text_numbers(body: Any) -> Any:
    """Return JSON values with every number as text."""
    if isinstance(body, dict):
        return {name: with_text_numbers(value) for name, value in body.items()}
    if isinstance(body, list):
        return [with_text_numbers(value) for value in body]
    return str(body) if isinstance(body, int | float) and not isinstance(body, bool) else body


def error_response(rejected: Rejected, *, numbers_as_text: bool = False) -> Response:
    """Return an error of the REST API (recorded)."""
    error = {
        "id": secrets.token_hex(16),
        "status": rejected.status,
        "code": rejected.code,
        "title": rejected.title,
        "source": rejected.source or {},
        "detail": rejected.detail,
        "meta": None,
    }
    body = {"errors": [error]}
    return json_response(with_text_numbers(body) if numbers_as_text else body, rejected.status)


def text_response(text: str, status: int = 200) -> Response:
    """Return plain text, for `curl`."""
    return Response(text, status=status, mimetype="text/plain")


def hang_up() -> None:
    """Close the connection of the current request without a response."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise ResponseInstead(Response(status=500))
