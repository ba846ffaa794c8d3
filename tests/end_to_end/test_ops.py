"""`shotgrid-login` on a deployed stack: operators find users in its logs, and end their sessions."""

from __future__ import annotations

import json

from tests.support.client import PAGE, Gateway, session_row
from tests.support.ops import Operator


def test_operator_finds_a_user_in_the_logs_and_ends_the_session(gateway: Gateway) -> None:
    operator, user = Operator(gateway.aws), gateway.new_user()
    page, other = gateway.caller(origin=PAGE), gateway.caller(origin=PAGE)
    signed_in, kept = page.signed_in(user).body, other.signed_in(gateway.new_user()).body

    user_hash = operator.run("user-hash", user.login.upper()).out.strip()
    found = gateway.aws.client("logs").filter_log_events(
        logGroupName=gateway.log_group("Password"), filterPattern=f'"{user_hash}"'
    )
    (line,) = (json.loads(event["message"]) for event in found["events"] if event["message"].startswith("{"))
    assert (line["message"], line["user"]) == ("signed_in", user_hash)

    listed = operator.run("sessions", "list", "--user", user.login)
    assert (listed.code, listed.err) == (0, "")
    assert user.name in listed.out
    assert "1 session of 1 user." in listed.out

    ended = operator.run("sessions", "end", "--user", user.email)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Ended 1 session of 1 user.\n")
    assert page.session(signed_in["api_token"]).status == 401
    refreshed = page.refresh(signed_in["refresh_token"])
    assert (refreshed.status, refreshed.code) == (401, "session_ended")
    assert gateway.bearers_of(signed_in["refresh_token"]) == []

    assert other.session(kept["api_token"]).status == 200
    assert gateway.state.get(session_row(kept["refresh_token"]))
