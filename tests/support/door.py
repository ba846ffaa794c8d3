"""A way to a server on loopback that can be shut and opened: to a browser, the server is then down."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.local.stack import free_port


class Door:
    """Forwards TCP connections while it is open; shut, its port refuses them, and those it had are cut."""

    def __init__(self, behind: int) -> None:
        """Take the port that is behind it, and a free one in front."""
        self.port = free_port()
        self._behind = behind
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def open(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def shut(self) -> None:
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
            self._listener.close()
            self._listener = None
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            _cut(connection)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                visitor, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._behind))
            with self._lock:
                self._connections |= {visitor, server}
            for source, target in ((visitor, server), (server, visitor)):
                threading.Thread(target=self._forward, args=[source, target], daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            _cut(end)
        with self._lock:
            self._connections -= {source, target}


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
