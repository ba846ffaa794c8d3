"""The password step and the code step, for every possible behavior of a site."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

from shotgrid_login import log
from shotgrid_login.aws import AwsError
from shotgrid_login.bearers import RESERVED_SECONDS
from shotgrid_login.challenges import MAX_ATTEMPTS, Challenge, ReceivedChallenge
from shotgrid_login.errors import (
    ChallengeEnded,
    InvalidCredentials,
    InvalidOtp,
    InvalidRequest,
    LoginError,
    OtpRequired,
    PasswordSignInDisabled,
    SiteError,
    SiteUnavailable,
    TooManyAttempts,
)
from shotgrid_login.places import SIGN_INS, NoPlace
from shotgrid_login.sessions import SignedIn
from shotgrid_login.sign_in import SignIn
from shotgrid_login.site_connection import SiteConnection
from shotgrid_login.user_attempts import ALL_FAILURES, KNOWN_FAILURES, WINDOW, History
from shotgrid_login.users import User
from tests.site.fake_site import Account
from tests.support.core import AWS_FAILS, Core
from tests.support.replay import http, replaying


def password_step(core: Core, user: Account, password: str | None = None) -> SignedIn | Challenge:
    return core.sign_in().with_password(user.login, password or user.password, core.address)


def challenge_of(core: Core, user: Account, password: str | None = None) -> str:
    result = password_step(core, user, password)
    assert isinstance(result, Challenge)
    return result.text


def code_step(core: Core, challenge: str, code: str) -> SignedIn:
    return core.sign_in().with_code(challenge, code, core.address)


def attempts_left(core: Core, challenge: str, code: str = "000000") -> int | None:
    with pytest.raises(InvalidOtp) as caught:
        code_step(core, challenge, code)
    return caught.value.attempts_left


# ---- the password step ---------------------------------------------------------------------------------------


def test_password_signs_in_without_two_factor(core: Core) -> None:
    user = core.new_user(two_factor=False)
    result = password_step(core, user)
    assert isinstance(result, SignedIn)
    assert result.session.user == User("HumanUser", user.id, user.login, user.name, user.email, "Artist")
    assert core.bearers.find(result.api_token, core.clock.now) is not None


def test_password_leads_to_a_challenge_with_two_factor(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    assert code_step(core, challenge, core.fake_site.code(user.login)).session.user.id == user.id


@pytest.mark.parametrize("two_factor", [False, True])
def test_wrong_password_is_rejected_if_the_site_checks_it_first(core: Core, two_factor: bool) -> None:
    user = core.new_user(two_factor=two_factor, password_checked_first=True)
    with pytest.raises(InvalidCredentials):
        password_step(core, user, "wrong")


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_wrong_password_is_rejected_with_the_code_if_the_site_checks_it_last(core: Core, wrong_code: int) -> None:
    user = core.new_user(two_factor=True, password_checked_first=False, wrong_code=wrong_code)
    challenge = challenge_of(core, user, "wrong")
    assert attempts_left(core, challenge, core.fake_site.code(user.login)) == 4


@pytest.mark.parametrize("method", ["saml2", "oxygen"])
def test_site_without_passwords_is_reported_and_costs_no_attempt(core: Core, method: str) -> None:
    user = core.new_user(authentication_method=method)
    for _ in range(ALL_FAILURES + 1):
        with pytest.raises(PasswordSignInDisabled):
            password_step(core, user)


# ---- the code step -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_right_code_after_a_wrong_one_signs_in(core: Core, wrong_code: int) -> None:
    user = core.new_user(two_factor=True, wrong_code=wrong_code)
    challenge = challenge_of(core, user)
    assert attempts_left(core, challenge) == 4
    assert code_step(core, challenge, core.fake_site.code(user.login))


def test_white_space_in_a_backup_code_is_ignored(core: Core) -> None:
    user = core.new_user(two_factor=True)
    code = next(iter(user.backup_codes))
    assert code_step(core, challenge_of(core, user), f" {code[:4]} {code[4:]}\t\u3000")


def test_code_typed_with_an_input_method_or_with_invisible_characters_reaches_the_site_as_digits(core: Core) -> None:
    challenge = challenge_of(core, core.new_user(two_factor=True))
    # A site that rejects the code. It is recorded what it receives: the fake site reads full-width digits too.
    with replaying(http(400, '{"errors":[{"code":102}]}')) as replay, pytest.raises(InvalidOtp):
        core.sign_in(replay.url).with_code(challenge, "\ufeff１２３\u200b\u2009４５６\u00ad\u3164", core.address)
    assert replay.form["auth_token"] == ["123456"]


def test_code_without_a_visible_character_is_an_invalid_request_and_costs_no_attempt(core: Core) -> None:
    challenge = challenge_of(core, core.new_user(two_factor=True))
    with pytest.raises(InvalidRequest, match=r"^code: empty$"):
        code_step(core, challenge, "\u200b\u2060")
    assert attempts_left(core, challenge) == 4


def test_sixth_code_finds_the_challenge_ended(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    assert [attempts_left(core, challenge) for _ in range(5)] == [4, 3, 2, 1, 0]
    with pytest.raises(ChallengeEnded):
        code_step(core, challenge, core.fake_site.code(user.login))
    assert core.fake_site.requests_for(user, "password") == 1 + 5


def test_challenge_signs_in_once(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    first, second = user.backup_codes
    assert code_step(core, challenge, first)
    with pytest.raises(ChallengeEnded):
        code_step(core, challenge, second)


def test_two_right_codes_in_parallel_create_one_session(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)

    def attempt(code: str) -> bool:
        try:
            code_step(core, challenge, code)
        except ChallengeEnded:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(attempt, user.backup_codes)) == 1
    assert [session.user.login for session in core.sessions.all()].count(user.login) == 1


def test_code_whose_challenge_another_code_has_used_up_is_no_failed_attempt_and_starts_no_session(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)

    def use_up(challenge: ReceivedChallenge) -> None:
        raise ChallengeEnded

    monkeypatch.setattr(core.challenges, "use_up", use_up)
    with pytest.raises(ChallengeEnded):
        code_step(core, challenge, core.fake_site.code(user.login))
    history = core.storage.state.get(f"failed#user#{core.hashes.user(user.login)}")
    assert history is not None
    assert History.from_json(str(history["history"])).attempts == ()
    assert user.login not in {session.user.login for session in core.sessions.all()}


def test_challenge_of_an_accepted_code_cannot_be_used_again_although_no_session_could_be_started(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    response = http(200, '{"token_type":"Bearer","access_token":"a","expires_in":600,"refresh_token":"r"}')
    with sign_in_at(core, response, 1) as sign_in, pytest.raises(SiteError):
        sign_in.with_code(challenge, "123456", core.address)
    with pytest.raises(ChallengeEnded):
        code_step(core, challenge, core.fake_site.code(user.login))


def test_site_that_turns_passwords_off_between_the_steps_is_reported(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    core.fake_site.switch(user, authentication_method="saml2")
    with pytest.raises(PasswordSignInDisabled):
        code_step(core, challenge, core.fake_site.code(user.login))


def test_site_that_turns_two_factor_off_between_the_steps_signs_in(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    core.fake_site.switch(user, two_factor=False)
    assert code_step(core, challenge, "123456")


# ---- the user name -------------------------------------------------------------------------------------------


INVISIBLE = {
    "control character": "\u0007",
    "tab": "\t",
    "line separator": "\u2028",
    "zero width space": "\u200b",
    "soft hyphen": "\u00ad",
    "right-to-left override": "\u202e",
    "tag": "\U000e0061",
    "private use": "\ue000",
    "unassigned": "\U000e0fff",
    "combining grapheme joiner": "\u034f",
    "object replacement character": "\ufffc",
    "Hangul filler": "\u3164",
    "variation selector": "\ufe0f",
}


@pytest.mark.parametrize("character", INVISIBLE)
def test_user_name_with_an_invisible_character_is_an_invalid_request(core: Core, character: str) -> None:
    user = core.new_user()
    name = user.login[:3] + INVISIBLE[character] + user.login[3:]
    with pytest.raises(InvalidRequest, match=r"^username: contains") as caught:
        core.sign_in().with_password(name, user.password, core.address)
    assert name not in str(caught.value)
    with pytest.raises(InvalidRequest, match=r"^username: contains"):
        core.sign_in().in_one_step(name, user.password, "123456", core.address)
    assert core.fake_site.requests_for(user, "password") == 0


@pytest.mark.parametrize("name", ["zoë.müller", "田中", "مريم", "क्षितिज", "한글", "jean-luc o'neil", "a\u0301nna"])
def test_user_name_of_any_script_reaches_the_site(core: Core, name: str) -> None:
    with pytest.raises(InvalidCredentials):
        core.sign_in().with_password(name, secrets.token_hex(8), core.address)


# ---- both in one step ----------------------------------------------------------------------------------------


def test_one_step_requires_a_code_with_two_factor_and_accepts_it(core: Core) -> None:
    user = core.new_user(two_factor=True)
    with pytest.raises(OtpRequired):
        core.sign_in().in_one_step(user.login, user.password, None, core.address)
    code = core.fake_site.code(user.login)
    assert core.sign_in().in_one_step(user.login, user.password, f"{code[:3]} {code[3:]}", core.address)


@pytest.mark.parametrize(("wrong_code", "error"), [(102, InvalidCredentials), (106, OtpRequired)])
def test_wrong_code_in_one_step_counts_as_a_failed_attempt(core: Core, wrong_code: int, error: type[Exception]) -> None:
    user = core.new_user(two_factor=True, wrong_code=wrong_code)
    for _ in range(ALL_FAILURES):
        with pytest.raises(error):
            core.sign_in().in_one_step(user.login, user.password, "000000", core.address)
    with pytest.raises(TooManyAttempts):
        core.sign_in().in_one_step(user.login, user.password, "000000", core.address)


# ---- what counts as a failed attempt -------------------------------------------------------------------------


def test_password_steps_that_lead_to_a_challenge_do_not_count_as_failed(core: Core) -> None:
    user = core.new_user(two_factor=True)
    for _ in range(ALL_FAILURES + 1):
        assert challenge_of(core, user)


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_wrong_codes_count_for_the_user_and_keep_the_attempts_of_the_challenge(core: Core, wrong_code: int) -> None:
    user = core.new_user(two_factor=True, wrong_code=wrong_code)
    for _ in range(3):
        challenge = challenge_of(core, user)
        for left in (4, 3, 2):
            assert attempts_left(core, challenge) == left
    for _ in range(3):
        with pytest.raises(TooManyAttempts) as caught:
            code_step(core, challenge, "000000")
    assert caught.value.retry_after == WINDOW
    taken = core.challenges.take_attempt(core.challenges.receive(challenge, core.clock.now), core.clock.now)
    assert taken.attempts_left == 1


def test_success_forgets_failed_attempts(core: Core) -> None:
    user = core.new_user(two_factor=False)
    for _ in range(2):
        for _ in range(KNOWN_FAILURES - 1):
            with pytest.raises(InvalidCredentials):
                password_step(core, user, "wrong")
        assert password_step(core, user)


UNKNOWN_REJECTIONS = {
    "code null": http(400, '{"errors":[{"code":null}]}'),
    "code 107": http(400, '{"errors":[{"code":107}]}'),
    "code text": http(401, '{"errors":[{"code":"no"}]}'),
    "status 403": http(403, '{"errors":[{"code":102}]}'),
    "code 103": http(400, '{"errors":[{"code":103}]}'),
}


@contextmanager
def sign_in_at(core: Core, response: bytes, times: int) -> Iterator[SignIn]:
    """Return the sign-in at a site that returns one response, so many times."""
    with replaying(*[response] * times) as replay:
        yield core.sign_in(replay.url)


@pytest.mark.parametrize("rejection", UNKNOWN_REJECTIONS)
def test_every_rejection_of_a_password_counts(core: Core, rejection: str) -> None:
    user = core.new_user()
    with sign_in_at(core, UNKNOWN_REJECTIONS[rejection], ALL_FAILURES) as sign_in:
        for _ in range(ALL_FAILURES):
            with pytest.raises(InvalidCredentials):
                sign_in.with_password(user.login, "guess", core.address)
        with pytest.raises(TooManyAttempts):
            sign_in.with_password(user.login, "guess", core.address)


@pytest.mark.parametrize("rejection", UNKNOWN_REJECTIONS)
def test_every_rejection_of_a_code_counts_and_uses_an_attempt_of_the_challenge(core: Core, rejection: str) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with sign_in_at(core, UNKNOWN_REJECTIONS[rejection], 5) as sign_in:
        for left in (4, 3, 2, 1, 0):
            with pytest.raises(InvalidOtp) as caught:
                sign_in.with_code(challenge, "123456", core.address)
            assert caught.value.attempts_left == left
        with pytest.raises(ChallengeEnded):
            sign_in.with_code(challenge, "123456", core.address)
    for _ in range(ALL_FAILURES - 5):
        with pytest.raises(InvalidCredentials):
            password_step(core, user, "wrong")
    with pytest.raises(TooManyAttempts):
        password_step(core, user)


@pytest.mark.parametrize("response", [http(400, "{}"), http(401, "Unauthorized"), http(404, "{}"), http(418, "{}")])
def test_response_that_may_be_a_rejection_counts_too(core: Core, response: bytes) -> None:
    user = core.new_user()
    with sign_in_at(core, response, ALL_FAILURES) as sign_in:
        for _ in range(ALL_FAILURES):
            with pytest.raises(SiteError):
                sign_in.with_password(user.login, "guess", core.address)
        with pytest.raises(TooManyAttempts):
            sign_in.with_password(user.login, "guess", core.address)


def test_response_that_may_reject_a_code_uses_an_attempt_of_the_challenge(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with sign_in_at(core, http(400, "{}"), 5) as sign_in:
        for _ in range(5):
            with pytest.raises(SiteError):
                sign_in.with_code(challenge, "123456", core.address)
        with pytest.raises(ChallengeEnded):
            sign_in.with_code(challenge, "123456", core.address)


HTML = ["content-type: text/html"]
NO_VERDICTS: dict[str, tuple[bytes, type[LoginError]]] = {
    "page": (http(403, "<html>", HTML), SiteError),
    "redirect": (http(302, "", ["location: https://elsewhere.example/"]), SiteError),
    "malformed success": (http(200, "[1]"), SiteError),
    "5xx": (http(503, ""), SiteUnavailable),
    "429": (http(429, ""), SiteUnavailable),
    "broken connection": (b"", SiteUnavailable),
    "108": (http(400, '{"errors":[{"code":108}]}'), PasswordSignInDisabled),
}


@pytest.mark.parametrize("case", NO_VERDICTS)
def test_response_that_judges_no_guess_costs_no_attempt(core: Core, case: str) -> None:
    response, error = NO_VERDICTS[case]
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with sign_in_at(core, response, 2 * MAX_ATTEMPTS) as sign_in:
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(error):
                sign_in.with_password(user.login, user.password, core.address)
            with pytest.raises(error):
                sign_in.with_code(challenge, "123456", core.address)
    assert attempts_left(core, challenge) == 4
    assert code_step(core, challenge, core.fake_site.code(user.login))


def test_unknown_site_code_is_logged_and_counted(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[str, object]] = []
    counted: list[str] = []
    monkeypatch.setattr(log.logger, "warning", lambda message, extra: logged.append((message, extra)))
    monkeypatch.setattr(log, "count", counted.append)
    user = core.new_user()
    for response in (
        UNKNOWN_REJECTIONS["code 107"],
        UNKNOWN_REJECTIONS["code text"],
        http(400, '{"errors":[{"code":102}]}'),
    ):
        with sign_in_at(core, response, 1) as sign_in, pytest.raises(InvalidCredentials):
            sign_in.with_password(user.login, "guess", core.address)
    assert logged == [("unknown_site_code", {"site_code": 107}), ("unknown_site_code", {"site_code": 0})]
    assert counted == ["unknown_site_code"] * 2


def test_row_of_the_bearer_is_reserved_for_longer_than_a_function_runs(core: Core) -> None:
    assert core.reserved_until(core.signed_in) == core.clock.now + RESERVED_SECONDS


# ---- the user's record ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["503", "drop", "html", "empty", "not_an_object", "huge", "teapot", "redirect"])
def test_sign_in_works_if_the_site_does_not_return_the_users_record(core: Core, fault: str) -> None:
    user = core.new_user(two_factor=False, user_fault=fault)
    assert core.signed_in(user).session.user == User("HumanUser", user.id, user.login)


def test_typed_address_is_replaced_by_the_sites_login(core: Core) -> None:
    user = core.new_user(two_factor=False)
    core.fake_site.accounts[user.email] = user
    result = core.sign_in().with_password(user.email, user.password, core.address)
    assert isinstance(result, SignedIn)
    assert result.session.user.login == user.login


def test_access_token_that_names_no_user_is_a_site_error(core: Core) -> None:
    response = http(200, '{"token_type":"Bearer","access_token":"a","expires_in":600,"refresh_token":"r"}')
    with sign_in_at(core, response, 1) as sign_in, pytest.raises(SiteError):
        sign_in.with_password(core.new_user().login, secrets.token_hex(8), core.address)


# ---- places for callers who wait for the site -----------------------------------------------------------------


def all_attempts(core: Core) -> int:
    """Return how many attempts of this network count."""
    row = core.storage.state.get(f"failed#all#address#{core.hashes.network(core.address)}")
    return int(row["misses"]) if row else 0


@contextmanager
def place_while_the_site_is_called(core: Core, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that each call of the site has one place, and that none is left."""
    taken: list[int] = []
    call = SiteConnection.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        taken.append(core.taken_places(SIGN_INS))
        return call(*args, **kwargs)

    with monkeypatch.context() as changed:
        changed.setattr(SiteConnection, "call", watched)
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
    with core.failing_writes("waiting#", "SET"):
        for _ in range(ALL_FAILURES + 1):
            with pytest.raises(AwsError):
                password_step(core, user)
            with pytest.raises(AwsError):
                code_step(core, challenge, core.fake_site.code(user.login))
    assert core.fake_site.requests_for(user, "password") == 1
    with pytest.raises(InvalidOtp) as caught:
        code_step(core, challenge, "000000")
    assert caught.value.attempts_left == MAX_ATTEMPTS - 1


def test_code_step_that_cannot_read_whose_name_it_is_costs_no_attempt(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with patch.object(core.failed_attempts, "read_again", side_effect=AWS_FAILS):
        for _ in range(MAX_ATTEMPTS + 1):
            with pytest.raises(AwsError):
                code_step(core, challenge, core.fake_site.code(user.login))
    assert code_step(core, challenge, core.fake_site.code(user.login))


@pytest.mark.parametrize("row", ["failed#user#", "failed#all#", "failed#address#"])
def test_sign_in_that_cannot_be_counted_leaves_no_place(core: Core, row: str) -> None:
    user = core.new_user()
    with core.failing_writes(row), pytest.raises(AwsError):
        password_step(core, user)
    assert core.taken_places(SIGN_INS) == 0
    assert core.fake_site.requests_for(user, "password") == 0
    assert all_attempts(core) == 0
    assert History.from_json(core.failed_attempts.read(user.login, core.clock.now).history).attempts == ()


def test_code_step_that_cannot_give_its_place_back_ends_as_with_it(core: Core) -> None:
    user = core.new_user(two_factor=True)
    challenge = challenge_of(core, user)
    with core.failing_writes("waiting#", "REMOVE"):
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
