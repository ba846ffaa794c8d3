"""A TCP proxy on loopback that tests can stop. A browser that uses it then sees a server that is down."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.local.stack import free_port


class Proxy:
    """Forwards connections on `port` to another port while it runs. Stopped, it closes them and accepts no others."""

    def __init__(self, target_port: int) -> None:
        """Choose a free port. The proxy does not run until `start` is called."""
        self.port = free_port()
        self._target_port = target_port
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def stop(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
            connections, self._connections = self._connections, set()
        for one in (listener, *connections):
            if one is not None:
                _close(one)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target_port))
            with self._lock:
                if self._listener is not listener:  # stopped after `accept`
                    _close(client)
                    _close(server)
                    return
                self._connections |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=[source, target], daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            _close(end)
        with self._lock:
            self._connections -= {source, target}


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)  # also ends an `accept` or `recv` that waits in another thread
    one.close()
