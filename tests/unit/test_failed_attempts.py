"""Limits on attempts to sign in, with a clock of the test."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.failed_attempts import ALL_BY_NETWORK, ALL_BY_USER_AND_NETWORK, Attempt
from tests.support.core import Core


def new_name() -> str:
    return f"artist_{secrets.token_hex(4)}"


def new_address() -> str:
    return "10." + ".".join(str(secrets.randbelow(256)) for _ in range(3))


def count(core: Core, username: str, address: str) -> Attempt:
    return core.failed_attempts.count(username, address, core.clock.now)


def preset(core: Core, row_id: str, attempts: int) -> None:
    """Set the number of counted attempts, so that a test need not make them."""
    core.storage.state.update(row_id, "SET misses = :attempts", "attribute_exists(id)", {"attempts": attempts})


def wait_for(core: Core, username: str, address: str) -> int:
    """Return the seconds that the next attempt has to wait."""
    with pytest.raises(TooManyAttempts) as caught:
        count(core, username, address)
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def test_after_five_failed_attempts_each_wait_doubles_up_to_fifteen_minutes(core: Core) -> None:
    name, address = new_name(), new_address()
    for _ in range(5):
        count(core, name, address)
    waits = []
    for _ in range(7):
        count(core, name, address)
        waits.append(wait_for(core, name, address))
        core.clock.advance(waits[-1])
    assert waits == [30, 60, 120, 240, 480, 900, 900]


def test_attempt_that_has_to_wait_is_not_counted(core: Core) -> None:
    name, address = new_name(), new_address()
    for _ in range(6):
        attempt = count(core, name, address)
    before = [core.storage.state.get(row_id) for row_id in vars(attempt).values()]
    for _ in range(3):
        wait_for(core, name, address)
    assert [core.storage.state.get(row_id) for row_id in vars(attempt).values()] == before


def test_failed_attempts_from_one_network_do_not_block_the_user_elsewhere(core: Core) -> None:
    name, address = new_name(), new_address()
    for _ in range(6):
        count(core, name, address)
    assert wait_for(core, name, address) == 30
    count(core, name, new_address())


def test_failed_attempts_of_a_user_do_not_block_others_at_the_same_address(core: Core) -> None:
    name, address = new_name(), new_address()
    for _ in range(6):
        count(core, name, address)
    count(core, new_name(), address)


def test_failed_attempts_of_a_user_from_many_networks_wait_at_most_five_minutes(core: Core) -> None:
    name = new_name()
    preset(core, count(core, name, new_address()).failed_by_user, 50)
    waits = []
    for _ in range(6):
        count(core, name, new_address())
        waits.append(wait_for(core, name, new_address()))
        core.clock.advance(waits[-1])
    assert waits == [30, 60, 120, 240, 300, 300]


def test_failed_attempts_of_many_users_block_their_network_and_no_other(core: Core) -> None:
    address = new_address()
    preset(core, count(core, new_name(), address).failed_by_network, 50)
    count(core, new_name(), address)
    name = new_name()
    assert wait_for(core, name, address) == 30
    assert core.storage.state.get(Attempt.of(core.hashes.user(name), core.hashes.network(address)).failed_by_user) == {
        "id": Attempt.of(core.hashes.user(name), core.hashes.network(address)).failed_by_user,
        "misses": 0,
        "expires_at": core.clock.now + 24 * 3600,
    }
    count(core, name, new_address())
    core.clock.advance(3600)
    count(core, name, address)


def test_success_forgets_the_users_failed_attempts_and_uncounts_the_networks(core: Core) -> None:
    name, address = new_name(), new_address()
    for _ in range(4):
        attempt = count(core, name, address)
    core.failed_attempts.succeeded(attempt)
    assert core.storage.state.get(attempt.failed_by_user_and_network) is None
    assert core.storage.state.get(attempt.failed_by_user) is None
    row = core.storage.state.get(attempt.failed_by_network)
    assert row is not None
    assert row["misses"] == 3


def test_failed_attempts_are_forgotten_a_day_after_the_first(core: Core) -> None:
    name, address = new_name(), new_address()
    for _ in range(5):
        count(core, name, address)
        core.clock.advance(60)
    core.clock.advance(24 * 3600 - 5 * 60 - 1)
    count(core, name, address)
    assert wait_for(core, name, address) == 30
    core.clock.advance(1)  # a day after the first attempt: the wait is forgotten too
    for _ in range(5):
        count(core, name, address)


def test_forgiven_attempts_do_not_count_as_failed(core: Core) -> None:
    name, address = new_name(), new_address()
    for _ in range(6):
        core.failed_attempts.forgive(count(core, name, address))
    for _ in range(5):
        count(core, name, address)


def test_forgiven_attempts_of_a_user_are_limited_to_sixty_in_five_minutes(core: Core) -> None:
    name, address = new_name(), new_address()
    attempt = count(core, name, address)
    core.failed_attempts.forgive(attempt)
    preset(core, attempt.all_by_user_and_network, 60)
    core.failed_attempts.forgive(count(core, name, address))
    assert wait_for(core, name, address) == 30
    count(core, name, new_address())
    core.clock.advance(5 * 60)
    core.failed_attempts.forgive(count(core, name, address))
    count(core, name, address)


def test_forgiven_attempts_of_a_network_are_limited(core: Core) -> None:
    address = new_address()
    preset(core, count(core, new_name(), address).all_by_network, ALL_BY_NETWORK.free)
    core.failed_attempts.forgive(count(core, new_name(), address))
    assert wait_for(core, new_name(), address) == 30
    count(core, new_name(), new_address())


def test_limit_of_all_attempts_is_at_least_sixty_per_network_in_five_minutes() -> None:
    for limit in (ALL_BY_USER_AND_NETWORK, ALL_BY_NETWORK):
        assert limit.free >= 60
        assert limit.memory <= 5 * 60


def test_letter_case_and_outer_spaces_of_a_user_name_do_not_matter(core: Core) -> None:
    name, address = new_name(), new_address()
    for spelling in (name, name.upper(), f" {name}", name.title(), f"{name}\t", name):
        count(core, spelling, address)
    assert wait_for(core, name, address) == 30


def test_addresses_of_one_ipv6_network_count_together(core: Core) -> None:
    name, network = new_name(), f"2001:db8:{secrets.randbelow(0xFFFF):x}:2"
    for host in range(6):
        count(core, name, f"{network}:{host}::1")
    assert wait_for(core, name, f"{network}::9") == 30
    count(core, name, f"{network}f::9")


def test_source_address_that_is_not_an_address_is_counted(core: Core) -> None:
    address = f"test-invoke-source-ip-{secrets.token_hex(4)}"
    name = new_name()
    for _ in range(6):
        count(core, name, address)
    assert wait_for(core, name, address) == 30


def test_parallel_attempts_are_all_counted(core: Core) -> None:
    name, address = new_name(), new_address()

    def attempt(_: int) -> bool:
        try:
            count(core, name, address)
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        allowed = sum(pool.map(attempt, range(24)))
    assert 5 <= allowed <= 6  # five without a wait, and at most one that starts the first wait
