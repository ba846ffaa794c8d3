"""Sessions: rows, handles, leases and bearers, with a clock of the test."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jwt
import pytest

from shotgrid_login.bearers import Bearer, bearer_id
from shotgrid_login.errors import SessionEnded, SessionUnreadable, SiteError
from shotgrid_login.sessions import GRACE_SECONDS, IDLE_RESOLUTION, MAX_WAITERS, Handle, HandleState, Session, SignedIn
from shotgrid_login.site import Tokens
from shotgrid_login.table import Row
from shotgrid_login.users import User
from tests.support.core import IDLE_SECONDS, SESSION_SECONDS, Core

USER = User("HumanUser", 24, "a_username", "Ann Username", "ann@studio.example", "Artist")


def tokens(core: Core, *, lifetime: int = 24 * 3600, expires_in: int = 600) -> Tokens:
    """Return new tokens, whose refresh token expires after `lifetime` seconds."""
    claims = {"exp": core.clock.now + lifetime, "jti": secrets.token_hex(8)}
    refresh_token = jwt.encode(claims, "the-key-of-the-site-that-only-the-site-has")
    return Tokens(f"access-{secrets.token_hex(8)}", refresh_token, expires_in)


def start(core: Core, user: User = USER, **claims: int) -> SignedIn:
    new = core.sessions.prepare(tokens(core, **claims), core.clock.now)
    return core.sessions.start(new, user, core.clock.now, user_hash="0123456789abcdef")


def try_to_rotate(core: Core, signed_in: SignedIn, user: User | None = None) -> SignedIn | None:
    now = core.clock.now
    return core.sessions.rotate(signed_in.session, signed_in.handle, user, tokens(core), now, now)


def rotate(core: Core, signed_in: SignedIn) -> SignedIn:
    rotated = try_to_rotate(core, signed_in)
    assert rotated is not None
    return rotated


def has_bearer(core: Core, signed_in: SignedIn) -> bool:
    return core.bearers.find(signed_in.api_token, core.clock.now) is not None


def made_up(session_id: str) -> Handle:
    """Return a handle that no session has issued."""
    return Handle.issue(session_id, secrets.token_bytes(32), secrets.token_bytes(32))


def state(core: Core, handle: Handle) -> HandleState:
    session = core.sessions.find(handle.session_id, core.clock.now)
    return core.sessions.recognize(handle, session, core.clock.now)[0]


def confirm(core: Core, signed_in: SignedIn) -> None:
    """Note that the page has received its handle, as its next refresh does."""
    core.sessions.note_use(signed_in.session, core.clock.now, confirms=True)


# ---- rows of the state table ---------------------------------------------------------------------------------


def test_new_session_is_found_with_its_user_and_limits(core: Core) -> None:
    signed_in = start(core)
    found = core.sessions.find(signed_in.handle.session_id, core.clock.now)
    assert found == signed_in.session
    assert found.user == USER
    assert found.expires_at == core.clock.now + SESSION_SECONDS
    assert found.idle_expires_at == core.clock.now + IDLE_SECONDS
    assert found.access_expires_at == core.clock.now + 600
    assert found.fresh_until == core.clock.now + 540


def test_row_has_no_token_and_no_secret_in_the_clear(core: Core) -> None:
    new_tokens = tokens(core)
    signed_in = core.sessions.start(
        core.sessions.prepare(new_tokens, core.clock.now), USER, core.clock.now, user_hash="0123456789abcdef"
    )
    row = repr(core.session_row(signed_in))
    secret_texts = (new_tokens.access_token, new_tokens.refresh_token, signed_in.api_token, str(signed_in.handle)[23:])
    for secret in secret_texts:
        assert secret not in row
    assert repr(signed_in.handle.secret)[2:-1] not in row
    assert core.session_row(signed_in)["expires_at"] == signed_in.session.expires_at  # time to live


def test_repr_has_no_secret(core: Core) -> None:
    signed_in = start(core)
    opened = core.sessions.recognize(signed_in.handle, signed_in.session, core.clock.now)[1]
    shown = repr(signed_in) + repr(opened)
    for secret in (signed_in.access_token, signed_in.api_token, opened.refresh_token, str(signed_in.handle)[23:]):
        assert secret not in shown
    assert "secret=" not in shown


@pytest.mark.parametrize("limit", [SESSION_SECONDS, IDLE_SECONDS])
def test_session_ends_at_its_limits(core: Core, limit: int) -> None:
    signed_in = start(core)
    if limit == SESSION_SECONDS:
        row = {"idle": core.clock.now + 2 * SESSION_SECONDS}
        row_id = f"session#{signed_in.session.session_id}"
        core.storage.state.update(row_id, "SET idle_expires_at = :idle", "attribute_exists(id)", row)
    core.clock.now += limit - 1
    assert core.sessions.find(signed_in.session.session_id, core.clock.now)
    core.clock.now += 1
    with pytest.raises(SessionEnded):
        core.sessions.find(signed_in.session.session_id, core.clock.now)


def test_expiry_of_the_sites_refresh_token_ends_the_session_earlier(core: Core) -> None:
    session = start(core, lifetime=1800).session
    assert session.expires_at == session.idle_expires_at == core.clock.now + 1800


def test_access_token_does_not_outlive_the_session(core: Core) -> None:
    session = start(core, lifetime=45).session
    assert session.access_expires_at == session.fresh_until == core.clock.now + 45


@pytest.mark.parametrize(("expires_in", "fresh"), [(600, 540), (120, 60), (119, 60), (60, 30), (1, 1)])
def test_short_lived_access_token_is_fresh_for_half_of_its_life(core: Core, expires_in: int, fresh: int) -> None:
    assert start(core, expires_in=expires_in).session.fresh_until - core.clock.now == fresh


def test_tokens_above_4_kb_can_be_sealed_also_if_they_grow_at_a_refresh(core: Core) -> None:
    large = Tokens("a" * 3000, "r" * 3000, 600)
    first = core.sessions.start(core.sessions.prepare(large, core.clock.now), USER, core.clock.now, user_hash="")
    opened = core.sessions.recognize(first.handle, first.session, core.clock.now)[1]
    assert (opened.access_token, opened.refresh_token) == (large.access_token, large.refresh_token)
    small = start(core)
    grown = core.sessions.rotate(small.session, small.handle, None, large, core.clock.now, core.clock.now)
    assert grown is not None
    assert core.sessions.recognize(grown.handle, grown.session, core.clock.now)[1].access_token == large.access_token


def test_tokens_that_are_too_large_to_seal_are_a_site_error(core: Core) -> None:
    huge = Tokens("a" * 60_000, "r" * 60_000, 600)
    with pytest.raises(SiteError):
        core.sessions.prepare(huge, core.clock.now)
    first = start(core)
    with pytest.raises(SiteError):
        core.sessions.rotate(first.session, first.handle, None, huge, core.clock.now, core.clock.now)


def test_session_of_a_version_without_names_can_be_read(core: Core) -> None:
    signed_in = start(core)
    row_id = f"session#{signed_in.session.session_id}"
    row = {
        name: value
        for name, value in core.session_row(signed_in).items()
        if name not in ("name", "email", "permission_group")
    }
    core.storage.state.put(row)
    assert core.sessions.find(signed_in.session.session_id, core.clock.now).user == User("HumanUser", 24, "a_username")
    assert core.storage.state.get(row_id) == row


def test_sealed_value_moved_to_another_session_cannot_be_opened(core: Core) -> None:
    victim, attacker = start(core), start(core)
    core.storage.state.update(
        f"session#{attacker.session.session_id}",
        "SET sealed = :sealed",
        "attribute_exists(id)",
        {"sealed": victim.session.sealed},
    )
    moved = core.sessions.find(attacker.session.session_id, core.clock.now)
    with pytest.raises(SessionUnreadable):
        core.sessions.recognize(attacker.handle, moved, core.clock.now)


# ---- handles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "nonsense", "a.b", "A" * 22 + "." + "A" * 42, "A" * 22 + "." + "A" * 44, "ä" * 66]
)
def test_text_that_is_not_a_handle_is_an_ended_session(text: str) -> None:
    with pytest.raises(SessionEnded):
        Handle.parse(text)


def test_handle_is_parsed_from_its_text(core: Core) -> None:
    handle = start(core).handle
    assert Handle.parse(str(handle)) == handle


def test_other_spelling_of_a_handle_is_not_a_handle(core: Core) -> None:
    text = str(start(core).handle)
    # The last character has two bits that base64 ignores.
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = text[:-1] + letters[letters.index(text[-1]) + 1]
    with pytest.raises(SessionEnded):
        Handle.parse(other)


def test_handle_that_rotated_works_in_its_grace_period_and_counts_as_replayed_after(core: Core) -> None:
    first = start(core)
    second = rotate(core, first)
    confirm(core, second)
    assert state(core, second.handle) is HandleState.CURRENT
    core.clock.advance(GRACE_SECONDS)
    assert state(core, first.handle) is HandleState.PREVIOUS
    core.clock.advance(1)
    assert state(core, first.handle) is HandleState.REPLAYED


def test_grace_period_outlasts_the_calls_of_a_page() -> None:
    # Three calls of 35 s, with pauses of 5 s (`shotgrid-login.js`).
    assert GRACE_SECONDS > 3 * 35 + 2 * 5


def test_handle_that_rotated_works_until_its_successor_is_used(core: Core) -> None:
    first = start(core)
    second = rotate(core, first)  # the response is lost
    core.clock.advance(IDLE_SECONDS - 1)
    assert state(core, first.handle) is HandleState.PREVIOUS
    confirm(core, second)
    assert state(core, first.handle) is HandleState.REPLAYED


def test_older_handle_counts_as_replayed_at_once(core: Core) -> None:
    first = start(core)
    rotate(core, rotate(core, first))
    assert state(core, first.handle) is HandleState.REPLAYED


def test_previous_handle_gets_siblings_of_which_one_can_rotate(core: Core) -> None:
    first = start(core)
    second = rotate(core, first)
    opened = core.sessions.recognize(first.handle, second.session, core.clock.now)[1]
    sibling = core.sessions.result(second.session, first.handle, HandleState.PREVIOUS, opened)
    assert (sibling.access_token, sibling.api_token) == (second.access_token, second.api_token)
    assert sibling.handle != second.handle
    assert state(core, sibling.handle) is state(core, second.handle) is HandleState.CURRENT
    third = rotate(core, sibling)
    assert state(core, third.handle) is HandleState.CURRENT
    assert state(core, sibling.handle) is HandleState.PREVIOUS
    assert state(core, second.handle) is HandleState.REPLAYED


def test_handle_that_was_never_issued_is_told_apart_without_a_kms_call(core: Core) -> None:
    signed_in = start(core)
    core.storage.state.update(
        f"session#{signed_in.session.session_id}", "SET sealed = :none", "attribute_exists(id)", {"none": b"none"}
    )
    with pytest.raises(SessionEnded) as caught:
        state(core, made_up(signed_in.session.session_id))
    assert type(caught.value) is SessionEnded
    with pytest.raises(SessionUnreadable):
        state(core, signed_in.handle)


def test_handle_made_with_the_key_in_the_row_is_not_valid(core: Core) -> None:
    signed_in = start(core)
    key = core.session_row(signed_in)["handle_key"]
    forged = Handle.issue(signed_in.session.session_id, key, key)
    assert state(core, forged) is HandleState.REPLAYED


@pytest.mark.parametrize("attribute", ["previous_hash", "secret_hash"])
def test_caller_who_can_write_the_table_gets_no_valid_handle(core: Core, attribute: str) -> None:
    signed_in = start(core)
    own = made_up(signed_in.session.session_id)
    planted = {attribute: own.hash, "previous_until": core.clock.now + 600, "confirmed": 0}
    core.storage.state.put(core.session_row(signed_in) | planted)
    assert state(core, own) is HandleState.REPLAYED


def test_handle_of_another_session_counts_as_never_issued(core: Core) -> None:
    first, other = start(core), start(core)
    rotate(core, first)
    with pytest.raises(SessionEnded):
        state(core, Handle(other.session.session_id, first.handle.secret))


# ---- activity ------------------------------------------------------------------------------------------------


def test_activity_moves_the_idle_limit(core: Core) -> None:
    signed_in = start(core)
    core.clock.advance(IDLE_SECONDS - 1)
    moved = core.sessions.note_use(signed_in.session, core.clock.now, confirms=False)
    assert moved.idle_expires_at == core.clock.now + IDLE_SECONDS
    core.clock.advance(IDLE_SECONDS - 1)
    assert core.sessions.find(signed_in.session.session_id, core.clock.now) == moved


def test_activity_within_a_minute_writes_nothing(core: Core) -> None:
    signed_in = start(core)
    core.clock.advance(IDLE_RESOLUTION)
    assert core.sessions.note_use(signed_in.session, core.clock.now, confirms=False) is signed_in.session


def test_activity_never_moves_the_idle_limit_back(core: Core) -> None:
    signed_in = start(core)
    newer = core.sessions.note_use(signed_in.session, core.clock.now + 600, confirms=False)
    later = core.sessions.note_use(newer, core.clock.now + 300, confirms=True)
    assert later.idle_expires_at == newer.idle_expires_at


def test_late_caller_does_not_take_back_that_a_generation_was_used(core: Core) -> None:
    first = start(core)
    read_before = rotate(core, first).session
    core.sessions.note_use(read_before, core.clock.now, confirms=True)
    core.clock.advance(GRACE_SECONDS + 1)
    assert core.sessions.note_use(read_before, core.clock.now, confirms=False).is_confirmed
    assert state(core, first.handle) is HandleState.REPLAYED


def test_activity_is_not_noted_in_a_session_that_was_rotated_since_it_was_read(core: Core) -> None:
    first = start(core)
    second = rotate(core, first)
    noted = core.sessions.note_use(first.session, core.clock.now, confirms=True)
    assert noted == second.session
    assert not noted.is_confirmed


def test_activity_of_an_ended_session_does_not_bring_it_back(core: Core) -> None:
    signed_in = start(core)
    core.sessions.end(signed_in.session)
    core.clock.advance(3600)
    with pytest.raises(SessionEnded):
        core.sessions.note_use(signed_in.session, core.clock.now, confirms=False)
    assert not core.has_session(signed_in)


# ---- leases --------------------------------------------------------------------------------------------------


def test_parallel_callers_get_one_lease(core: Core) -> None:
    session = start(core).session
    until = core.clock.now + 20
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda _: core.sessions.take_lease(session, until, core.clock.now), range(8)))
    assert sum(lease is not None for lease in leases) == 1


def test_expired_lease_can_be_taken_by_another_caller(core: Core) -> None:
    session = start(core).session
    assert core.sessions.take_lease(session, core.clock.now + 20, core.clock.now)
    core.clock.advance(19)
    assert core.sessions.take_lease(session, core.clock.now + 20, core.clock.now) is None
    core.clock.advance(1)
    assert core.sessions.take_lease(session, core.clock.now + 20, core.clock.now)


def test_no_lease_is_given_for_an_old_version_of_a_session(core: Core) -> None:
    first = start(core)
    rotate(core, first)
    assert core.sessions.take_lease(first.session, core.clock.now + 20, core.clock.now) is None


def test_no_lease_is_given_for_an_ended_session(core: Core) -> None:
    signed_in = start(core)
    core.sessions.end(signed_in.session)
    assert core.sessions.take_lease(signed_in.session, core.clock.now + 20, core.clock.now) is None
    assert not core.has_session(signed_in)


def test_lease_is_released_only_by_its_holder(core: Core) -> None:
    signed_in = start(core)
    leased = core.sessions.take_lease(signed_in.session, core.clock.now + 20, core.clock.now)
    assert leased
    core.sessions.release_lease(replace(leased, lease="another lease"))
    assert core.session_row(signed_in)["lease"] == leased.lease
    core.sessions.release_lease(leased)
    assert core.session_row(signed_in)["lease"] == ""


def test_a_few_callers_can_wait_for_each_lease(core: Core) -> None:
    signed_in = start(core)
    now = core.clock.now
    for _ in range(2):
        leased = core.sessions.take_lease(signed_in.session, now + 20, now)
        assert leased
        with ThreadPoolExecutor(8) as pool:
            joined = list(pool.map(core.sessions.join_waiters, [leased] * 8))
        assert sum(joined) == MAX_WAITERS
        core.sessions.release_lease(leased)
        assert core.sessions.join_waiters(leased)  # the lease is over, so there is nothing to wait for


def test_waiting_for_a_lease_that_is_over_changes_nothing(core: Core) -> None:
    first = start(core)
    leased = core.sessions.take_lease(first.session, core.clock.now + 20, core.clock.now)
    assert leased
    second = rotate(core, first)
    before = core.session_row(second)
    assert core.sessions.join_waiters(leased)
    assert core.session_row(second) == before
    core.sessions.end(second.session)
    assert core.sessions.join_waiters(leased)
    assert not core.has_session(second)


# ---- rotation ------------------------------------------------------------------------------------------------


def test_rotation_keeps_the_absolute_limit_and_the_previous_bearer(core: Core) -> None:
    first = start(core)
    core.expire_access_token()
    second = rotate(core, first)
    assert second.session.expires_at == first.session.expires_at
    assert has_bearer(core, first)  # it is valid for another minute, and another tab may use it
    assert has_bearer(core, second)
    found = core.sessions.find(first.session.session_id, core.clock.now)
    current, opened = core.sessions.recognize(second.handle, found, core.clock.now)
    assert current is HandleState.CURRENT
    assert (opened.access_token, opened.api_token) == (second.access_token, second.api_token)


def test_rotation_of_a_fresh_token_deletes_its_bearer(core: Core) -> None:
    first = start(core)
    second = rotate(core, first)  # the site has rejected a token that was still fresh
    assert not has_bearer(core, first)
    assert has_bearer(core, second)


def test_rotation_of_a_fresh_token_keeps_a_working_bearer_if_the_function_crashes(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(core)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(core.storage.state, "put", crash)
        with pytest.raises(KeyboardInterrupt):
            try_to_rotate(core, first)
    assert has_bearer(core, first)


def test_bearer_that_the_row_no_longer_lists_is_deleted(core: Core) -> None:
    # The site has shortened the life of its tokens, so the first bearer would outlive the third one.
    first = start(core, expires_in=3600)
    core.clock.advance(3541)
    now = core.clock.now
    second = core.sessions.rotate(first.session, first.handle, None, tokens(core, expires_in=60), now, now)
    assert second is not None
    assert has_bearer(core, first)
    core.clock.advance(31)
    third = rotate(core, second)
    assert not has_bearer(core, first)
    assert core.bearers_of(first) == set(third.session.bearers)


def test_rotation_counts_from_when_the_site_was_called_and_the_grace_period_from_when_it_responded(core: Core) -> None:
    first = start(core)
    core.expire_access_token()
    requested_at = core.clock.now
    core.clock.advance(13)
    new = tokens(core)
    second = core.sessions.rotate(first.session, first.handle, None, new, requested_at, core.clock.now)
    assert second is not None
    assert second.session.access_expires_at == requested_at + 600
    assert second.session.previous_until == core.clock.now + GRACE_SECONDS
    assert second.session.user_hash == first.session.user_hash != ""
    # The token was fresh when the site was called, and is not any more: the site has rejected it.
    third = start(core)
    requested_at = third.session.fresh_until - 1
    core.clock.now = requested_at + 13
    assert core.sessions.rotate(third.session, third.handle, None, new, requested_at, core.clock.now)
    assert not has_bearer(core, third)


def test_rotation_lists_at_most_two_bearers(core: Core) -> None:
    signed_in = start(core)
    for _ in range(3):
        core.expire_access_token()
        signed_in = rotate(core, signed_in)
    assert len(signed_in.session.bearers) == 2


def test_rotation_of_an_ended_session_stores_nothing(core: Core) -> None:
    signed_in = start(core)
    core.sessions.end(signed_in.session)
    assert try_to_rotate(core, signed_in) is None
    assert not core.has_session(signed_in)
    assert not core.bearers_of(signed_in)


def test_rotation_of_an_old_version_keeps_the_newer_one(core: Core) -> None:
    first = start(core)
    core.expire_access_token()
    second = rotate(core, first)
    assert try_to_rotate(core, first) is None
    assert core.session_row(first)["generation"] == second.session.generation
    assert core.bearers_of(first) == set(second.session.bearers)


def test_rotation_stores_a_user_that_was_read_again(core: Core) -> None:
    first = start(core)
    demoted = User("HumanUser", 24, "a_username", "Ann Username", "ann@studio.example", "Vendor")
    core.clock.advance(1000)
    second = try_to_rotate(core, first, demoted)
    assert second is not None
    assert (second.session.user, second.session.user_read_at) == (demoted, core.clock.now)
    bearer = core.bearers.find(second.api_token, core.clock.now)
    assert bearer is not None
    assert bearer.user == demoted
    core.clock.advance(1000)
    assert rotate(core, second).session.user_read_at == second.session.user_read_at


def test_rotation_after_the_lease_expired_keeps_its_tokens(core: Core) -> None:
    signed_in = start(core)
    assert core.sessions.take_lease(signed_in.session, core.clock.now + 20, core.clock.now)
    core.clock.advance(60)
    assert core.sessions.take_lease(signed_in.session, core.clock.now + 20, core.clock.now)  # another caller's
    assert rotate(core, signed_in).session.lease == ""


# ---- the end -------------------------------------------------------------------------------------------------


def test_end_deletes_the_row_and_every_bearer(core: Core) -> None:
    first = start(core)
    core.expire_access_token()
    second = rotate(core, first)
    core.sessions.end(second.session)
    assert not core.has_session(first)
    assert not has_bearer(core, first)
    assert not has_bearer(core, second)


def test_end_of_a_session_that_was_rotated_since_it_was_read_deletes_the_new_bearer(core: Core) -> None:
    first = start(core)
    core.expire_access_token()
    second = rotate(core, first)
    core.sessions.end(first.session)
    assert not core.has_session(first)
    assert not has_bearer(core, second)


def test_end_unless_rotated_keeps_a_rotated_session(core: Core) -> None:
    first = start(core)
    second = rotate(core, first)
    assert not core.sessions.end_unless_rotated(first.session)
    assert core.has_session(first)
    assert core.sessions.end_unless_rotated(second.session)
    assert not core.has_session(first)
    assert core.sessions.end_unless_rotated(second.session)  # the SDK repeats a write whose response was lost


@pytest.mark.parametrize("rotations", [0, 1, 2])
def test_sign_out_works_with_every_handle_of_the_session(core: Core, rotations: int) -> None:
    first = start(core)
    current = first
    for _ in range(rotations):
        current = rotate(core, current)
    core.sessions.sign_out(first.handle)
    assert not core.has_session(first)
    assert not has_bearer(core, current)


def test_sign_out_with_a_handle_that_was_never_issued_does_nothing(core: Core) -> None:
    signed_in, other = start(core), start(core)
    core.sessions.sign_out(made_up(signed_in.session.session_id))
    core.sessions.sign_out(Handle(signed_in.session.session_id, other.handle.secret))
    core.sessions.sign_out(made_up("x" * 22))
    assert core.has_session(signed_in)
    assert has_bearer(core, signed_in)


def test_sessions_of_one_user_are_independent(core: Core) -> None:
    desk, laptop = start(core), start(core)
    core.sessions.sign_out(desk.handle)
    assert core.has_session(laptop)
    assert has_bearer(core, laptop)


def test_sign_out_everywhere_while_a_session_starts_leaves_no_bearer(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User("HumanUser", secrets.randbelow(10**9), "everywhere")
    old, new = start(core, user), core.sessions.prepare(tokens(core), core.clock.now)
    is_stored = threading.Event()
    put, put_reserved = core.storage.state.put, core.bearers.put_reserved

    def put_first(row: Row) -> None:
        put(row)
        is_stored.set()

    def put_after_the_sign_out(row_id: str, bearer: Bearer) -> None:
        assert is_stored.wait(10)
        core.sessions.sign_out(old.handle, everywhere=True)
        put_reserved(row_id, bearer)

    with monkeypatch.context() as changed:
        changed.setattr(core.storage.state, "put", put_first)
        changed.setattr(core.bearers, "put_reserved", put_after_the_sign_out)
        started = core.sessions.start(new, user, core.clock.now, user_hash="")
    assert not core.has_session(started)
    assert core.storage.bearers.get(started.session.bearers[0]) is None


def test_reserved_bearer_opens_nothing_and_ends(core: Core) -> None:
    new = core.sessions.prepare(tokens(core), core.clock.now)
    row = core.storage.bearers.get(bearer_id(new.generation.api_token))
    assert row is not None
    assert core.clock.now + 30 < int(row["expires_at"]) <= core.clock.now + 60  # longer than any function runs
    assert core.bearers.find(new.generation.api_token, core.clock.now) is None
    signed_in = core.sessions.start(new, USER, core.clock.now, user_hash="")
    assert signed_in.api_token == new.generation.api_token
    assert has_bearer(core, signed_in)
    core.bearers.reserve(signed_in.session.bearers[0], core.clock.now)  # a repeated write that arrives late
    assert has_bearer(core, signed_in)


def test_sign_out_everywhere_ends_all_sessions_of_the_user_and_no_other(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User("HumanUser", secrets.randbelow(10**9), "everywhere")
    sessions = [start(core, user) for _ in range(3)]
    sessions[1] = rotate(core, sessions[1])
    other = start(core)
    ended_first: list[str] = []
    end = core.sessions.end

    def recorded(session: Session) -> None:
        ended_first.append(session.session_id)
        end(session)

    monkeypatch.setattr(core.sessions, "end", recorded)
    core.sessions.sign_out(sessions[0].handle, everywhere=True)
    # Its own session ends last, so that the page can repeat a request that was interrupted.
    assert ended_first[-1] == sessions[0].session.session_id
    for ended in sessions:
        assert not core.has_session(ended)
        assert not core.bearers_of(ended)
    assert core.has_session(other)
    assert has_bearer(core, other)


# ---- rows of earlier versions -----------------------------------------------------------------------------


def test_session_of_an_older_version_goes_on_with_its_next_site_call(core: Core) -> None:
    user = core.new_user()
    new = core.signed_in(user)
    handle, previous = core.make_legacy(new), made_up(new.session.session_id)
    assert state(core, handle) is HandleState.CURRENT
    with pytest.raises(SessionEnded):
        state(core, previous)
    second = core.refresh().refresh(handle)
    assert core.fake_site.requests_for(user, "refresh_token") == 1
    assert core.bearers.find(second.api_token, core.clock.now) is not None
    assert "secret_hash" not in core.session_row(second)
    again = core.refresh().refresh(handle)  # another tab, or a lost response
    assert again.access_token == second.access_token
    assert core.refresh().refresh(again.handle).access_token == second.access_token


def test_sign_out_ends_a_session_of_an_older_version(core: Core) -> None:
    new = core.signed_in()
    handle = core.make_legacy(new)
    for forged in (Handle.issue(handle.session_id, b"", b""), made_up(handle.session_id)):
        core.sessions.sign_out(forged)
        with pytest.raises(SessionEnded):
            state(core, forged)
    assert core.has_session(new)
    core.sessions.sign_out(handle)
    assert not core.has_session(new)


def test_previous_handle_of_an_older_version_counts_as_replayed_after_its_grace_period(core: Core) -> None:
    new = core.signed_in()
    current = core.make_legacy(new)
    previous = made_up(current.session_id)
    row = core.session_row(new) | {"previous_hash": previous.hash, "previous_until": core.clock.now + 30}
    core.storage.state.put(row)
    assert state(core, previous) is HandleState.PREVIOUS
    core.clock.advance(31)
    assert state(core, previous) is HandleState.REPLAYED


def test_session_that_an_older_version_rotates_meanwhile_goes_on(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    user = core.new_user()
    new = core.signed_in(user)
    handle = core.make_legacy(new)
    read = core.sessions.find(handle.session_id, core.clock.now)
    newer = core.make_legacy(core.refresh().refresh(handle))  # by a function of the older version
    row = core.session_row(new) | {"previous_hash": handle.hash, "previous_until": core.clock.now + 30}
    core.storage.state.put(row)

    def find_the_old_version(*_: object) -> Session:
        patched.undo()
        return read

    with monkeypatch.context() as patched:
        patched.setattr(core.sessions, "find", find_the_old_version)
        result = core.refresh().refresh(handle)
    assert core.bearers.find(result.api_token, core.clock.now) is not None
    assert core.refresh().refresh(result.handle).access_token == result.access_token
    assert newer != handle


# ---- bearers -------------------------------------------------------------------------------------------------


def test_bearer_has_the_user_and_the_session_until_it_expires(core: Core) -> None:
    signed_in = start(core)
    bearer = core.bearers.find(signed_in.api_token, core.clock.now)
    assert bearer is not None
    assert (bearer.user, bearer.session_id) == (USER, signed_in.session.session_id)
    assert bearer.expires_at == core.clock.now + 600
    core.clock.advance(600)  # its row is still there: DynamoDB deletes late
    assert core.storage.bearers.get(bearer_id(signed_in.api_token)) is not None
    assert core.bearers.find(signed_in.api_token, core.clock.now) is None


def test_token_of_the_site_is_not_a_bearer(core: Core) -> None:
    assert core.bearers.find(start(core).access_token, core.clock.now) is None


def test_bearers_table_has_no_token(core: Core) -> None:
    signed_in = start(core)
    assert len(signed_in.api_token) == 43
    assert signed_in.api_token not in repr(core.storage.bearers.get(bearer_id(signed_in.api_token)))
