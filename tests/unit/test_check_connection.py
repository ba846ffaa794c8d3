"""How long the check waits for a host, whatever that does with its answers."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from shotgrid_login_ops.check import connection as connection_module
from shotgrid_login_ops.check.connection import Connection, NoAnswer
from tests.support.replay import http, replaying


def test_an_answer_that_comes_drop_by_drop_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_SECONDS", 0.3)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                for byte in http(200, "{}"):
                    connection.sendall(bytes([byte]))
                    if done.wait(0.05):
                        return

        server = threading.Thread(target=drip, daemon=True)
        server.start()
        with pytest.raises(NoAnswer) as caught:
            Connection(f"http://127.0.0.1:{listener.getsockname()[1]}").ask("GET", "/api/v1")
        done.set()
        server.join(5)
    assert caught.value.value == "too slow"


def test_a_host_that_took_its_time_gets_no_more_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "TOTAL_SECONDS", 0)
    with replaying(http(200, "{}")) as replay, pytest.raises(NoAnswer) as caught:
        Connection(replay.url).ask("GET", "/api/v1")
    assert caught.value.value == "too slow"
    assert replay.requests == []


def test_an_answer_and_its_headers_do_not_show_themselves() -> None:
    with replaying(http(200, '{"access_token": "secret"}', ["x-token: secret"])) as replay:
        answer = Connection(replay.url).ask("GET", "/api/v1")
    assert answer.fields == {"access_token": "secret"}
    assert "secret" not in repr(answer)


def test_the_environment_does_not_redirect_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    with replaying(http(200, "{}")) as proxy, replaying(http(200, "{}")) as replay:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        Connection(replay.url).ask("GET", "/api/v1")
        assert len(replay.requests) == 1
        assert proxy.requests == []


def test_names_under_localhost_are_this_machine() -> None:
    with replaying(http(200, "{}")) as replay:
        host = replay.url.replace("http://127.0.0.1", "login.localhost")
        assert Connection(f"http://{host}").ask("GET", "/x").status == 200
    assert f"host: {host}" in replay.head
