"""TLS on loopback in front of a server that speaks plain HTTP. Safari and other WebKit browsers need it.

WebKit does not store a `Secure` cookie that it received over http, not even from localhost.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading

import trustme

# Hosts of this machine. A wildcard for `*.localhost` would have no effect: `localhost` is a top-level domain.
HOSTS = ("localhost", "login.localhost", "*.login.localhost", "elsewhere.localhost", "127.0.0.1")

CHUNK = 64 * 1024  # bytes


class TlsProxy:
    """Accepts TLS on a port of loopback, and forwards the decrypted bytes to another port of loopback.

    It does not change the bytes. So the server receives the Host and Origin headers of the browser. Each proxy has its
    own new certificate, which browsers warn about: its certificate authority exists only in memory.
    """

    def __init__(self, target_port: int, port: int = 0) -> None:
        """Use this port, or any free port for 0. The proxy runs inside a `with` block."""
        self.port = port
        self.authority = trustme.CA(organization_name="A gateway on this machine")
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._transports: set[asyncio.WriteTransport] = set()

    def __enter__(self) -> TlsProxy:
        """Start the proxy. Raises `OSError` if the port is in use."""
        self._thread.start()
        try:
            self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        except BaseException:
            self._end_thread()
            raise
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._end_thread()

    async def _start(self) -> asyncio.Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        self.authority.issue_cert(*HOSTS).configure_cert(context)
        return await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=context)

    async def _stop(self) -> None:
        self._server.close()
        for transport in self._transports:
            transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _end_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _accept(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:  # the server is down
            to_client.close()
            return
        transports = {to_client.transport, to_server.transport}
        self._transports |= transports
        with contextlib.suppress(asyncio.CancelledError):  # of `_stop`; Python 3.11 would print it
            await asyncio.gather(_forward(from_client, to_server), _forward(from_server, to_client))
        self._transports -= transports


async def _forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Forward one direction until either end closes the connection. That ends the other direction, too."""
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()
    target.close()
