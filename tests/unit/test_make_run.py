"""The fake site of `make run`, and the messages of `make run` when it cannot start."""

from __future__ import annotations

import re
import socket
import sys
from contextlib import ExitStack

import pytest
import requests

from tests.local import __main__ as make_run
from tests.local import stack
from tests.local.__main__ import SITES, USERS, DemoUser
from tests.local.stack import LocalAws, SetupFailed
from tests.site.fake_site import FakeSite


@pytest.mark.parametrize("port", ["x", "80", "99999", ""])
def test_invalid_port_is_rejected(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SetupFailed, match="PORT must be a number from 1024 to 65532"):
        make_run.main()


def test_unknown_kind_of_site_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE", "oxygen")
    with pytest.raises(SetupFailed, match="SITE must be passwords, identity, sso, not oxygen"):
        make_run.main()


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.login)
def test_user_of_the_fake_site_signs_in_as_described(user: DemoUser) -> None:
    with make_run.fake_site(0, SITES[user.site]) as site:
        for password in {user.password, user.in_form or "any"}:
            assert is_accepted(site, user, password) == (password == user.in_form)
        page = requests.post(f"{site.url}/user/login", {"login": user.login, "password": user.password}, timeout=60)
        assert ("Two-factor authentication" in page.text) == user.has_code
        assert user.has_code or page.history[0].cookies


def is_accepted(site: FakeSite, user: DemoUser, password: str) -> bool:
    """Return whether the token endpoint accepts a password, with a code if it requires one."""
    form = {"grant_type": "password", "username": user.login, "password": password}
    url = f"{site.url}/api/v1/auth/access_token"
    response = requests.post(url, form, timeout=60)
    if user.has_code and response.status_code == 400 and response.json()["errors"][0]["code"] == 106:
        response = requests.post(url, form | {"auth_token": site.code(user.login)}, timeout=60)
    return response.status_code == 200


@pytest.mark.parametrize("name", SITES)
def test_description_names_the_kind_of_site_and_every_user(name: str) -> None:
    described = "\n".join(make_run.description("http://site.example", name))
    assert f"(SITE={name})" in described
    assert SITES[name].to_try in described
    for user in USERS:
        assert re.search(f"^ +(> )?{user.site} +{user.login} +{user.password}", described, re.MULTILINE)
    assert len(re.findall("^ +> ", described, re.MULTILINE)) == sum(user.site == name for user in USERS)
    assert all(len(line) <= 150 for line in described.splitlines())


def test_printed_variables_of_local_aws_begin_as_in_the_documents() -> None:
    with ExitStack() as closing:
        aws = LocalAws(8000)
        closing.push(aws)  # it has started no process
        printed = make_run.variables(aws)
    credentials = "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"
    assert printed == f"AWS_ENDPOINT_URL=http://127.0.0.1:8000 AWS_DEFAULT_REGION=us-east-1 {credentials}"
    assert "the line `export AWS_ENDPOINT_URL=…` that it prints" in (stack.ROOT / "docs" / "operations.md").read_text()


def test_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SetupFailed, match=f"port {port} is in use; choose another one with PORT="), LocalAws(port):
            pass


def test_port_in_use_for_tls_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    port = stack.free_port(in_a_row=4)
    monkeypatch.setenv("PORT", str(port))
    monkeypatch.setattr(make_run, "STOP_SIGNALS", ())
    used = f"port {port + 3} is in use; choose another one with PORT="
    with socket.create_server(("127.0.0.1", port + 3)), pytest.raises(SetupFailed, match=used):
        make_run.main()


def test_message_of_a_failed_tool_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "build", lambda: None)
    monkeypatch.setattr(stack, "sam", lambda: sys.executable)  # `python deploy` fails, because the file does not exist
    with ExitStack() as closing:
        aws = LocalAws()
        closing.push(aws)
        with pytest.raises(SetupFailed, match=r"deploy failed:\n.*can't open file"):
            aws.deploy({})
