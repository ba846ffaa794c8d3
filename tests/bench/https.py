"""HTTPS in front of local AWS and the fake site, with certificates as of a real server. It records each call."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import trustme

from tests.local.stack import REGION

SITE_HOST = "site.example"
SITE_URL = f"https://{SITE_HOST}"

# The latency to count which calls wait for each other. Seconds.
SLOW_SECONDS = 0.1

# Headers that belong to one connection.
_OF_CONNECTION = {"connection", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class OutgoingCall:
    """A call of a function: to `site`, `dynamodb` or `kms`. Times in seconds."""

    service: str
    operation: str
    started: float
    ended: float


@dataclass
class Recorder:
    """The calls since the last `take`."""

    _calls: list[OutgoingCall] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, call: OutgoingCall) -> None:
        with self._lock:
            self._calls.append(call)

    def take(self) -> list[OutgoingCall]:
        """Return the recorded calls and forget them."""
        with self._lock:
            calls, self._calls = self._calls, []
        return calls


@dataclass
class Https:
    """A running server: its port, its recorder, and the certificate (PEM) that clients must trust.

    A call takes at least `latency` seconds.
    """

    recorder: Recorder = field(default_factory=Recorder)
    port: int = 0
    root: str = ""
    latency: float = 0

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Let calls take longer than the own time of a function, so that calls at the same time overlap."""
        self.latency = SLOW_SECONDS
        try:
            yield
        finally:
            self.latency = 0


def rounds(calls: list[OutgoingCall]) -> int:
    """Return how many calls had to wait for each other: the largest number of calls that do not overlap."""
    count, ended = 0, 0.0
    for call in sorted(calls, key=lambda call: call.ended):
        if call.started >= ended:
            count, ended = count + 1, call.ended
    return count


@contextmanager
def serve(site: str, aws: str) -> Iterator[Https]:
    """Serve the site and AWS on one port of loopback. `site` and `aws` are their URLs with plain HTTP."""
    https = Https()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()
            self.targets: dict[str, http.client.HTTPConnection] = {}

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            started = time.perf_counter()
            service, operation = _named(self.command, self.path, dict(self.headers))
            target = urlsplit(site if service == "site" else aws)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_CONNECTION}
            if service != "site":
                headers["Host"] = target.netloc  # local AWS rejects other names
            response = self.send_to(target.netloc, body, headers)
            content = response.read().replace(f"http://{SITE_HOST}".encode(), SITE_URL.encode())
            time.sleep(max(0, started + https.latency - time.perf_counter()))
            https.recorder.add(OutgoingCall(service, operation, started, time.perf_counter()))
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in _OF_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def send_to(self, netloc: str, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
            if netloc not in self.targets:
                self.targets[netloc] = http.client.HTTPConnection(netloc, timeout=30)
            target = self.targets[netloc]
            try:
                target.request(self.command, self.path, body, headers)
                return target.getresponse()
            except (ConnectionError, http.client.BadStatusLine):  # closed, because it was idle for seconds
                target.close()
                target.request(self.command, self.path, body, headers)
                return target.getresponse()

        do_GET = do_POST = do_PUT = forward  # noqa: N815

        def finish(self) -> None:
            for connection in self.targets.values():
                connection.close()
            super().finish()

        def log_message(self, *_: Any) -> None:
            """Do not log requests to the terminal."""

    # As AWS and the site: a chain of three certificates with RSA keys.
    root = trustme.CA(key_type=trustme.KeyType.RSA)
    names = (SITE_HOST, f"*.{REGION}.amazonaws.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.create_child_ca(key_type=trustme.KeyType.RSA).issue_cert(*names, key_type=trustme.KeyType.RSA).configure_cert(
        context
    )
    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            https.port, https.root = server.server_port, root.cert_pem.bytes().decode()
            yield https
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Do not print the end of a connection that a killed process left open."""


def _named(method: str, path: str, headers: dict[str, str]) -> tuple[str, str]:
    """Return the service and the operation of a request."""
    target = {name.lower(): value for name, value in headers.items()}.get("x-amz-target", "")
    if not target:
        return "site", f"{method} {urlsplit(path).path}"
    service, _, operation = target.partition(".")
    return ("kms" if service == "TrentService" else "dynamodb"), operation
