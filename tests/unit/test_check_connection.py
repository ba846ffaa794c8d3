"""HTTP requests of the check: time limits, TLS, and hosts that do not respond."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shotgrid_login_ops.check import connection as connection_module
from shotgrid_login_ops.check.connection import Connection, NoResponse
from tests.local.stack import free_port
from tests.support.check import SCRIPT, assert_has_next_step, check
from tests.support.replay import http, replaying

# ---- limits ------------------------------------------------------------------------------------------------


def test_response_in_slow_parts_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "RESPONSE_SECONDS", 0.3)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send_slowly() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for byte in http(200, "{}"):
                    connection.sendall(bytes([byte]))
                    if done.wait(0.05):
                        return

        server = threading.Thread(target=send_slowly, daemon=True)
        server.start()
        with pytest.raises(NoResponse) as caught:
            Connection(f"http://127.0.0.1:{listener.getsockname()[1]}").request("GET", "/api/v1")
        done.set()
        server.join(5)
    assert caught.value.value == "too slow"


def test_host_that_used_all_its_time_gets_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "TOTAL_SECONDS", 0)
    with replaying(http(200, "{}")) as replay, pytest.raises(NoResponse) as caught:
        Connection(replay.url).request("GET", "/api/v1")
    assert caught.value.value == "too slow"
    assert replay.requests == []


def test_site_that_does_not_respond_gets_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "READ_SECONDS", 0.2)
    with replaying(None, None) as replay:
        result = check(replay.url, "--json", environment=SCRIPT)
    assert list(result.lines) == ["site.reachable"]
    assert (result.code, result.lines["site.reachable"]["value"]) == (1, "no response in time")
    assert_has_next_step(result.lines["site.reachable"])
    assert len(replay.requests) == 1


# ---- hosts -------------------------------------------------------------------------------------------------


def test_port_without_a_server_refuses_the_connection() -> None:
    result = check(f"http://127.0.0.1:{free_port()}", "--json")
    assert (result.code, result.lines["site.reachable"]["value"]) == (1, "connection refused")
    assert_has_next_step(result.lines["site.reachable"])


def test_name_that_does_not_resolve_is_no_such_host() -> None:
    result = check("https://studio.shotgrid.invalid", "--json")
    assert (result.code, result.lines["site.reachable"]["value"]) == (1, "no such host")
    assert_has_next_step(result.lines["site.reachable"])


def test_names_under_localhost_are_this_machine() -> None:
    with replaying(http(200, "{}")) as replay:
        host = replay.url.replace("http://127.0.0.1", "login.localhost")
        assert Connection(f"http://{host}").request("GET", "/x").status == 200
    assert f"host: {host}" in replay.head


def test_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with replaying(http(200, "{}")) as proxy, replaying(http(200, "{}")) as replay:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        Connection(replay.url).request("GET", "/api/v1")
        assert len(replay.requests) == 1
        assert proxy.requests == []


# ---- TLS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def self_signed_certificate(tmp_path: Path) -> Path:
    """Write a certificate for 127.0.0.1, with its key, that no machine trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_bytes = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "self-signed.pem"
    file.write_bytes(key_bytes + certificate.public_bytes(pem))
    return file


@contextlib.contextmanager
def https_server(certificate: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve with this certificate; yield the URL and the paths of the requests received."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Ignore clients that reject the certificate."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}", paths
        server.shutdown()


def test_untrusted_certificate_stops_the_check_before_any_request(self_signed_certificate: Path) -> None:
    with https_server(self_signed_certificate) as (url, paths):
        result = check(url, "--json", environment=SCRIPT)
    assert list(result.lines) == ["site.tls"]
    line = result.lines["site.tls"]
    assert (result.code, line["status"], line["value"]) == (1, "PROBLEM", "bad certificate")
    assert "is self-signed" in line["meaning"]
    assert_has_next_step(line)
    assert paths == []


def test_port_without_tls_is_a_tls_problem() -> None:
    with replaying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as replay:
        result = check(replay.url.replace("http:", "https:"), "--json")
    assert (result.code, result.lines["site.tls"]["value"]) == (1, "TLS failed")
    assert_has_next_step(result.lines["site.tls"])


# ---- secrets -----------------------------------------------------------------------------------------------


def test_repr_of_a_response_shows_no_body_and_no_headers() -> None:
    with replaying(http(200, '{"access_token": "secret"}', ["x-token: secret"])) as replay:
        response = Connection(replay.url).request("GET", "/api/v1")
    assert response.fields == {"access_token": "secret"}
    assert "secret" not in repr(response)
