"""A fake ShotGrid site over HTTP. It behaves as `site-contract.md` describes real sites.

In comments and docstrings, `recorded`, `probed`, `client` and `unknown` are the source of a fact, as in
`site-contract.md`. Most unknowns are switches (`Switches`), for the whole site or for one
user. Tests change them while the site runs.

Unlike a real site it has routes under `/stand-in`: the next code of a user, the switches, and the request counts.
"""

from __future__ import annotations

import threading

from werkzeug.serving import WSGIRequestHandler, make_server

from tests.site.accounts import HOST, Account, Kind
from tests.site.launcher import ApprovalRequest
from tests.site.routes import create_app
from tests.site.show import Show
from tests.site.state import State

__all__ = ["Account", "ApprovalRequest", "FakeSite", "Kind"]

# How often the server checks for its shutdown, in seconds. The default of half a second delays every test.
POLL_SECONDS = 0.01


class FakeSite(State):
    """A site that runs on loopback while its context is open.

    `url` is its root. It has no users, no scripts and no data, unless they are added.
    """

    def __init__(self, port: int = 0, show: Show | None = None) -> None:
        """Use this port, or any free port for 0."""
        super().__init__(show)
        self.held = self.faults.held
        self._server = make_server(HOST, port, create_app(self), threaded=True, request_handler=_QuietHandler)
        self.url = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> FakeSite:
        serve = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": POLL_SECONDS}, daemon=True)
        serve.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.close()
        self._server.shutdown()
        self._server.server_close()

    def release(self) -> None:
        """Continue the requests that a `hold` has stopped."""
        self.faults.release()


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open, as real sites do

    def log_request(self, *_: object) -> None:
        """Do not log requests to the terminal."""
