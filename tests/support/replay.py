"""A small server that sends given HTTP responses byte for byte, and records the requests that it receives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs


class Replay:
    """The requests that the server has received, oldest first."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.url = ""

    @property
    def form(self) -> dict[str, list[str]]:
        """The form in the last request."""
        return parse_qs(self.requests[-1].partition(b"\r\n\r\n")[2].decode(), strict_parsing=True)

    @property
    def head(self) -> str:
        """The request line and the headers of the last request, in lower case."""
        return self.requests[-1].partition(b"\r\n\r\n")[0].decode().lower()


@contextmanager
def replaying(*responses: bytes | None) -> Iterator[Replay]:
    """Serve one response on each connection, in this order. For None, receive the request and do not respond."""
    replay = Replay()
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        replay.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            for response in responses:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    replay.requests.append(receive_request(connection))
                    if response is None:
                        done.wait(30)
                    else:
                        connection.sendall(response)

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield replay
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
    server.join(5)


def receive_request(connection: socket.socket) -> bytes:
    """Receive one request: a whole POST, or the first part of anything else."""
    connection.settimeout(5)
    received = b""
    while b"\r\n\r\n" not in received or len(received.partition(b"\r\n\r\n")[2]) < _body_length(received):
        part = connection.recv(65536)
        received += part
        if not part or not received.startswith(b"POST"):
            break  # includes clients that speak TLS or have closed the connection
    return received


def _body_length(received: bytes) -> int:
    head = received.partition(b"\r\n\r\n")[0].decode().lower()
    return next(int(line[15:]) for line in head.splitlines() if line.startswith("content-length:"))


def http(status: int, body: str, headers: list[str] | None = None, *, chunked: bool = False) -> bytes:
    """Return a whole HTTP response."""
    lines = [f"HTTP/1.1 {status} Whatever", *(headers or ["content-type: application/json; charset=utf-8"])]
    payload = body.encode()
    if chunked:
        payload = f"{len(payload):x}\r\n".encode() + payload + b"\r\n0\r\n\r\n"
    elif not any(line.lower().startswith("content-length") for line in lines):
        lines.append(f"content-length: {len(payload)}")
    lines.append("connection: close")  # Without this header, a client could use it again too early.
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload
