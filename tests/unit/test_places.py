"""Places for callers who wait for the site: how many there are, and who gets one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from urllib3.exceptions import HTTPError

from shotgrid_login.errors import (
    SiteError,
    SiteUnavailable,
)
from shotgrid_login.places import MOST_REMOVED, PLACE_SECONDS, POLLS, Kind, NoPlace, Place, Places, row_id
from shotgrid_login.site import RefreshTokenRejected
from shotgrid_login.table import Table
from tests.local.in_process import InProcessAws
from tests.support.core import AWS_FAILS, Core
from tests.support.lost_responses import SentTwice
from tests.support.template import FUNCTIONS, resources

FEW = Kind("few", 3)


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
