"""Hosted pages over TLS, as in production. WebKit stores the session's cookie only if pages and gateway have TLS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.local.tls import TlsProxy
from tests.site.fake_site import FakeSite

# Runs before the scripts of a page.
BEFORE_PAGE = """
<!doctype html>
<script>
  // The driver of WebKit cannot read the console. So pages report their errors to their server.
  const report = (text) => navigator.sendBeacon("/errors", `${location.pathname}: ${text}`);
  console.error = console.warn = (...values) => report(values.join(" "));
  addEventListener("error", ({ message }) => report(message), true);
  addEventListener("unhandledrejection", ({ reason }) => report(reason));
  addEventListener("securitypolicyviolation", ({ violatedDirective }) => report(violatedDirective));
  // In WebKit, pages over https cannot read http://127.0.0.1. So reads of the site use its port with TLS.
  globalThis.fetch = ((send) => (input, init) => {
    const ofSite = input instanceof Request && input.url.startsWith("SITE_OVER_HTTP");
    return send(ofSite ? new Request(input.url.replace("SITE_OVER_HTTP", "SITE_OVER_TLS"), input) : input, init);
  })(globalThis.fetch);
</script>
"""


@contextmanager
def serve_pages(pages: dict[str, str], port: int, site: FakeSite) -> Iterator[list[str]]:
    """Serve HTML pages by their paths on a port of loopback. Returns the list of errors that the pages report."""
    errors: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in pages else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write((before_page + pages.get(self.path, "")).encode())

        def do_POST(self) -> None:
            errors.append(self.rfile.read(int(self.headers["content-length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Do not log requests to the terminal."""

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Page) as server,
        TlsProxy(server.server_port, port),
        TlsProxy(urlsplit(site.url).port or 0) as site_over_tls,
    ):
        before_page = BEFORE_PAGE.replace("SITE_OVER_HTTP", site.url)
        before_page = before_page.replace("SITE_OVER_TLS", f"https://127.0.0.1:{site_over_tls.port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield errors
        server.shutdown()
