"""Places for callers who wait for the site: how many there are, and who gets one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from urllib3.exceptions import HTTPError

from shotgrid_login.aws import AwsError
from shotgrid_login.challenges import MAX_ATTEMPTS, Challenge, OpenedChallenge
from shotgrid_login.errors import (
    ChallengeEnded,
    InvalidCredentials,
    InvalidOtp,
    SiteError,
    SiteUnavailable,
    TooManyAttempts,
)
from shotgrid_login.places import MOST_REMOVED, PLACE_SECONDS, POLLS, SIGN_INS, Kind, NoPlace, Place, Places, row_id
from shotgrid_login.sessions import SignedIn
from shotgrid_login.site import RefreshTokenRejected
from shotgrid_login.site_connection import SiteConnection
from shotgrid_login.table import Table
from shotgrid_login.user_attempts import ALL_FAILURES, History
from tests.local.in_process import InProcessAws
from tests.site.fake_site import Account
from tests.support.core import Core
from tests.support.lost_responses import SentTwice
from tests.support.template import FUNCTIONS, resources

FEW = Kind("few", 3)

AWS_FAILS = AwsError("UpdateItem", 500, {})


@pytest.fixture
def places(core: Core) -> Places:
    core.storage.state.delete(row_id(FEW))
    return core.places


def fill(core: Core) -> list[Place]:
    return [core.places.take(FEW, core.clock.now) for _ in range(FEW.limit)]


def test_caller_without_a_place_comes_back_and_takes_none(core: Core, places: Places) -> None:
    taken = fill(core)
    for _ in range(5):
        with pytest.raises(NoPlace) as caught:
            places.take(FEW, core.clock.now)
    assert isinstance(caught.value, SiteUnavailable)
    assert caught.value.retry_after == 5
    assert core.taken_places(FEW) == FEW.limit
    places.give_back(taken[1])
    places.take(FEW, core.clock.now)
    assert core.taken_places(FEW) == FEW.limit


def test_parallel_callers_never_have_more_places_than_there_are(core: Core, places: Places) -> None:
    def take(_: int) -> bool:
        try:
            places.take(FEW, core.clock.now)
        except NoPlace:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(24))) == core.taken_places(FEW) == FEW.limit  # the first callers get them


def test_kinds_have_places_of_their_own(core: Core, places: Places) -> None:
    fill(core)
    places.take(POLLS, core.clock.now)


def test_place_of_a_function_that_crashed_ends(core: Core, places: Places) -> None:
    fill(core)
    core.clock.advance(PLACE_SECONDS - 1)
    with pytest.raises(NoPlace):
        places.take(FEW, core.clock.now)
    core.clock.advance(1)
    places.give_back(places.take(FEW, core.clock.now))
    assert core.taken_places(FEW) == 0


def test_places_of_many_crashed_functions_are_removed_in_parts(core: Core, places: Places) -> None:
    for _ in range(MOST_REMOVED // FEW.limit + 1):
        fill(core)
        core.clock.advance(PLACE_SECONDS)
    places.give_back(places.take(FEW, core.clock.now))
    assert 0 < core.taken_places(FEW) < FEW.limit
    places.give_back(places.take(FEW, core.clock.now))
    assert core.taken_places(FEW) == 0


def test_caller_removes_nothing_of_others(core: Core, places: Places) -> None:
    crashed = places.take(FEW, core.clock.now)
    core.clock.advance(PLACE_SECONDS)
    finder = places.take(FEW, core.clock.now)
    other = places.take(FEW, core.clock.now)
    places.give_back(finder)
    places.give_back(crashed)
    assert core.taken_places(FEW) == 1
    places.give_back(other)
    places.give_back(other)
    assert core.taken_places(FEW) == 0


def test_place_that_is_given_back_late_writes_no_new_row(core: Core, places: Places) -> None:
    place = places.take(FEW, core.clock.now)
    row = core.storage.state.get(row_id(FEW))
    assert row is not None
    assert row["expires_at"] == core.clock.now + PLACE_SECONDS
    core.storage.state.delete(row_id(FEW))  # as DynamoDB does after this time
    places.give_back(place)
    assert core.storage.state.get(row_id(FEW)) is None


def test_repeated_writes_take_one_place(core: Core, places: Places, in_process_aws: InProcessAws) -> None:
    dynamodb: Any = SentTwice(in_process_aws.client("dynamodb"))
    repeating = Places(Table(dynamodb, "core-state"))
    place = repeating.take(FEW, core.clock.now)
    assert core.taken_places(FEW) == 1
    repeating.give_back(place)
    assert core.taken_places(FEW) == 0


@pytest.mark.parametrize("error", [SiteError("unexpected"), RefreshTokenRejected()])
def test_place_is_held_until_the_end_or_an_error(core: Core, places: Places, error: Exception) -> None:
    with places.taken(FEW, core.clock.now):
        assert core.taken_places(FEW) == 1
    assert core.taken_places(FEW) == 0
    with pytest.raises(type(error)), places.taken(FEW, core.clock.now):
        raise error
    assert core.taken_places(FEW) == 0


def test_place_is_left_to_end_if_aws_does_not_respond(core: Core, places: Places) -> None:
    with pytest.raises(HTTPError), places.taken(FEW, core.clock.now):
        raise HTTPError
    assert core.taken_places(FEW) == 1


@pytest.mark.parametrize("error", [HTTPError(), AWS_FAILS])
def test_place_that_cannot_be_given_back_fails_no_caller(core: Core, places: Places, error: Exception) -> None:
    with core.failing_writes("waiting#", "REMOVE", error), places.taken(FEW, core.clock.now):
        pass
    assert core.taken_places(FEW) == 1


def test_place_lasts_longer_than_any_function() -> None:
    timeouts = [function["Timeout"] for function in resources("AWS::Lambda::Function").values()]
    assert len(timeouts) == len(FUNCTIONS)
    assert max(timeouts) < PLACE_SECONDS  # times are whole seconds


# ---- who takes a place ----------------------------------------------------------------------------------------


def password_step(core: Core, user: Account, password: str = "") -> SignedIn | Challenge:
    return core.sign_in().with_password(user.login, password or user.password, core.address)


def code_step(core: Core, challenge: OpenedChallenge, code: str) -> SignedIn:
    return core.sign_in().with_code(challenge, code, core.address)


def all_attempts(core: Core) -> int:
    """Return how many attempts of this network count."""
    row = core.storage.state.get(f"failed#all#address#{core.hashes.network(core.address)}")
    return int(row["misses"]) if row else 0


def challenge_of(core: Core, user: Account) -> OpenedChallenge:
    result = password_step(core, user)
    assert isinstance(result, Challenge)
    return core.sign_in().open_challenge(result.text)


@contextmanager
def place_while_the_site_is_called(core: Core, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that each call of the site has one place, and that none is left."""
    taken: list[int] = []
    call = SiteConnection.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        taken.append(core.taken_places(SIGN_INS))
        return call(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(SiteConnection, "call", watched)
        yield
    assert set(taken) == {1}
    assert core.taken_places(SIGN_INS) == 0


@pytest.mark.parametrize("switches", [{}, {"two_factor": True}, {"fault": "503"}, {"user_fault": "503"}])
def test_password_step_has_a_place_until_its_end(
    core: Core, switches: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    user = core.new_user(**switches)
    with place_while_the_site_is_called(core, monkeypatch), contextlib.suppress(SiteUnavailable):
        password_step(core, user)


def test_rejected_password_gives_its_place_back(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    user = core.new_user()
    with place_while_the_site_is_called(core, monkeypatch):
        for _ in range(ALL_FAILURES):
            with pytest.raises(InvalidCredentials):
                password_step(core, user, "wrong")
        with pytest.raises(TooManyAttempts):
            password_step(core, user)


def test_code_step_has_a_place_until_its_end(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with place_while_the_site_is_called(core, monkeypatch):
        with pytest.raises(InvalidOtp):
            code_step(core, challenge, "000000")
        code_step(core, challenge, core.fake_site.code(user.login))
        with pytest.raises(ChallengeEnded):
            code_step(core, challenge, next(iter(user.backup_codes)))


def test_sign_in_without_a_place_does_not_reach_the_site_and_costs_no_attempt(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with core.without_places(SIGN_INS):
        for _ in range(ALL_FAILURES + 1):
            with pytest.raises(NoPlace):
                password_step(core, user)
            with pytest.raises(NoPlace):
                code_step(core, challenge, core.fake_site.code(user.login))
    assert core.fake_site.requests_for(user, "password") == all_attempts(core) == 1
    with pytest.raises(InvalidOtp) as caught:
        code_step(core, challenge, "000000")
    assert caught.value.attempts_left == MAX_ATTEMPTS - 1
    assert code_step(core, challenge, core.fake_site.code(user.login))


def test_sign_in_that_cannot_take_a_place_does_not_reach_the_site_and_costs_no_attempt(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with core.failing_writes("waiting#", "SET", AWS_FAILS):
        for _ in range(ALL_FAILURES + 1):
            with pytest.raises(AwsError):
                password_step(core, user)
            with pytest.raises(AwsError):
                code_step(core, challenge, core.fake_site.code(user.login))
    assert core.fake_site.requests_for(user, "password") == 1
    with pytest.raises(InvalidOtp) as caught:
        code_step(core, challenge, "000000")
    assert caught.value.attempts_left == MAX_ATTEMPTS - 1


@pytest.mark.parametrize("row", ["failed#user#", "failed#all#", "failed#address#"])
def test_sign_in_that_cannot_be_counted_leaves_no_place(core: Core, row: str) -> None:
    user = core.new_user()
    with core.failing_writes(row, "", AWS_FAILS), pytest.raises(AwsError):
        password_step(core, user)
    assert core.taken_places(SIGN_INS) == 0
    assert core.fake_site.requests_for(user, "password") == 0
    assert all_attempts(core) == 0
    assert History.from_json(core.failed_attempts.read(user.login, core.clock.now).history).attempts == ()


def test_code_step_that_cannot_give_its_place_back_ends_as_with_it(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with core.failing_writes("waiting#", "REMOVE", AWS_FAILS):
        core.fake_site.switch(user, fault="503")
        with pytest.raises(SiteUnavailable):
            code_step(core, challenge, "000000")
        core.fake_site.switch(user, fault="")
        with pytest.raises(InvalidOtp) as caught:
            code_step(core, challenge, "000000")
        assert caught.value.attempts_left == MAX_ATTEMPTS - 1
        assert code_step(core, challenge, core.fake_site.code(user.login))


def test_user_who_has_to_wait_takes_no_place(core: Core) -> None:
    user = core.new_user()
    for _ in range(ALL_FAILURES):
        with pytest.raises(InvalidCredentials):
            password_step(core, user, "wrong")
    with core.without_places(SIGN_INS), pytest.raises(TooManyAttempts):
        password_step(core, user)
