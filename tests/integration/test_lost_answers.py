"""Writes whose response was lost, so that the SDK sends them a second time: nothing breaks and nobody is signed out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shotgrid_login.challenges import Challenges
from shotgrid_login.errors import ChallengeEnded, SessionEnded
from shotgrid_login.failed_attempts import FailedAttempts
from shotgrid_login.refresh import Refresh
from shotgrid_login.sealing import Sealer
from shotgrid_login.sessions import Sessions
from shotgrid_login.sign_in import SignIn
from shotgrid_login.site import Site
from shotgrid_login.table import Table
from tests.support.client import Gateway


class SentTwice:
    """A DynamoDB client whose every write arrives twice; the caller hears of the second time only."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._dynamodb, operation)
        if operation == "get_item":
            return call

        def twice(**request: Any) -> Any:
            with contextlib.suppress(ClientError):
                call(**request)
            return call(**request)

        return twice


class Pieces:
    """The flows over a connection to DynamoDB that loses the first response to each write."""

    def __init__(self, gateway: Gateway) -> None:
        dynamodb: Any = SentTwice(gateway.aws.client("dynamodb"))
        state = Table(dynamodb, gateway.outputs["StateTable"])
        sealer = Sealer(gateway.aws.client("kms"), gateway.outputs["KeyArn"])
        self.now = time.time()
        self.site = Site(gateway.site.url)
        self.sessions = Sessions(state, Table(dynamodb, gateway.outputs["BearersTable"]), sealer, 43_200, 7_200)
        self.sign_in = SignIn(self.site, Challenges(state, sealer), self.sessions, FailedAttempts(state), self.seconds)
        self.refresh = Refresh(self.site, self.sessions, self.seconds, self.pause)

    def seconds(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def pieces(gateway: Gateway) -> Pieces:
    return Pieces(gateway)


def test_signing_in_with_a_code_makes_one_session(gateway: Gateway, pieces: Pieces) -> None:
    user = gateway.new_user(two_factor=True)
    challenge = pieces.sign_in.with_password(user.login, user.password, "192.0.2.1")
    assert isinstance(challenge, str)
    opened = pieces.sign_in.open_challenge(challenge)
    first, second = user.backup_codes
    signed_in = pieces.sign_in.with_code(opened, first, "192.0.2.1")
    assert len(gateway.bearers_of(str(signed_in.handle))) == 1
    with pytest.raises(ChallengeEnded):
        pieces.sign_in.with_code(opened, second, "192.0.2.1")


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_a_refresh_keeps_the_bearer_it_hands_out(
    gateway: Gateway, pieces: Pieces, retires_refresh_tokens: bool
) -> None:
    user = gateway.new_user(retires_refresh_tokens=retires_refresh_tokens)
    signed_in = pieces.sign_in.with_password(user.login, user.password, "192.0.2.1")
    assert not isinstance(signed_in, str)
    for _ in range(3):
        pieces.now = signed_in.session.fresh_until + 1
        signed_in = pieces.refresh.refresh(signed_in.handle)
        ids = {row["id"]["S"] for row in gateway.bearers_of(str(signed_in.handle))}
        assert set(signed_in.session.bearers) <= ids
        assert gateway.caller().session(signed_in.access_token).status == 200
    assert gateway.site.requests_for(user, "refresh_token") == 3


def test_signing_out_leaves_no_bearer(gateway: Gateway, pieces: Pieces) -> None:
    user = gateway.new_user()
    signed_in = pieces.sign_in.with_password(user.login, user.password, "192.0.2.1")
    assert not isinstance(signed_in, str)
    pieces.sessions.sign_out(signed_in.handle, int(pieces.now))
    assert gateway.bearers_of(str(signed_in.handle)) == []
    with pytest.raises(SessionEnded):
        pieces.refresh.refresh(signed_in.handle)
