"""The App Session Launcher of the fake site behaves as `site-contract.md` describes real sites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from tests.site.fake_site import Account, ApprovalRequest, FakeSite
from tests.site.faults import LAUNCHER_GARBAGE

PATH = "/internal_api/app_session_request"
FIELDS = {"appName": "A page at pages.example", "machineId": "Firefox on Linux"}
START = 1_800_000_000.0  # the time of the clock in tests that move it
OTHER_ADDRESS = "10.1.2.3"


class Clock:
    """A clock that tests move. It is the clock of the site after `site.clock = clock`."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with FakeSite() as running:
        yield running


@pytest.fixture
def clock(site: FakeSite) -> Clock:
    moved = Clock()
    site.clock = moved
    return moved


@pytest.fixture
def user(site: FakeSite) -> Account:
    return site.add_user("ada@studio.example", "autodesk-password", kind="autodesk")


def start(site: FakeSite, **fields: Any) -> requests.Response:
    return requests.post(f"{site.url}{PATH}", data=FIELDS | fields, timeout=10)


def started(site: FakeSite) -> ApprovalRequest:
    assert start(site).status_code == 200
    return site.approval_requests[-1]


def poll(site: FakeSite, request: ApprovalRequest) -> requests.Response:
    return requests.put(f"{site.url}{PATH}/{request.id}", timeout=10, allow_redirects=False)


def approved(site: FakeSite, user: Account) -> str:
    """Return the session token of a new approved request."""
    request = started(site)
    site.approve(request.id, user)
    return str(poll(site, request).json()["sessionToken"])


def grant(site: FakeSite, grant_type: str, token: str) -> requests.Response:
    form = {"grant_type": grant_type, grant_type: token}
    url = f"{site.url}/api/v1/auth/access_token"
    return requests.post(url, data=form, timeout=10, allow_redirects=False)


def is_alive(site: FakeSite, session_token: str) -> bool:
    response = requests.get(f"{site.url}/internal_api/session", cookies={"_session_id": session_token}, timeout=10)
    assert response.status_code in (200, 401)
    return response.ok


# ---- what the site reports ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switches", "reported", "status"),
    [
        ({}, {"authentication_app_session_launcher_enabled": True}, 200),
        ({"launcher": "off"}, {"authentication_app_session_launcher_enabled": False}, 403),
        ({"launcher": "absent"}, {}, 404),
        ({"launcher": "said_on_but_off"}, {"authentication_app_session_launcher_enabled": True}, 403),
        ({"launcher": "unsaid_but_on"}, {}, 200),
        ({"launcher_key": "older"}, {"app_session_launcher_enabled": True}, 200),
        ({"launcher_key": "missing"}, {}, 200),
    ],
)
def test_site_reports_its_launcher(
    site: FakeSite, switches: dict[str, Any], reported: dict[str, bool], status: int
) -> None:
    site.switch(**switches)
    about = requests.get(f"{site.url}/api/v1", timeout=10).json()["data"]
    assert {name: value for name, value in about.items() if "launcher" in name} == reported
    info = requests.post(f"{site.url}/api3/json", json={"method_name": "info", "params": []}, timeout=10)
    assert {name: value for name, value in info.json()["results"].items() if "launcher" in name} == reported
    assert start(site).status_code == status
    assert len(site.approval_requests) == (status == 200)


def test_launcher_that_is_off_returns_json_and_a_missing_one_html(site: FakeSite) -> None:
    site.switch(launcher="off")
    assert start(site).headers["content-type"] == "application/json; charset=utf-8"
    site.switch(launcher="absent")
    assert start(site).headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("method", ["default", "ldap", "oxygen", "saml2", "something_new", "missing"])
def test_site_reports_its_sign_in_method(site: FakeSite, method: str) -> None:
    site.switch(authentication_method=method)
    about = requests.get(f"{site.url}/api/v1", timeout=10).json()["data"]
    assert about.get("user_authentication_method", "missing") == method


@pytest.mark.parametrize("switches", [{"launcher": "On"}, {"approval_url": "https"}, {"licence_ended": "403"}])
def test_unknown_value_of_a_switch_is_rejected_by_name(site: FakeSite, switches: dict[str, Any]) -> None:
    response = requests.put(f"{site.url}/stand-in/switches", json=switches, timeout=10)
    assert response.status_code == 400
    assert response.text.startswith(f"{next(iter(switches))} must be one of: ")
    with pytest.raises(ValueError, match="must be one of"):
        site.switch(**switches)
    user = site.add_user("a", "b")
    with pytest.raises(ValueError, match="must be one of"):
        site.switch(user, **switches)
    assert user.own == {}


# ---- requests ----------------------------------------------------------------------------------------------


def test_approved_request_hands_out_its_session_token_once(site: FakeSite, user: Account) -> None:
    request = started(site)
    assert poll(site, request).json() == {"approved": False}
    site.approve(request.id, user)
    response = poll(site, request).json()
    assert response == {"approved": True, "sessionToken": request.session_token, "userLogin": user.login}
    spent = poll(site, request)
    assert (spent.status_code, spent.json()) == (404, {"message": "Not Found"})
    assert request.hand_outs == 1


def test_start_accepts_a_form_and_json_and_needs_both_fields(site: FakeSite) -> None:
    by_json = requests.post(f"{site.url}{PATH}", json=FIELDS, timeout=10)
    assert (by_json.status_code, start(site).status_code) == (200, 200)
    first, second = site.approval_requests
    assert by_json.json() == {"sessionRequestId": first.id, "url": first.url}
    assert first.url == f"{site.url}/app_session_request/{first.id}?sticky_id={first.id}"
    assert (first.app_name, first.machine_id) == (second.app_name, second.machine_id) == tuple(FIELDS.values())
    assert first.id != second.id
    for body in ({}, {"appName": "", "machineId": ""}, [1]):
        missing = requests.post(f"{site.url}{PATH}", json=body, timeout=10)
        assert (missing.status_code, missing.json()) == (400, {"message": "Missing params: appName, machineId"})
    assert start(site, machineId="").json() == {"message": "Missing params: machineId"}


def test_request_is_forgotten_after_305_seconds(site: FakeSite, clock: Clock, user: Account) -> None:
    request = started(site)
    clock.now += 304
    assert poll(site, request).status_code == 200
    clock.now += 1
    assert poll(site, request).status_code == 404
    with pytest.raises(LookupError, match="has ended"):
        site.approve(request.id, user)


def test_unknown_request_is_not_found_and_other_methods_too(site: FakeSite) -> None:
    request = started(site)
    for method, path in (("PUT", "unknown"), ("GET", request.id), ("POST", request.id), ("GET", ""), ("DELETE", "x")):
        response = requests.request(method, f"{site.url}{PATH}/{path}".rstrip("/"), timeout=10)
        assert (response.status_code, response.json()) == (404, {"message": "Not Found"})
    with pytest.raises(LookupError):
        site.approval_request("unknown")


def test_request_is_found_by_its_id_and_by_its_url(site: FakeSite) -> None:
    started(site)
    request = started(site)
    for name in (request.id, request.url, request.url.partition("?")[0]):
        assert site.approval_request(name) is request


def test_body_and_machine_of_a_poll_have_no_effect(site: FakeSite) -> None:
    request = started(site)
    url = f"{site.url}{PATH}/{request.id}"
    bodies: list[dict[str, Any]] = [{"json": {}}, {"data": {"machineId": "another"}}, {"data": b"\xff"}]
    for options in bodies:
        assert requests.put(url, timeout=10, **options).json() == {"approved": False}


def test_polls_less_than_two_seconds_apart_are_counted(site: FakeSite, clock: Clock) -> None:
    request = started(site)
    for seconds in (0, 2, 1.9, 5, 0):
        clock.now += seconds
        poll(site, request)
    assert (request.polls, request.close_polls) == (5, 2)
    asked = requests.get(f"{site.url}/stand-in/asked", timeout=10).json()
    assert asked == {"launcher start": 1, "launcher poll": 5}
    assert site.responses == site.requests


def test_credentials_of_a_request_are_secrets(site: FakeSite, user: Account) -> None:
    request = started(site)
    site.approve(request.id, user)
    legacy = site.add_user("b", "autodesk-password-of-b", kind="legacy")
    assert {request.id, request.url, request.session_token, legacy.passphrase, legacy.password} <= site.secrets


# ---- unknowns about requests -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declined", "status", "body"),
    [
        ("not_found", 404, {"message": "Not Found"}),
        ("pending", 200, {"approved": False}),
        ("forbidden", 403, {"message": "Forbidden"}),
        ("denied", 200, {"approved": False, "denied": True}),
    ],
)
def test_declined_request_has_one_of_four_responses(
    site: FakeSite, clock: Clock, user: Account, declined: str, status: int, body: dict[str, Any]
) -> None:
    site.switch(declined=declined)
    request = started(site)
    site.decline(request.url)
    response = poll(site, request)
    assert (response.status_code, response.json()) == (status, body)
    with pytest.raises(LookupError):
        site.approve(request.id, user)
    with pytest.raises(LookupError):
        site.decline(request.id)
    clock.now += 305
    assert poll(site, request).status_code == 404


@pytest.mark.parametrize(
    ("seconds", "waited", "status"), [(305, 304, 200), (305, 305, 404), (30, 30, 404), (0, 1e6, 200)]
)
def test_approved_request_keeps_its_session_token_for_a_time(
    site: FakeSite, clock: Clock, user: Account, seconds: float, waited: float, status: int
) -> None:
    site.switch(approved_seconds=seconds, session_seconds=10**7)
    request = started(site)
    clock.now += 300
    site.approve(request.id, user)
    clock.now += waited
    assert poll(site, request).status_code == status


def test_session_token_is_handed_out_again_within_two_seconds_if_the_site_does_so(
    site: FakeSite, clock: Clock, user: Account
) -> None:
    site.switch(hands_out_twice=True)
    request = started(site)
    site.approve(request.id, user)
    responses = []
    for seconds in (0, 1.9, 0.1):
        clock.now += seconds
        responses.append(poll(site, request))
    assert [response.status_code for response in responses] == [200, 200, 404]
    assert responses[0].json() == responses[1].json()
    assert request.hand_outs == 2


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        ("own", "{site}/app_session_request/{id}?sticky_id={id}"),
        ("missing", None),
        ("vendor_domain", "https://studio.shotgrid.autodesk.com/app_session_request/{id}?sticky_id={id}"),
        ("relative", "/app_session_request/{id}?sticky_id={id}"),
        ("http", "http://studio.shotgrid.autodesk.com/app_session_request/{id}?sticky_id={id}"),
        ("other_host", "https://studio.example/app_session_request/{id}?sticky_id={id}"),
        ("javascript", "javascript:alert(1)//{host}/app_session_request/{id}?sticky_id={id}"),
        ("userinfo", "http://{host}@studio.example/app_session_request/{id}?sticky_id={id}"),
    ],
)
def test_approval_url_is_what_the_switch_names(site: FakeSite, switch: str, expected: str | None) -> None:
    site.switch(approval_url=switch)
    body = start(site).json()
    host = site.url.partition("://")[2]
    request_id = body["sessionRequestId"]
    assert body.get("url") == (expected and expected.format(site=site.url, host=host, id=request_id))
    request = site.approval_request(body.get("url") or request_id)
    assert request.url == (body.get("url") or f"{site.url}/app_session_request/{request_id}?sticky_id={request_id}")


@pytest.mark.parametrize(("bound", "status"), [(False, 200), (True, 404)])
def test_poll_from_another_address_than_the_start_fails_if_the_address_is_bound(
    site: FakeSite, bound: bool, status: int
) -> None:
    site.switch(polling_address_bound=bound)
    request = started(site)
    assert poll(site, request).status_code == 200
    request.addresses = {OTHER_ADDRESS}
    assert poll(site, request).status_code == status


@pytest.mark.parametrize(("bound", "status"), [(False, 200), (True, 404)])
def test_poll_from_another_address_than_the_approval_fails_if_the_address_is_bound(
    site: FakeSite, user: Account, bound: bool, status: int
) -> None:
    site.switch(polling_address_bound=bound)
    request = started(site)
    site.approve(request.id, user, OTHER_ADDRESS)
    assert poll(site, request).status_code == status


@pytest.mark.parametrize("deletes", [False, True])
def test_request_is_deleted_if_the_site_does_so(site: FakeSite, user: Account, deletes: bool) -> None:
    site.switch(deletes_requests=deletes)
    request = started(site)
    deleted = requests.delete(f"{site.url}{PATH}/{request.id}", timeout=10)
    assert deleted.status_code == (200 if deletes else 404)
    assert poll(site, request).status_code == (404 if deletes else 200)
    if deletes:
        with pytest.raises(LookupError):
            site.approve(request.id, user)


def test_expired_claims_redirect_users_and_not_scripts(site: FakeSite, user: Account) -> None:
    site.add_script("render", "key")
    token = approved(site, user)
    request = started(site)
    site.switch(saml_claims_expired=True)
    for response in (poll(site, request), grant(site, "session_token", token)):
        assert (response.status_code, response.headers["location"]) == (302, f"{site.url}/saml/saml_login_request")
    form = {"grant_type": "client_credentials", "client_id": "render", "client_secret": "key"}
    assert requests.post(f"{site.url}/api/v1/auth/access_token", data=form, timeout=10).status_code == 200


# ---- faults ------------------------------------------------------------------------------------------------


def test_faults_of_the_start_and_of_the_poll_are_separate(site: FakeSite) -> None:
    request = started(site)
    site.switch(request_fault="503")
    assert (start(site).status_code, poll(site, request).status_code) == (503, 200)
    site.switch(request_fault="", poll_fault="503")
    assert (start(site).status_code, poll(site, request).status_code) == (200, 503)


@pytest.mark.parametrize(("fault", "retry_after"), [("429", None), ("429_retry_after", "7")])
def test_too_many_requests_have_a_time_to_wait_or_not(site: FakeSite, fault: str, retry_after: str | None) -> None:
    request = started(site)
    site.switch(request_fault=fault, poll_fault=fault)
    for response in (start(site), poll(site, request)):
        assert (response.status_code, response.headers.get("retry-after")) == (429, retry_after)


@pytest.mark.parametrize("fault", LAUNCHER_GARBAGE)
def test_invalid_responses_of_the_launcher_are_sent_as_they_are(site: FakeSite, fault: str) -> None:
    request = started(site)
    site.switch(request_fault=fault, poll_fault=fault)
    status, mimetype, body = LAUNCHER_GARBAGE[fault]
    for response in (start(site), poll(site, request)):
        assert (response.status_code, response.text) == (status, body)
        assert response.headers["content-type"].startswith(mimetype)


def test_lost_response_of_a_hand_out_has_spent_the_request(site: FakeSite, user: Account) -> None:
    request = started(site)
    site.approve(request.id, user)
    site.switch(poll_fault="drop_response")
    with pytest.raises(requests.ConnectionError):
        poll(site, request)
    site.switch(poll_fault="")
    assert poll(site, request).status_code == 404
    assert request.hand_outs == 1


def test_lost_response_of_a_start_has_created_a_request(site: FakeSite) -> None:
    site.switch(request_fault="drop_response")
    with pytest.raises(requests.ConnectionError):
        start(site)
    assert len(site.approval_requests) == 1


# ---- the session token -------------------------------------------------------------------------------------


def test_session_token_is_exchanged_any_number_of_times(site: FakeSite, user: Account) -> None:
    token = approved(site, user)
    tokens = [grant(site, "session_token", token).json() for _ in range(2)]
    assert site.mints(token) == 2
    claims = jwt.decode(tokens[0]["access_token"], options={"verify_signature": False})
    assert claims["user"] == {"type": "HumanUser", "id": user.id}
    assert (claims["auth_type"], claims["sudo_as_login"], claims["session_uuid"]) == ("session_token", None, None)
    bearer = {"authorization": f"Bearer {tokens[1]['access_token']}"}
    assert requests.get(f"{site.url}/api/v1/entity/human_users", headers=bearer, timeout=10).status_code == 200
    assert grant(site, "refresh_token", tokens[0]["refresh_token"]).json()["expires_in"] == 600


def test_session_grant_has_no_refresh_token_if_the_site_sends_none(site: FakeSite, user: Account) -> None:
    site.switch(session_grant_refresh_token=False)
    assert "refresh_token" not in grant(site, "session_token", approved(site, user)).json()


@pytest.mark.parametrize("seconds", [3600, 86400, 604800])
def test_web_session_ends_after_a_time_without_use(site: FakeSite, clock: Clock, user: Account, seconds: int) -> None:
    site.switch(session_seconds=seconds)
    token = approved(site, user)
    clock.now += seconds - 1
    assert is_alive(site, token)
    clock.now += 1
    assert not is_alive(site, token)
    rejected = grant(site, "session_token", token)
    assert rejected.status_code == 400
    assert rejected.json()["errors"][0]["title"] == f"Can't authenticate session token ending with '{token[-4:]}'"
    assert site.mints(token) == 0


@pytest.mark.parametrize(("moves", "is_alive_after"), [(True, True), (False, False)])
def test_exchange_moves_the_end_of_the_session_at_most_every_300_seconds(
    site: FakeSite, clock: Clock, user: Account, moves: bool, is_alive_after: bool
) -> None:
    site.switch(session_seconds=3600, mint_moves_session=moves)
    token = approved(site, user)
    clock.now += 299  # too early: the end stays
    grant(site, "session_token", token)
    clock.now = START + 3599
    assert is_alive(site, token)
    clock.now = START + 300
    grant(site, "session_token", token)
    clock.now = START + 3601
    assert is_alive(site, token) is is_alive_after


@pytest.mark.parametrize("moves", [True, False])
def test_refresh_moves_the_end_of_the_session_or_not(site: FakeSite, clock: Clock, user: Account, moves: bool) -> None:
    site.switch(session_seconds=3600, refresh_moves_session=moves)
    token = approved(site, user)
    refresh_token = grant(site, "session_token", token).json()["refresh_token"]
    clock.now += 3000
    assert grant(site, "refresh_token", refresh_token).status_code == 200
    clock.now += 601
    assert is_alive(site, token) is moves


@pytest.mark.parametrize(("outlives", "status"), [(True, 200), (False, 401)])
def test_refresh_works_after_the_end_of_the_session_or_not(
    site: FakeSite, clock: Clock, user: Account, outlives: bool, status: int
) -> None:
    site.switch(session_seconds=3600, refresh_outlives_session=outlives)
    refresh_token = grant(site, "session_token", approved(site, user)).json()["refresh_token"]
    clock.now += 3600
    assert grant(site, "refresh_token", refresh_token).status_code == status


def test_refresh_of_a_password_session_does_not_depend_on_web_sessions(site: FakeSite, clock: Clock) -> None:
    site.switch(session_seconds=60, refresh_outlives_session=False, licence_ended="401")
    tokens = site.sign_in_directly(site.add_user("a", "b"))
    clock.now += 61
    assert grant(site, "refresh_token", tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("status", ["401", "400"])
def test_ended_licence_ends_the_use_of_a_session_token(site: FakeSite, user: Account, status: str) -> None:
    token = approved(site, user)
    refresh_token = grant(site, "session_token", token).json()["refresh_token"]
    site.switch(user, licence_ended=status)
    for response in (grant(site, "session_token", token), grant(site, "refresh_token", refresh_token)):
        assert response.status_code == int(status)
        assert response.json()["errors"][0]["status"] == int(status)


def test_two_factor_switch_ends_web_sessions(site: FakeSite, user: Account) -> None:
    token = approved(site, user)
    refresh_token = grant(site, "session_token", token).json()["refresh_token"]
    site.switch(two_factor=True)
    assert not is_alive(site, token)
    assert grant(site, "session_token", token).status_code == 400
    assert grant(site, "refresh_token", refresh_token).status_code == 401


def test_session_route_shows_the_times_of_the_session_and_renews_it(
    site: FakeSite, clock: Clock, user: Account
) -> None:
    token = approved(site, user)
    url, cookies = f"{site.url}/internal_api/session", {"_session_id": token}
    clock.now += 100
    about = requests.get(url, cookies=cookies, timeout=10).json()
    assert about.keys() == {"app", "license", "expired", "expiresAt", "notifyAt", "expirationReason"}
    assert (about["expired"], about["expiresAt"]) == (False, START + 86400)
    assert about["app"] == {"createdAt": START, "expiresAt": START + 86400}
    renewed = requests.post(url, cookies=cookies, timeout=10).json()
    assert renewed["expiresAt"] == START + 86400 + 100
    for wrong in ({}, {"_session_id": "unknown"}):
        assert requests.get(url, cookies=wrong, timeout=10).status_code == 401


# ---- passwords on an Autodesk Identity site ----------------------------------------------------------------


def password(site: FakeSite, login: str, secret: str, code: str = "") -> int | None:
    """Return the error code for a password, None if the site accepts it."""
    form = {"grant_type": "password", "username": login, "password": secret} | ({"auth_token": code} if code else {})
    response = requests.post(f"{site.url}/api/v1/auth/access_token", data=form, timeout=10)
    return None if response.ok else int(response.json()["errors"][0]["code"])


@pytest.mark.parametrize(
    ("rejection", "known", "unknown"), [("by_user", 110, 102), ("always_110", 110, 110), ("always_102", 102, 102)]
)
def test_identity_site_rejects_passwords_of_autodesk_accounts(
    site: FakeSite, rejection: str, known: int, unknown: int
) -> None:
    site.switch(authentication_method="oxygen", identity_rejection=rejection)
    for kind in ("site", "autodesk", "legacy_without_passphrase", "sso"):
        site.add_user(kind, "right", kind=kind)
        assert [password(site, kind, secret) for secret in ("right", "wrong")] == [known, known]
    assert password(site, "unknown", "wrong") == unknown


@pytest.mark.parametrize("rejection", ["by_user", "always_110", "always_102"])
def test_legacy_login_takes_the_passphrase_and_not_the_autodesk_password(site: FakeSite, rejection: str) -> None:
    site.switch(authentication_method="oxygen", identity_rejection=rejection)
    user = site.add_user("ada", "autodesk-password", kind="legacy")
    assert password(site, "ada", user.passphrase) is None
    assert password(site, "ada", "autodesk-password") == 102


@pytest.mark.parametrize(("second_factor", "code"), [(True, 106), (False, None)])
def test_legacy_login_needs_a_code_or_not(site: FakeSite, second_factor: bool, code: int | None) -> None:
    site.switch(authentication_method="oxygen", two_factor=True, legacy_second_factor=second_factor)
    user = site.add_user("ada", "autodesk-password", kind="legacy")
    assert password(site, "ada", user.passphrase) == code
    assert password(site, "ada", user.passphrase, site.code("ada")) is None


def test_user_without_a_second_factor_cannot_sign_in_with_a_password(site: FakeSite) -> None:
    site.switch(two_factor=True)
    site.add_user("a", "b").has_second_factor = False
    assert password(site, "a", "b") == 106
    assert password(site, "a", "b", site.code("a")) == 102


@pytest.mark.parametrize("kind", ["autodesk", "legacy_without_passphrase", "sso"])
def test_other_sites_know_no_password_of_these_users(site: FakeSite, kind: Any) -> None:
    site.add_user("a", "right", kind=kind)
    assert [password(site, "a", secret) for secret in ("right", "wrong")] == [102, 102]


# ---- CORS --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PATH, f"{PATH}/unknown", "/internal_api/session", "/user/login"])
def test_no_route_outside_the_rest_api_has_cors_headers(site: FakeSite, path: str) -> None:
    headers = {"origin": "https://pages.example", "access-control-request-method": "POST"}
    preflight = requests.options(f"{site.url}{path}", headers=headers, timeout=10)
    assert (preflight.status_code, preflight.content) == (200, b"")
    for response in (preflight, requests.post(f"{site.url}{path}", data=FIELDS, headers=headers, timeout=10)):
        assert not [name for name in response.headers if name.lower().startswith("access-control")]
