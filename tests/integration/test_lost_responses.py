"""Writes that the SDK repeats because their response was lost: nothing breaks, and no user is signed out."""

from __future__ import annotations

import time
from typing import Any

import pytest

from shotgrid_login.app_session_launcher import AppSessionLauncher
from shotgrid_login.approvals import Approvals
from shotgrid_login.bearers import Bearers
from shotgrid_login.browser_sign_in import BrowserSignIn, Pending, Started
from shotgrid_login.challenges import Challenge, Challenges
from shotgrid_login.configuration import StartSettings
from shotgrid_login.errors import ApprovalEnded, ChallengeEnded, SessionEnded
from shotgrid_login.failed_attempts import FailedAttempts
from shotgrid_login.hashes import Hashes
from shotgrid_login.places import Places
from shotgrid_login.refresh import Refresh
from shotgrid_login.sealing import Sealer
from shotgrid_login.sessions import Sessions, SignedIn
from shotgrid_login.sign_in import SignIn
from shotgrid_login.site import Site
from shotgrid_login.table import Table
from tests.support.client import Gateway
from tests.support.lost_responses import SentTwice


class Flows:
    """Sign-in and refresh with a DynamoDB client whose first response to each write is lost."""

    def __init__(self, gateway: Gateway) -> None:
        dynamodb: Any = SentTwice(gateway.aws.client("dynamodb"))
        state = Table(dynamodb, gateway.outputs["StateTable"])
        sealer = Sealer(gateway.aws.client("kms"), gateway.outputs["KeyArn"])
        hashes = Hashes(gateway.aws.client("kms"), gateway.outputs["HashKeyArn"])
        failed_attempts = FailedAttempts(state, hashes)
        self.now = time.time()
        self.site = Site(gateway.site.url)
        self.bearers = Bearers(Table(dynamodb, gateway.outputs["BearersTable"]))
        self.sessions = Sessions(state, self.bearers, sealer, 43_200, 7_200)
        self.sign_in = SignIn(
            self.site, Challenges(state, sealer, hashes), self.sessions, failed_attempts, hashes, self.seconds
        )
        self.browser_sign_in = BrowserSignIn(
            self.site,
            AppSessionLauncher(self.site.connection),
            Approvals(state, sealer),
            self.sessions,
            failed_attempts,
            hashes,
            Places(state),
            offers_it=True,
            seconds=self.seconds,
        )
        self.refresh = Refresh(self.site, self.sessions, Places(state), self.seconds, self.pause)

    def seconds(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def flows(gateway: Gateway) -> Flows:
    return Flows(gateway)


def test_sign_in_with_a_code_creates_one_session(gateway: Gateway, flows: Flows) -> None:
    user = gateway.new_user(two_factor=True)
    challenge = flows.sign_in.with_password(user.login, user.password, "192.0.2.1")
    assert isinstance(challenge, Challenge)
    first, second = user.backup_codes
    signed_in = flows.sign_in.with_code(challenge.text, first, "192.0.2.1")
    assert len(gateway.bearers_of(str(signed_in.handle))) == 1
    with pytest.raises(ChallengeEnded):
        flows.sign_in.with_code(challenge.text, second, "192.0.2.1")


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_refresh_keeps_the_bearer_that_it_returns(gateway: Gateway, flows: Flows, retires_refresh_tokens: bool) -> None:
    user = gateway.new_user(retires_refresh_tokens=retires_refresh_tokens)
    signed_in = flows.sign_in.with_password(user.login, user.password, "192.0.2.1")
    assert isinstance(signed_in, SignedIn)
    for _ in range(3):
        flows.now = signed_in.session.fresh_until + 1
        signed_in = flows.refresh.refresh(signed_in.handle)
        ids = {row["id"]["S"] for row in gateway.bearers_of(str(signed_in.handle))}
        assert set(signed_in.session.bearers) <= ids
        assert gateway.caller().session(signed_in.api_token).status == 200
    assert gateway.site.requests_for(user, "refresh_token") == 3


def test_sign_out_leaves_no_bearer(gateway: Gateway, flows: Flows) -> None:
    user = gateway.new_user()
    signed_in = flows.sign_in.with_password(user.login, user.password, "192.0.2.1")
    assert isinstance(signed_in, SignedIn)
    flows.sessions.sign_out(signed_in.handle)
    assert gateway.bearers_of(str(signed_in.handle)) == []
    with pytest.raises(SessionEnded):
        flows.refresh.refresh(signed_in.handle)


def start(flows: Flows) -> Started:
    return flows.browser_sign_in.start(
        StartSettings("Studio pages"),
        page_host="pages.studio.example",
        user_agent="",
        source_address="192.0.2.1",
        browser="",
        transport="token",
    )


def test_sign_in_in_the_browser_creates_one_session(gateway: Gateway, flows: Flows) -> None:
    started = start(flows)
    challenge = flows.browser_sign_in.open_challenge(started.challenge, "")
    assert isinstance(flows.browser_sign_in.finish(challenge), Pending)
    gateway.site.approve(started.approval_url, gateway.new_user())
    flows.pause(5)
    signed_in = flows.browser_sign_in.finish(challenge)
    assert isinstance(signed_in, SignedIn)
    assert flows.browser_sign_in.finish(challenge) == signed_in
    assert len(gateway.bearers_of(str(signed_in.handle))) == 1


def test_declined_sign_in_in_the_browser_has_ended(gateway: Gateway, flows: Flows) -> None:
    started = start(flows)
    gateway.site.decline(started.approval_url)
    with pytest.raises(ApprovalEnded):
        flows.browser_sign_in.finish(flows.browser_sign_in.open_challenge(started.challenge, ""))


def test_end_of_a_rotated_session_deletes_the_new_bearer(gateway: Gateway) -> None:
    # The second delete finds no row, so its response does not have the bearers of the deleted one.
    flows = Flows(gateway)
    user = gateway.new_user()
    first = flows.sign_in.with_password(user.login, user.password, "192.0.2.77")
    assert isinstance(first, SignedIn)
    flows.now += 560
    second = flows.refresh.refresh(first.handle)
    flows.sessions.end(first.session)
    assert flows.bearers.find(second.api_token, int(flows.now)) is None
    with pytest.raises(SessionEnded):
        flows.sessions.find(first.session.session_id, int(flows.now))
