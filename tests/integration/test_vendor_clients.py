"""The vendor's own clients and two independent clients work with the fake site, unmodified and without the gateway.

`shotgun_api3` and its replacement `sg-python-api` use the JSON endpoint of the Python API. `shotgun-nodejs` uses the
REST API. `sg-groundtruth` uses the REST API and the App Session Launcher, which it has probed on a real site.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from xmlrpc.client import ProtocolError

import pytest
import requests
from sg_groundtruth import launcher  # type: ignore[import-untyped]
from sg_groundtruth.client import FPT, FPTError  # type: ignore[import-untyped]
from shotgun_api3.shotgun import (
    AuthenticationFault,
    Fault,
    MissingTwoFactorAuthenticationFault,
    Shotgun,
    UserCredentialsNotAllowedForOxygenAuthenticationFault,
    UserCredentialsNotAllowedForSSOAuthenticationFault,
)

from tests.site.fake_site import Account, FakeSite
from tests.site.show import PROJECT, Sequence, Show, link, make_show
from tests.support.sg_python_api import ClientError, SgPythonApi

TODAY = date(2026, 11, 23)
KEY, PASSWORD = "key-of-render", "password-of-a-user"
LOGIN: dict[str, Any] = {"login": "a_user", "password": PASSWORD}
SCRIPT: dict[str, Any] = {"script_name": "render", "api_key": KEY}
NODE = Path(sys.prefix) / "bin" / "node"
RUN_SECONDS = 60  # the longest time for some calls of the Node client
NODE_CLIENT = Path(__file__).with_name("vendor_client.mjs")

Connect = Callable[..., Shotgun]


@pytest.fixture
def show() -> Show:
    return make_show(TODAY)


@pytest.fixture
def site(show: Show) -> Iterator[FakeSite]:
    with FakeSite(show=show) as running:
        running.add_script("render", KEY)
        yield running


@pytest.fixture
def user(site: FakeSite) -> Account:
    return site.add_user("a_user", PASSWORD)


@pytest.fixture
def connect(site: FakeSite, user: Account) -> Iterator[Connect]:
    """Return a function that creates a Python client of the site. It has the arguments of `Shotgun`."""
    clients: list[Shotgun] = []

    def create(**credentials: Any) -> Shotgun:
        clients.append(Shotgun(site.url, **credentials))
        return clients[-1]

    yield create
    for client in clients:
        client.close()


def shots(client: Shotgun) -> int:
    return len(client.find("Shot", []))


# ---- the Python API: reads -------------------------------------------------------------------------------


def test_info_needs_no_credentials(connect: Connect, site: FakeSite) -> None:
    client = connect(login="unknown", password="wrong")
    assert client.info()["full_version"][:3] == client.info()["version"]
    assert client.info()["user_authentication_method"] == "default"
    assert client.server_caps.ensure_paging_info_without_counts_support()
    assert not site.requests
    site.switch(authentication_method="oxygen")
    assert client.info()["user_authentication_method"] == "oxygen"


def test_find_returns_fields_links_and_dates(connect: Connect, show: Show) -> None:
    shot = show.shots[0]
    sequence = next(one for one in show.sequences if one.id == shot.sg_sequence.id)
    fields = ["code", "sg_sequence", "tasks", "sg_sequence.Sequence.code", "created_at", "image", "nothing"]
    client = connect(convert_datetimes_to_utc=False, **SCRIPT)
    assert client.find_one("Shot", [["id", "is", shot.id]], fields) == {
        "type": "Shot",
        "id": shot.id,
        "code": shot.code,
        "sg_sequence": {"type": "Sequence", "id": sequence.id, "name": sequence.code},
        "tasks": [{"type": "Task", "id": task.id, "name": task.name} for task in shot.tasks],
        "sg_sequence.Sequence.code": sequence.code,
        "created_at": datetime.strptime(shot.created_at, "%Y-%m-%dT%H:%M:%SZ"),
        "image": None,
    }
    assert client.find_one("Shot", [["id", "is", shot.id]]) == {"type": "Shot", "id": shot.id}
    assert client.find_one("Shot", [["code", "is", "nothing"]]) is None


def test_filters_are_nested_and_follow_links(connect: Connect, show: Show) -> None:
    client = connect(**SCRIPT)
    sequence = show.sequences[1]
    late = {"filter_operator": "any", "filters": [["due_date", "less_than", TODAY], ["sg_status_list", "is", "hld"]]}
    filters = [["entity.Shot.sg_sequence", "is", {"type": "Sequence", "id": sequence.id}], late]
    shot_ids = {shot.id for shot in show.shots if shot.sg_sequence.id == sequence.id}
    expected = [
        task.id
        for task in show.tasks
        if task.entity.id in shot_ids and ((task.due_date or "9") < TODAY.isoformat() or task.sg_status_list == "hld")
    ]
    assert expected
    assert [task["id"] for task in client.find("Task", filters)] == expected
    who = show.tasks[0].task_assignees[0]
    assigned = client.find("Task", [["task_assignees", "is", {"type": who.type, "id": who.id, "name": who.name}]])
    assert [task["id"] for task in assigned] == [task.id for task in show.tasks if who in task.task_assignees]
    either = client.find("Shot", [["sg_status_list", "in", ["ip", "fin"]]])
    assert [shot["id"] for shot in either] == [one.id for one in show.shots if one.sg_status_list in ("ip", "fin")]
    since = datetime.combine(TODAY, datetime.min.time(), UTC)
    assert not client.find("Shot", [["updated_at", "greater_than", since]])
    any_of = client.find("Shot", [["code", "is", "HBR_010"], ["code", "is", "HBR_020"]], filter_operator="any")
    assert len(any_of) == 2


def test_order_has_a_direction_for_each_field(connect: Connect, show: Show) -> None:
    order: Any = [{"field_name": "sg_status_list", "direction": "asc"}, {"field_name": "code", "direction": "desc"}]
    found: Any = connect(**SCRIPT).find("Shot", [], ["code"], order=order)
    by_code = sorted(show.shots, key=lambda shot: shot.code, reverse=True)
    assert [shot["id"] for shot in found] == [shot.id for shot in sorted(by_code, key=lambda one: one.sg_status_list)]


def test_limit_and_page_select_a_part_of_the_rows(connect: Connect, show: Show) -> None:
    client = connect(**SCRIPT)
    ids = [task.id for task in show.tasks]
    assert [task["id"] for task in client.find("Task", [], limit=7)] == ids[:7]
    assert [task["id"] for task in client.find("Task", [], limit=7, page=3)] == ids[14:21]
    assert client.find("Task", [], limit=7, page=99) == []
    assert client.find("Task", [], retired_only=True) == []


@pytest.mark.parametrize(("count", "limit", "calls"), [(1000, 0, 2), (1001, 0, 3), (1001, 600, 2)])
def test_client_reads_all_pages(count: int, limit: int, calls: int) -> None:
    rows = tuple(Sequence(number, f"S{number:04d}", link(PROJECT)) for number in range(1, count + 1))
    with FakeSite(show=Show(TODAY, sequences=rows)) as site:
        site.add_script("render", KEY)
        client = Shotgun(site.url, **SCRIPT)
        found: Any = client.find("Sequence", [], ["code"], limit=limit)
        client.close()
        assert [row["code"] for row in found] == [row.code for row in rows[: limit or count]]
        assert site.requests["render", "api3"] == calls


def test_summary_counts_rows_by_group(connect: Connect, show: Show) -> None:
    client = connect(**SCRIPT)
    counted = [{"field": "id", "type": "count"}, {"field": "due_date", "type": "latest"}]
    grouping: Any = [{"field": "sg_status_list", "type": "exact", "direction": "asc"}]
    summary = client.summarize("Task", [["due_date", "is_not", None]], counted, grouping=grouping)
    dated = [task for task in show.tasks if task.due_date]
    assert summary["summaries"] == {"id": len(dated), "due_date": max(task.due_date or "" for task in dated)}
    groups = {group["group_value"]: group["summaries"]["id"] for group in summary["groups"]}
    assert groups == Counter(task.sg_status_list for task in dated)
    assert client.summarize("Shot", [], counted[:1]) == {"groups": [], "summaries": {"id": len(show.shots)}}


def test_schema_describes_types_and_fields(connect: Connect) -> None:
    client = connect(**SCRIPT)
    assert "Shot" in client.schema_entity_read()
    (field,) = client.schema_field_read("Shot", "tasks").values()
    assert (field["data_type"]["value"], field["properties"]["valid_types"]["value"]) == ("multi_entity", ["Task"])
    assert client.schema_read()["Task"].keys() == client.schema_field_read("Task").keys()
    assert client.preferences_read(["hours_per_day"]) == {"hours_per_day": 8.0}


# ---- the Python API: errors ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.create("Shot", {"code": "new"}),
        lambda client: client.update("Shot", 862, {"code": "new"}),
        lambda client: client.delete("Shot", 862),
        lambda client: client.batch([{"request_type": "delete", "entity_type": "Shot", "entity_id": 862}]),
        lambda client: client.find("Nothing", []),
        lambda client: client.find("Shot", [["nothing", "is", 1]]),
        lambda client: client.find("Shot", [["code", "between", "a", "b"]]),
        lambda client: client.find("Shot", [], additional_filter_presets=[{"preset_name": "BAD_FILTER"}]),
        lambda client: client.summarize("Shot", [], [{"field": "nothing", "type": "count"}]),
        lambda client: client.schema_field_read("Shot", "nothing"),
    ],
)
def test_unsupported_call_is_a_plain_fault(connect: Connect, show: Show, call: Any) -> None:
    client = connect(**SCRIPT)
    with pytest.raises(Fault) as raised:
        call(client)
    assert type(raised.value) is Fault
    assert str(raised.value).startswith(("API ", "Request Parameters invalid."))
    assert shots(client) == len(show.shots)


def test_malformed_call_is_a_fault(site: FakeSite) -> None:
    for body in (b"", b"[]", b'{"method_name": "read"}', b'{"method_name": "read", "params": [1]}'):
        response = requests.post(f"{site.url}/api3/json", data=body, timeout=10)
        assert (response.status_code, response.json()["exception"]) == (200, True)
    empty = requests.post(f"{site.url}/api3/json", json={"method_name": "read", "params": []}, timeout=10)
    assert empty.json()["error_code"] == 102


def test_wrong_credentials_are_an_authentication_fault(connect: Connect) -> None:
    wrong: list[dict[str, str]] = [
        {**LOGIN, "password": "wrong"},
        {**LOGIN, "login": "unknown"},
        {**SCRIPT, "api_key": "wrong"},
        {**SCRIPT, "script_name": "unknown"},
        {"session_token": "0" * 32},
    ]
    for credentials in wrong:
        client = connect(**credentials)  # raises nothing: it only calls `info`
        with pytest.raises(AuthenticationFault):
            shots(client)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("saml2", UserCredentialsNotAllowedForSSOAuthenticationFault),
        ("oxygen", UserCredentialsNotAllowedForOxygenAuthenticationFault),
    ],
)
def test_site_without_passwords_rejects_only_passwords(
    connect: Connect, site: FakeSite, user: Account, show: Show, method: str, fault: type[Fault]
) -> None:
    site.switch(authentication_method=method)
    with pytest.raises(fault):
        shots(connect(**LOGIN))
    assert shots(connect(**SCRIPT)) == len(show.shots)
    assert shots(connect(session_token=site.new_session_token(user))) == len(show.shots)


def test_fault_of_the_site_reaches_the_client(connect: Connect, site: FakeSite, user: Account) -> None:
    by_script, by_user = connect(**SCRIPT), connect(**LOGIN)
    site.switch(user, fault="503")
    with pytest.raises(ProtocolError) as down:
        shots(by_user)
    assert down.value.errcode == 503
    assert shots(by_script)
    site.switch(data_fault="500")
    with pytest.raises(ProtocolError):
        shots(by_script)


def test_expired_claims_redirect_a_user_to_the_identity_provider(
    connect: Connect, site: FakeSite, user: Account, show: Show
) -> None:
    token = site.new_session_token(user)
    site.switch(authentication_method="saml2", saml_claims_expired=True)
    with pytest.raises(ProtocolError) as redirected:
        shots(connect(session_token=token))
    assert (redirected.value.errcode, redirected.value.headers["location"]) == (
        302,
        f"{site.url}/saml/saml_login_request",
    )
    assert shots(connect(**SCRIPT)) == len(show.shots)


# ---- the Python API: sign-in -----------------------------------------------------------------------------


def test_three_kinds_of_credentials_work_and_each_call_is_counted(
    connect: Connect, site: FakeSite, user: Account, show: Show
) -> None:
    by_script, by_user = connect(**SCRIPT), connect(**LOGIN)
    for client in (by_script, by_user):
        assert shots(client) == len(show.shots)
    tokens = [client.get_session_token() for client in (by_script, by_user)]
    for token in tokens:
        assert shots(connect(session_token=token)) == len(show.shots)
    assert site.requests == {("render", "api3"): 3, ("a_user", "api3"): 3}
    assert site.responses == site.requests
    assert site.reads_by(user) == 2
    assert {KEY, PASSWORD, *tokens} <= site.secrets
    assert not {"render", "a_user"} & site.secrets


def test_session_token_of_the_python_api_works_for_the_rest_api(connect: Connect, site: FakeSite) -> None:
    for credentials in (SCRIPT, LOGIN):
        form = {"grant_type": "session_token", "session_token": connect(**credentials).get_session_token()}
        assert requests.post(f"{site.url}/api/v1/auth/access_token", data=form, timeout=10).status_code == 200


def test_script_can_authenticate_a_user(connect: Connect, site: FakeSite, user: Account) -> None:
    client = connect(**SCRIPT)
    who = {"type": "HumanUser", "id": user.id, "login": "a_user"}
    assert client.authenticate_human_user("a_user", PASSWORD) == who
    with pytest.raises(AuthenticationFault):
        client.authenticate_human_user("a_user", "wrong")
    site.switch(two_factor=True)
    with pytest.raises(MissingTwoFactorAuthenticationFault):
        client.authenticate_human_user("a_user", PASSWORD)
    assert client.authenticate_human_user("a_user", PASSWORD, site.code("a_user")) == who


def test_script_can_act_as_a_user_and_a_user_cannot(connect: Connect) -> None:
    assert shots(connect(sudo_as_login="a_user", **SCRIPT))
    for credentials in ({"sudo_as_login": "unknown", **SCRIPT}, {"sudo_as_login": "a_user", **LOGIN}):
        with pytest.raises(Fault, match="sudo"):
            shots(connect(**credentials))


def test_two_factor_stops_users_and_not_scripts(connect: Connect, site: FakeSite, show: Show) -> None:
    by_script, by_user = connect(**SCRIPT), connect(**LOGIN)
    script_session, user_session = (
        connect(session_token=client.get_session_token()) for client in (by_script, by_user)
    )
    form = {"grant_type": "client_credentials", "client_id": "render", "client_secret": KEY}
    bearer = requests.post(f"{site.url}/api/v1/auth/access_token", data=form, timeout=10).json()["access_token"]
    clients = [by_script, by_user, script_session, user_session, connect(**LOGIN)]
    assert [shots(client) for client in clients] == [len(show.shots)] * 5
    site.switch(two_factor=True)
    for client in (by_script, script_session, connect(**SCRIPT)):
        assert shots(client) == len(show.shots)
    headers = {"authorization": f"Bearer {bearer}"}
    assert requests.get(f"{site.url}/api/v1/entity/shots/862", headers=headers, timeout=10).status_code == 200
    with pytest.raises(AuthenticationFault):  # the switch ends the sessions of users
        shots(user_session)
    for client in (by_user, connect(**LOGIN)):
        with pytest.raises(MissingTwoFactorAuthenticationFault):
            shots(client)


def test_code_works_once_and_its_session_continues(connect: Connect, site: FakeSite, show: Show) -> None:
    site.switch(two_factor=True)
    code = site.code("a_user")
    client = connect(auth_token=code, **LOGIN)
    assert [shots(client) for _ in range(2)] == [len(show.shots)] * 2
    assert site.requests["a_user", "api3"] == 3
    assert code in site.secrets
    with pytest.raises(AuthenticationFault):
        connect(auth_token=code, **LOGIN)
    form = {"grant_type": "password", "username": "a_user", "password": PASSWORD, "auth_token": code}
    assert (
        requests.post(f"{site.url}/api/v1/auth/access_token", data=form, timeout=10).json()["errors"][0]["code"] == 102
    )
    assert shots(client) == len(show.shots)


def test_backup_code_works_like_a_code(connect: Connect, site: FakeSite, user: Account) -> None:
    site.switch(user, two_factor=True)
    assert shots(connect(auth_token=min(user.backup_codes), **LOGIN))


@pytest.mark.parametrize(("code", "fault"), [(102, AuthenticationFault), (106, MissingTwoFactorAuthenticationFault)])
def test_fault_for_a_wrong_code_has_the_error_code_of_the_site(
    connect: Connect, site: FakeSite, code: int, fault: type[Fault]
) -> None:
    site.switch(two_factor=True, wrong_code=code)
    with pytest.raises(fault):
        connect(auth_token="000000", **LOGIN)


@pytest.mark.parametrize(
    ("first", "fault"), [(True, AuthenticationFault), (False, MissingTwoFactorAuthenticationFault)]
)
def test_fault_for_a_wrong_password_depends_on_the_order_of_checks(
    connect: Connect, site: FakeSite, first: bool, fault: type[Fault]
) -> None:
    site.switch(two_factor=True, password_checked_first=first)
    with pytest.raises(fault):
        shots(connect(login="a_user", password="wrong"))


def test_python_client_connects_only_to_the_site(connect: Connect, site: FakeSite, monkeypatch: Any) -> None:
    addresses = set()
    original = socket.socket.connect

    def recorded(self: socket.socket, address: Any) -> None:
        addresses.add(address)
        original(self, address)

    monkeypatch.setattr(socket.socket, "connect", recorded)
    assert shots(connect(**SCRIPT))
    assert {f"http://{host}:{port}" for host, port in addresses} == {site.url}


# ---- shotgun-nodejs --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NodeRun:
    """The results of the Node client's calls: a value, or the message of an error with its HTTP status."""

    calls: list[dict[str, Any]]
    token: dict[str, Any] | None
    addresses: list[str]  # of new connections

    @property
    def values(self) -> list[Any]:
        assert all("value" in call for call in self.calls), self.calls
        return [call["value"] for call in self.calls]

    @property
    def errors(self) -> list[str]:
        assert all("error" in call for call in self.calls), self.calls
        return [call["error"] for call in self.calls]


Node = Callable[..., NodeRun]


class NodeProcess:
    """Runs calls of the Node client in one process for all tests: a start of Node takes longer than the calls."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [NODE, NODE_CLIENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self, site: FakeSite, credentials: dict[str, str], *calls: tuple[str, Any]) -> NodeRun:
        """Create a client, run calls, and return their results."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"siteUrl": site.url, "credentials": credentials, "calls": calls})
        limit = threading.Timer(RUN_SECONDS, self._process.kill)
        limit.start()
        try:
            self._process.stdin.write(f"{line}\n")
            result = self._process.stdout.readline()
        finally:
            limit.cancel()
        run = NodeRun(**json.loads(result))
        assert {f"http://{address}" for address in run.addresses} == {site.url}
        return run

    def close(self) -> None:
        self._process.communicate(timeout=RUN_SECONDS)
        assert self._process.returncode == 0


@pytest.fixture(scope="module")
def node_process() -> Iterator[NodeProcess]:
    process = NodeProcess()
    yield process
    process.close()


@pytest.fixture
def node(node_process: NodeProcess, site: FakeSite) -> Node:
    """Return a function that runs calls of a new Node client with some credentials."""
    return partial(node_process.run, site)


NODE_SCRIPT = {"grant_type": "client_credentials", "client_id": "render", "client_secret": KEY}
NODE_LOGIN = {"grant_type": "password", "username": "a_user", "password": PASSWORD}
READ = ("entityRead", {"entity": "Shot", "entityId": 862, "fields": ["code"]})


def test_node_client_supports_three_grants(node: Node, site: FakeSite, user: Account, show: Show) -> None:
    by_token = {"grant_type": "session_token", "session_token": site.new_session_token(user)}
    for credentials, who in ((NODE_SCRIPT, "render"), (NODE_LOGIN, "a_user"), (by_token, "a_user")):
        before = site.reads[who, "/api/v1/entity/Shot/862"]
        (shot,) = node(credentials, READ).values
        assert shot["attributes"] == {"code": show.shots[0].code}
        assert site.reads[who, "/api/v1/entity/Shot/862"] == before + 1
    assert site.requests == {
        ("render", "client_credentials"): 1,
        ("a_user", "password"): 1,
        ("a_user", "session_token"): 1,
    }


def test_node_client_reads_lists_searches_and_the_schema(node: Node, site: FakeSite, show: Show) -> None:
    listed = {"entity": "shots", "fields": ["code", "sg_sequence"], "sort": ["-code"], "pageSize": 25}
    array = {"entity": "Shot", "filters": [["sg_status_list", "is", "ip"]], "fields": "code"}
    conditions = {"logical_operator": "or", "conditions": [["code", "is", "HBR_010"], ["code", "is", "HBR_020"]]}
    first, second, third, filtered, found, found_by_hash, described, fields, prefs = node(
        NODE_SCRIPT,
        ("entityReadAll", listed),
        ("getNext", None),
        ("getNext", None),
        ("entityReadAll", {"entity": "Task", "filter": {"sg_status_list": "fin"}}),
        ("entitySearch", array),
        ("entitySearch", {"entity": "Shot", "filters": conditions}),
        ("schemaGet", {"entity": "Shot"}),
        ("schemaGet", {"entity": "Shot", "isFieldsWanted": True}),
        ("preferencesGet", {"names": ["hours_per_day", "nothing"]}),
    ).values
    codes = [row["attributes"]["code"] for page in (first, second) for row in page["data"]]
    assert codes == sorted((shot.code for shot in show.shots), reverse=True)
    assert third is None
    assert {row["id"] for row in filtered["data"]} == {one.id for one in show.tasks if one.sg_status_list == "fin"}
    assert {row["id"] for row in found["data"]} == {one.id for one in show.shots if one.sg_status_list == "ip"}
    assert [row["attributes"]["code"] for row in found_by_hash["data"]] == ["HBR_010", "HBR_020"]
    assert described["name"]["value"] == "Shot"
    assert fields["tasks"]["data_type"]["value"] == "multi_entity"
    assert prefs == {"hours_per_day": 8}


def test_node_client_needs_a_code_for_a_user_and_not_for_a_script(node: Node, site: FakeSite, user: Account) -> None:
    site.switch(two_factor=True)
    (error,) = node(NODE_LOGIN, READ).errors
    assert r"\"code\": 106" in error
    assert node(NODE_LOGIN | {"auth_token": site.code(user.login)}, READ, READ).values
    assert node(NODE_SCRIPT, READ).values


def test_node_client_reports_the_errors_of_the_site(node: Node, site: FakeSite, user: Account) -> None:
    (wrong,) = node(NODE_LOGIN | {"password": "wrong"}, READ).errors
    assert r"\"code\": 102" in wrong
    (wrong_key,) = node(NODE_SCRIPT | {"client_secret": "wrong"}, READ).errors
    assert "Can't authenticate script 'render'" in wrong_key
    changing = ("entityDelete", {"entity": "Shot", "entityId": 862}), ("entityCreate", {"entity": "Shot", "data": {}})
    missing = ("entityRead", {"entity": "Shot", "entityId": 4000})
    run = node(NODE_SCRIPT, *changing, missing)
    assert [call["status"] for call in run.calls] == [404, 404, 404]
    assert all('"errors":[' in error for error in run.errors)
    assert node(NODE_SCRIPT, READ).values


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_node_client_renews_its_token_if_the_site_accepts_its_grant(
    node: Node, site: FakeSite, retires_refresh_tokens: bool
) -> None:
    # The client renews a token three minutes before it expires: with a lifetime of one minute, before every request.
    site.switch(expires_in=60, retires_refresh_tokens=retires_refresh_tokens)
    assert node(NODE_SCRIPT, READ, READ, READ).values
    assert site.requests["render", "refresh_token"] == 2
    site.switch(accepts_refresh_grant=False)
    _, second = node(NODE_SCRIPT, READ, READ).calls
    assert "Unsupported grant_type" in second["error"]


# ---- sg-groundtruth: the App Session Launcher ----------------------------------------------------------------


@pytest.mark.parametrize("method", ["default", "oxygen", "saml2"])
def test_launcher_client_signs_a_user_in_and_reads_as_this_user(site: FakeSite, show: Show, method: str) -> None:
    site.switch(authentication_method=method, two_factor=True)
    user = site.add_user("ada@studio.example", PASSWORD, kind="autodesk")
    request_id, url = launcher.request(site.url, "toolkit", "workstation")
    assert url == f"{site.url}/app_session_request/{request_id}?sticky_id={request_id}"
    with pytest.raises(launcher.Pending):
        launcher.poll(site.url, request_id)
    site.approve(url, user)
    token, login = launcher.poll(site.url, request_id)
    assert login == user.login
    client = FPT.from_session(site.url, token)
    for page in (client.get("/entity/shots?page[size]=2"), client.get("/entity/shots", params={"page[size]": 2})):
        assert [row["id"] for row in page.json()["data"]] == [shot.id for shot in show.shots[:2]]
        following = client.get(page.json()["links"]["next"])
        assert [row["id"] for row in following.json()["data"]] == [shot.id for shot in show.shots[2:4]]
    assert (site.mints(token), site.reads_by(user)) == (1, 4)


def test_launcher_client_sees_that_a_request_is_gone(site: FakeSite, user: Account) -> None:
    declined, _ = launcher.request(site.url, "toolkit", "workstation")
    site.decline(declined)
    spent, _ = launcher.request(site.url, "toolkit", "workstation")
    site.approve(spent, user)
    launcher.poll(site.url, spent)
    for request_id in (declined, spent, "unknown"):
        with pytest.raises(launcher.Gone, match="Not Found"):
            launcher.poll(site.url, request_id)


@pytest.mark.parametrize("state", ["off", "absent"])
def test_launcher_client_fails_if_the_launcher_is_off_or_missing(site: FakeSite, state: str) -> None:
    site.switch(launcher=state)
    with pytest.raises(requests.HTTPError):
        launcher.request(site.url, "toolkit", "workstation")


def test_launcher_client_reads_and_renews_the_web_session(site: FakeSite, user: Account) -> None:
    now = 1_800_000_000
    site.clock = lambda: now
    token = site.new_session_token(user)
    about = launcher.alive(site.url, token)
    assert about["notifyAt"] < about["expiresAt"] == about["app"]["expiresAt"] == now + 86400
    assert {"expired": False, "license": about["app"]}.items() <= about.items()
    site.clock = lambda: now + 10
    assert launcher.renew(site.url, token)
    assert launcher.alive(site.url, token)["expiresAt"] == now + 86400 + 10
    assert launcher.alive(site.url, "unknown") is None
    assert not launcher.renew(site.url, "unknown")


def test_launcher_client_reports_a_session_that_has_ended(site: FakeSite, user: Account) -> None:
    client = FPT.from_session(site.url, site.new_session_token(user))
    site.end_sessions(user)
    with pytest.raises(FPTError, match="with a session token 400"):
        client.get("/entity/shots")


def test_launcher_client_signs_a_script_in(site: FakeSite, user: Account) -> None:
    assert FPT(site.url, "render", KEY).get("/entity/shots").ok
    assert FPT(site.url, "render", KEY, sudo_as_login=user.login).get("/entity/shots").ok
    with pytest.raises(FPTError, match="as 'unknown'"):
        FPT(site.url, "render", KEY, sudo_as_login="unknown").get("/entity/shots")


# ---- sg-python-api: an independent Python client -------------------------------------------------------------

SHOT: tuple[Any, ...] = (
    "find_one",
    "Shot",
    [["code", "is", "HBR_010"]],
    ["code", "tasks", "sg_sequence.Sequence.code"],
)


@pytest.fixture(scope="module")
def independent() -> Iterator[SgPythonApi]:
    process = SgPythonApi()
    yield process
    process.close()


def test_independent_client_returns_what_the_client_of_the_vendor_returns(
    independent: SgPythonApi, site: FakeSite, connect: Connect
) -> None:
    calls: list[tuple[Any, ...]] = [
        SHOT,
        ("find", "Task", [["sg_status_list", "in", ["ip", "fin"]]], ["content", "due_date", "created_at"]),
        ("summarize", "Shot", [], [{"field": "id", "type": "count"}]),
        ("schema_field_read", "Shot", "tasks"),
        ("preferences_read", ["hours_per_day"]),
        ("info",),
    ]
    client = connect(**SCRIPT)
    for method, *arguments in calls:
        expected = json.loads(json.dumps(getattr(client, method)(*arguments), default=str))
        assert independent.call(site.url, SCRIPT, method, *arguments) == expected


@pytest.mark.parametrize("method", ["default", "oxygen"])
@pytest.mark.parametrize("two_factor", [False, True])
def test_independent_client_signs_in_with_three_kinds_of_credentials(
    independent: SgPythonApi, site: FakeSite, method: str, two_factor: bool
) -> None:
    site.switch(authentication_method=method, two_factor=two_factor)
    user = site.add_user("ada@studio.example", PASSWORD, kind="legacy")
    login = {"login": user.login, "password": user.passphrase}
    login |= {"auth_token": site.code(user.login)} if two_factor else {}
    for credentials in (SCRIPT, login, {"session_token": site.new_session_token(user)}):
        assert independent.call(site.url, credentials, *SHOT)["code"] == "HBR_010"
    token = independent.call(site.url, SCRIPT, "get_session_token")
    assert independent.call(site.url, {"session_token": token}, *SHOT)["code"] == "HBR_010"


@pytest.mark.parametrize(
    ("switches", "fault"),
    [
        ({}, None),
        ({"two_factor": True}, "MissingTwoFactorAuthenticationFault"),
        ({"authentication_method": "saml2"}, "UserCredentialsNotAllowedForSSOAuthenticationFault"),
        ({"authentication_method": "oxygen"}, "UserCredentialsNotAllowedForOxygenAuthenticationFault"),
        ({"authentication_method": "oxygen", "identity_rejection": "always_102"}, "AuthenticationFault"),
    ],
)
def test_independent_client_reports_why_a_password_is_rejected(
    independent: SgPythonApi, site: FakeSite, user: Account, switches: dict[str, Any], fault: str | None
) -> None:
    site.switch(**switches)
    if fault is None:
        assert independent.call(site.url, LOGIN, *SHOT)
        return
    with pytest.raises(ClientError) as raised:
        independent.call(site.url, LOGIN, *SHOT)
    assert raised.value.name == fault
    assert independent.call(site.url, SCRIPT, *SHOT)
