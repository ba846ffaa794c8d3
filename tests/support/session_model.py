"""A model of sessions, for Hypothesis: browsers, a thief, functions that die, and what must be true at all times.

Functions run on the tables and keys of local AWS and on the fake site, one call at a time (`stepped`). The model knows
for which reasons each session can have ended. So it notices each session that a user loses without such a reason.

Two kinds of browsers refresh as pages do:

- pages with token transport send the newest handle under a lock, and keep it if the response is lost;
- pages with the cookie send the same cookie at the same time, and the browser keeps the one that arrives last.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shotgrid_login.bearers import bearer_id
from shotgrid_login.errors import HandleReplayed, LoginError, SessionEnded, SessionUnreadable
from shotgrid_login.refresh import LEASE_SECONDS, Refresh
from shotgrid_login.sessions import Handle, Session, Sessions, SignedIn
from shotgrid_login.site import RESPONSE_SECONDS, RefreshTokenRejected, Site, Tokens
from shotgrid_login.table import Row
from shotgrid_login.users import User
from tests.site.fake_site import FakeSite
from tests.support.core import IDLE_SECONDS, SESSION_SECONDS, Core, Storage
from tests.support.stepped import Failure, SteppedFunction, current, step

# Lambda ends a function after this time (`Timeout` of RefreshFunction in template.yaml). Seconds.
FUNCTION_SECONDS = 30

# The clocks of two function instances differ by no more than this. Seconds.
LARGEST_SKEW = 5

# How many functions run at the same time.
MOST_FUNCTIONS = 4

# What can change at the site.
SITE_CHANGES = (
    *["fault"] * 3,
    *["healthy"] * 4,
    *("user records", "deactivated user", "token lifetime", "ended sessions"),
)

# How the site can fail. `hang` and `hang_after` take as long as the gateway waits; `hang_after` has handled the call.
FAULTS = ("503", "html", "html_401", "missing_refresh_token", "drop", "hang", "drop_response", "hang_after")

# What a page or an operator can request.
REQUESTS = (*["refresh"] * 4, *["forced refresh"] * 2, "signed out", "signed out everywhere", "ended by operator")

# How many calls a function does before something else happens. A refresh does eight, and a few more if it waits.
CALLS = st.integers(0, 10)
MOST_CALLS = 100

# What passes before requests: seconds, or the time until the access token of the browser's session is no longer fresh
# or has expired.
PAUSES = st.sampled_from([0, 1, 31, 125, *["fresh_until", "access_expires_at"] * 3])

SKEWS = st.sampled_from([0, 0, 0, -2, 2])

FAILURES = {
    "throttled": Failure(ClientError({"Error": {"Code": "ThrottlingException"}}, "Call")),
    "denied": Failure(ClientError({"Error": {"Code": "AccessDeniedException"}}, "Call")),
    "unreachable": Failure(EndpointConnectionError(endpoint_url="http://local")),
    "response lost": Failure(ReadTimeoutError(endpoint_url="http://local"), is_late=True),
}


@dataclass
class ModelSession:
    """A session that was handed out.

    Attributes:
        reasons: why it can have ended.
        has_site_ended: the site ends it at the next refresh.
        must_be_over: an end of it was completed.
        is_gone: its row was seen to be missing.
        tokens: access token and bearer by generation.
        last: its row when it was last there.
    """

    session_id: str
    reasons: set[str] = field(default_factory=set)
    has_site_ended: bool = False
    must_be_over: bool = False
    is_gone: bool = False
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    last: Row = field(default_factory=dict)


@dataclass
class Browser:
    """A browser, or a thief. `handle` is the newest one that has arrived."""

    name: str
    has_lock: bool = True
    handle: Handle | None = None
    session: ModelSession | None = None


class ModelFunction(SteppedFunction):
    """A function of the model.

    Attributes:
        kind: what it does.
        skew: by how much its clock differs. Seconds.
        browser: whose request it handles; None if no caller waits for its response any more.
        ends: the sessions that it has to end.
        lease_until: end of the lease that it has taken, by its own clock; 0 if it has none, or has given it back.
        has_tokens, has_stored: the site has returned new tokens to it; it has stored them.
    """

    def __init__(
        self, kind: str, work: Callable[[ModelFunction], Any], browser: Browser | None, started_at: float
    ) -> None:
        self.kind = kind
        self.skew = 0
        self.browser = browser
        self.started_at = started_at
        self.session: ModelSession | None = browser.session if browser else None
        self.sent: Handle | None = browser.handle if browser else None
        self.ends: list[ModelSession] = []
        self.lease_until = 0
        self.has_tokens = False
        self.has_stored = False
        super().__init__(lambda: work(self))


class _WatchedSessions(Sessions):
    """Sessions that note for the model what a function has done."""

    def __init__(self, storage: Storage, core: Core, sessions: dict[str, ModelSession]) -> None:
        super().__init__(storage.state, core.bearers, storage.sealer, SESSION_SECONDS, IDLE_SECONDS)
        self._models = sessions

    def take_lease(self, session: Session, until: int, now: int, *, is_forced: bool = False) -> Session | None:
        leased = super().take_lease(session, until, now, is_forced=is_forced)
        function = current()
        if leased is not None and isinstance(function, ModelFunction):
            function.lease_until = until
        return leased

    def release_lease(self, session: Session) -> None:
        super().release_lease(session)
        function = current()
        if isinstance(function, ModelFunction):
            function.lease_until = 0  # it still has to give back its place

    def rotate(
        self, session: Session, handle: Handle, user: User | None, tokens: Tokens, requested_at: int, now: int
    ) -> SignedIn | None:
        rotated = super().rotate(session, handle, user, tokens, requested_at, now)
        function = current()
        if rotated is not None and isinstance(function, ModelFunction):
            function.has_stored = True
        return rotated

    def end(self, session: Session) -> None:
        function, model = current(), self._models.get(session.session_id)
        if model is not None and isinstance(function, ModelFunction) and function.kind != "refresh":
            model.reasons.add(function.kind)
        super().end(session)


class _SteppedSite(Site):
    """The site, as a function calls it."""

    def __init__(self, machine: SessionMachine) -> None:
        super().__init__(machine.core.fake_site.url)
        self._machine = machine

    def user(self, entity_type: str, entity_id: int, access_token: str) -> User:
        call = super().user
        user: User = step("site: user", lambda: call(entity_type, entity_id, access_token))
        return user

    def refresh_token(self, refresh_token: str) -> Tokens:
        call = super().refresh_token
        tokens: Tokens = step("site: refresh", lambda: self._machine.call_site(call, refresh_token))
        return tokens


class SessionMachine(RuleBasedStateMachine):
    """The rules. `counts` receives how often each rule, outcome and failure occurred.

    The tables of `storage` must be empty.
    """

    def __init__(self, storage: Storage, fake_site: FakeSite, counts: Counter[str]) -> None:
        super().__init__()
        self.counts = counts
        self.core = Core(storage, fake_site)
        self.clock = self.core.clock
        self.site = _SteppedSite(self)
        self.models: dict[str, ModelSession] = {}
        self.sessions = _WatchedSessions(storage, self.core, self.models)
        self.functions: list[ModelFunction] = []
        self.browsers = [Browser("tabs"), Browser("pages with the cookie", has_lock=False)]
        self.thief = Browser("thief")
        self.is_hanging = False
        # The function that has sent a refresh token to a site that retires it: only this function has the new tokens.
        self.used_up: dict[str, ModelFunction] = {}
        self.has_changed = True

    # ---- the world ---------------------------------------------------------------------------------------

    @initialize(retires=st.booleans(), expires_in=st.sampled_from([600, 120, 60, 3600]))
    def sign_in_everywhere(self, retires: bool, expires_in: int) -> None:
        """Open the user's account and sign in with both browsers."""
        self.account = self.core.new_user(retires_refresh_tokens=retires, expires_in=expires_in)
        for browser in self.browsers:
            self._sign_in(browser)

    @rule(change=st.sampled_from(SITE_CHANGES), fault=st.sampled_from(FAULTS), to=st.integers(0, 2))
    def change_site(self, change: str, fault: str, to: int) -> None:
        self.count(f"the site: {change}" + f" {fault}" * (change == "fault"))
        if change in ("fault", "healthy"):
            fault = fault if change == "fault" else ""
            self.is_hanging = fault.startswith("hang")
            self._switch(fault={"hang": "drop", "hang_after": "drop_response"}.get(fault, fault))
        elif change == "user records":
            self._switch(user_fault=["", "503", "drop"][to])
        elif change == "deactivated user":
            self._switch(deactivated=["", "401", "403"][to])
        elif change == "token lifetime":
            self._switch(expires_in=[60, 600, 3600][to])
        else:
            self.core.fake_site.end_sessions(self.account)
            for model in self.models.values():
                model.has_site_ended = True

    @rule(seconds=st.sampled_from([1, 2, 2, 26, 26, 31, 31, 61, 125, 301, 7100]))
    def pass_time(self, seconds: int) -> None:
        """Let time pass. DynamoDB deletes expired rows, and someone tries a handle that no session has issued."""
        self.count("time passes")
        self._advance(seconds)
        for model in self.models.values():
            if model.last and int(model.last["expires_at"]) <= self.clock.now:
                self.count("an expired row is deleted")
                model.reasons.add("expired")
                self.core.storage.state.delete(f"session#{model.session_id}")
                self.has_changed = True
        handle = self.browsers[0].handle
        if handle is not None:
            made_up = Handle.issue(handle.session_id, secrets.token_bytes(32), secrets.token_bytes(32))
            with pytest.raises(SessionEnded) as caught:
                Refresh(self.site, self.core.sessions, self.core.places, self.clock).refresh(made_up)
            assert type(caught.value) is SessionEnded, "a made-up handle counts as a copy"

    # ---- requests ------------------------------------------------------------------------------------------

    @precondition(lambda self: self._can_start())
    @rule(browser=st.integers(0, 1), kind=st.sampled_from(REQUESTS), calls=CALLS, skew=SKEWS, repeats=st.booleans())
    def start_request(self, browser: int, kind: str, calls: int, skew: int, repeats: bool) -> None:
        """Start a request. `repeats`: the SDK sends each write twice, as after lost responses."""
        function = self._request(kind, self.browsers[browser], skew)
        if function is not None:
            function.repeats_writes = repeats
            self._go(function, calls)

    @precondition(lambda self: self._can_start())
    @rule(
        pause=PAUSES,
        first=st.sampled_from(REQUESTS),
        second=st.sampled_from(REQUESTS),
        calls=CALLS,
        delay=st.sampled_from([0, 0, 0, LEASE_SECONDS + 1]),
        more_calls=CALLS,
        is_first_first=st.booleans(),
    )
    def race(
        self,
        pause: int | str,
        first: str,
        second: str,
        calls: int,
        delay: int,
        more_calls: int,
        is_first_first: bool,
    ) -> None:
        """Two requests of pages with the cookie, which have no lock, at the same time. The first one can be slow."""
        self._pause(pause, self.browsers[1])
        one = self._request(first, self.browsers[1])
        if one is None:
            return
        self._go(one, calls)
        self._advance(delay)
        other = self._request(second, self.browsers[1])
        if other is not None:
            self._go(other, more_calls)
        for function in (one, other) if is_first_first else (other, one):
            if function is not None:
                self._go(function, MOST_CALLS)

    @rule(
        browser=st.integers(0, 1),
        pause=PAUSES,
        are_lost=st.lists(st.sampled_from([False, False, True]), min_size=1, max_size=4),
    )
    def refresh_at_once(self, browser: int, pause: int | str, are_lost: list[bool]) -> None:
        """Several refreshes without an interruption. Some responses are lost."""
        for is_lost in are_lost:
            self._pause(pause, self.browsers[browser])
            function = self._request("refresh", self.browsers[browser])
            if function is not None:
                function.finish()
                if is_lost:
                    self.count("a response is lost")
                    function.browser = None
                self._deliver_all()

    @precondition(lambda self: self._can_start())
    @rule(browser=st.integers(0, 1), calls=CALLS)
    def sign_in(self, browser: int, calls: int) -> None:
        page = self.browsers[browser]
        # A page with the cookie waits for its requests before it shows a form. The others hold their lock.
        if not self._requests_of(page) and self._can_sign_in():
            replaced, model = page.handle, page.session
            self.count("sign in" + " again" * (replaced is not None))
            self._sign_in(page)
            if replaced is not None and model is not None:
                function = self._start("replaced", None, lambda _: self.sessions.sign_out(replaced))
                function.ends = [model]
                self._go(function, calls)

    @precondition(lambda self: self._can_start())
    @rule(browser=st.integers(0, 1), copies=st.booleans(), forces=st.booleans(), calls=CALLS)
    def steal(self, browser: int, copies: bool, forces: bool, calls: int) -> None:
        """Copy a handle, or use the thief's one."""
        page = self.browsers[browser]
        if copies and page.handle is not None:
            self.count("a handle is copied")
            self.thief.handle, self.thief.session = page.handle, page.session
        elif self.thief.session is not None and self.thief.handle is not None:
            self.count("a copied handle is used")
            self.thief.session.reasons.add("copied")
            rejected = _newest(self.thief.session) if forces else None
            self._go(self._refresh(self.thief, 0, rejected=rejected), calls)

    # ---- what happens to functions ---------------------------------------------------------------------------

    @precondition(lambda self: self.functions)
    @rule(number=st.integers(0, 3), calls=CALLS)
    def go_on(self, number: int, calls: int) -> None:
        self._go(self._function(number), calls + 1)

    @precondition(lambda self: self.functions)
    @rule(
        number=st.integers(0, 3),
        calls=CALLS,
        what=st.sampled_from(["killed", "killed", "response lost", "connection lost", *sorted(FAILURES)]),
    )
    def disturb(self, number: int, calls: int, what: str) -> None:
        """After some calls of a function, let it die, lose its response or connection, or let a call to AWS fail."""
        function = self._function(number)
        self._go(function, calls)
        if what == "response lost":
            self.count("a response is lost")
            function.finish()
            function.browser = None
        elif what == "connection lost":
            self.count("a connection is lost")
            function.browser = None
        elif what == "killed":
            self._kill(function)
        elif not function.is_over and not function.stopped_before.startswith(("site", "the start", "pause")):
            self.count(f"failed call: {what}")
            function.fail(FAILURES[what])
        self._deliver_all()

    # ---- what is always true -----------------------------------------------------------------------------------

    @invariant()
    def rows_are_right(self) -> None:
        if not self.has_changed:
            return
        self.has_changed = False
        now = self.clock.now
        rows = {str(row["id"]): row for row in self.core.storage.state.scan("session#")}
        bearers = {str(row["id"]): row for row in self.core.storage.bearers.scan("")}
        for row in [*rows.values(), *bearers.values()]:
            assert 0 < int(row["expires_at"]) <= now + SESSION_SECONDS + LARGEST_SKEW, "a row has no time to live"
        for model in self.models.values():
            session = rows.get(f"session#{model.session_id}")
            if session is None:
                assert model.reasons, "a session has ended without a reason"
                model.is_gone = True
            else:
                assert not model.is_gone, "an ended session has returned"
                assert not model.must_be_over, f"an ended session is still there: {model.reasons}"
                model.last = session
            for _, api_token in model.tokens.values():
                bearer = bearers.get(bearer_id(api_token))
                if bearer is not None and int(bearer["expires_at"]) > now:
                    assert session is not None, "a bearer outlives its session"
                    assert bearer["session_id"] == model.session_id
                    assert bearer["id"] in str(session["bearers"]).split(), "sign-out would not find a valid bearer"
                    assert min(int(session["expires_at"]), int(session["idle_expires_at"])) > now

    def teardown(self) -> None:
        """Check that each session without a reason to end goes on, and that nothing is left after all have ended."""
        try:
            if self.models:
                self._check_recovery()
        finally:
            for function in self.functions:
                function.kill()

    def _check_recovery(self) -> None:
        for function in list(self.functions):
            self._kill(function)
        self._switch(fault="", user_fault="", deactivated="")
        self.is_hanging = False
        self._advance(LEASE_SECONDS + LARGEST_SKEW)
        self.rows_are_right()
        for browser in self.browsers:
            model, handle = browser.session, browser.handle
            if (
                model is None
                or handle is None
                or model.reasons
                or model.has_site_ended
                or self._may_have_expired(model)
            ):
                continue
            if any(function.session is model and not function.has_stored for function in self.used_up.values()):
                continue  # the new tokens died with a function
            result = Refresh(self.site, self.core.sessions, self.core.places, self.clock).refresh(handle)
            self._note(model, result)
            assert result.session.access_expires_at > self.clock.now
            assert self.core.bearers.find(result.api_token, self.clock.now), (
                "a page received a bearer that is not valid"
            )
            self.count("a session went on to the end")
        for session in self.core.sessions.all():
            self.core.sessions.end(session)
        given = {bearer_id(api_token) for model in self.models.values() for _, api_token in model.tokens.values()}
        for row in self.core.storage.bearers.scan(""):
            assert row["id"] not in given or int(row["expires_at"]) <= self.clock.now, "a bearer outlives its session"

    # ---- the site, as functions call it ------------------------------------------------------------------------

    def call_site(self, call: Callable[[str], Tokens], refresh_token: str) -> Tokens:
        """Refresh tokens at the site, for the function of this thread."""
        function = current()
        if not isinstance(function, ModelFunction) or function.session is None:
            return call(refresh_token)
        switches = self.core.fake_site.switches_of(self.account.login)
        try:
            tokens = call(refresh_token)
        except RefreshTokenRejected:
            self.count("the site rejects a refresh")
            self._explain_rejection(
                function, function.session, refresh_token, is_deactivated=bool(switches.deactivated)
            )
            raise
        except LoginError:
            self.count("the site fails")
            if switches.retires_refresh_tokens and switches.fault == "drop_response":
                self.used_up.setdefault(refresh_token, function)
            if self.is_hanging:
                self._advance(RESPONSE_SECONDS)
            raise
        self.count("the site sends new tokens")
        function.has_tokens = True
        if switches.retires_refresh_tokens:
            self.used_up[refresh_token] = function
        return tokens

    def _explain_rejection(
        self, function: ModelFunction, model: ModelSession, refresh_token: str, *, is_deactivated: bool
    ) -> None:
        if is_deactivated or model.has_site_ended:
            model.reasons.add("rejected by the site")
        holder = self.used_up.get(refresh_token)
        if holder is not None and not holder.has_stored:
            is_late = holder.lease_until <= self.clock.now + function.skew
            assert holder.is_over or holder is function or is_late, "two functions called the site at the same time"
            model.reasons.add("its tokens died with a function")

    def _check_next_site_call(self, function: ModelFunction) -> None:
        """At most one function has a valid lease when it calls the site."""
        if function.is_over or function.stopped_before != "site: refresh":
            return
        for other in self.functions:
            is_rival = other is not function and other.session is function.session and not other.has_stored
            if is_rival and other.lease_until and function.lease_until >= other.lease_until and not other.is_over:
                assert other.lease_until <= self.clock.now + function.skew, "two functions have a valid lease"

    # ---- the inside ----------------------------------------------------------------------------------------------

    def count(self, name: str) -> None:
        self.counts[name] += 1

    def _switch(self, **changes: Any) -> None:
        self.core.fake_site.switch(self.account, **changes)

    def _can_start(self) -> bool:
        return len(self.functions) < MOST_FUNCTIONS

    def _can_sign_in(self) -> bool:
        site = self.core.fake_site.switches_of(self.account.login)
        return not site.deactivated and not site.fault

    def _request(self, kind: str, page: Browser, skew: int = 0) -> ModelFunction | None:
        """Start a function for a request of a page; None if the page cannot send one now."""
        if page.handle is None and self._can_sign_in():
            self.count("sign in")
            self._sign_in(page)
        model, handle = page.session, page.handle
        if model is None or handle is None or (page.has_lock and self._requests_of(page)):
            return None
        self.count(f"{kind}: {page.name}")
        if kind == "refresh":
            return self._refresh(page, skew)
        if kind == "forced refresh":  # the site has rejected the page's access token
            return self._refresh(page, skew, rejected=_newest(model))
        if kind == "ended by operator":
            session = next((one for one in self.core.sessions.all() if one.session_id == model.session_id), None)
            if session is None:
                return None
            function = self._start(kind, page, lambda _: self.sessions.end(session))
            function.browser = None
        else:
            everywhere = kind == "signed out everywhere"
            function = self._start(kind, page, lambda _: self.sessions.sign_out(handle, everywhere=everywhere))
        is_for_all = kind == "signed out everywhere" and not self._may_have_expired(model)
        function.ends = list(self.models.values()) if is_for_all else [model]
        return function

    def _requests_of(self, browser: Browser) -> list[ModelFunction]:
        return [function for function in self.functions if function.browser is browser]

    def _function(self, number: int) -> ModelFunction:
        return self.functions[number % len(self.functions)]

    def _may_have_expired(self, model: ModelSession) -> bool:
        ends = min(int(model.last["expires_at"]), int(model.last["idle_expires_at"])) if model.last else 0
        return ends <= self.clock.now + LARGEST_SKEW

    def _sign_in(self, browser: Browser) -> None:
        result = self.core.start_session(self.account)
        browser.session = self.models[result.session.session_id] = ModelSession(result.session.session_id)
        browser.handle = result.handle
        self._note(browser.session, result)

    def _start(self, kind: str, browser: Browser | None, work: Callable[[ModelFunction], Any]) -> ModelFunction:
        function = ModelFunction(kind, work, browser, self.clock.now)
        self.functions.append(function)
        return function

    def _refresh(self, browser: Browser, skew: int, *, rejected: str | None = None) -> ModelFunction:
        handle = browser.handle
        assert handle is not None

        def pause(seconds: float) -> None:
            step("pause", lambda: None)
            self.clock.advance(seconds)

        def work(_: ModelFunction) -> SignedIn:
            seconds = lambda: float(self.clock.now + skew)  # noqa: E731
            return Refresh(self.site, self.sessions, self.core.places, seconds, pause).refresh(handle, rejected)

        function = self._start("refresh", browser, work)
        function.skew = skew
        return function

    def _advance(self, seconds: int) -> None:
        self.clock.advance(seconds) if seconds else None
        for function in list(self.functions):
            if function is not current() and self.clock.now - function.started_at > FUNCTION_SECONDS:
                self.count("killed by its timeout")
                self._kill(function)

    def _pause(self, pause: int | str, browser: Browser) -> None:
        """Let seconds pass, or the time until something of the browser's session ends."""
        if isinstance(pause, str):
            last = browser.session.last if browser.session else {}
            pause = max(0, int(last.get(pause, 0)) - self.clock.now)
        self._advance(pause)

    def _go(self, function: ModelFunction, calls: int) -> None:
        """Let a function do some calls."""
        for _ in range(calls):
            self._check_next_site_call(function)
            function.go()
        self._deliver_all()

    def _kill(self, function: ModelFunction) -> None:
        if not function.is_over:
            self.count(f"killed before: {function.stopped_before}")
            function.kill()
        if current() is None:
            self._deliver_all()

    def _deliver_all(self) -> None:
        """Let the responses of the functions that are over arrive."""
        for function in self.functions:
            self.has_changed |= function.has_written
            function.has_written = False
        for function in [function for function in self.functions if function.is_over]:
            self.functions.remove(function)
            self._deliver(function)

    def _deliver(self, function: ModelFunction) -> None:
        error, result, browser = function.error, function.result, function.browser
        outcome = "killed" if function.is_dead else type(error).__name__ if error else "success"
        self.count(f"{function.kind} -> {outcome}")
        if function.is_dead:
            return
        if isinstance(error, SessionEnded):
            self._check_loss(function, error)
        elif error is not None:
            if not isinstance(error, LoginError | ClientError | EndpointConnectionError | ReadTimeoutError):
                raise error
        elif function.kind == "refresh":
            assert function.session is not None
            self._note(function.session, result)
            # A thief can have copied a handle of another session in the meantime.
            is_same = browser is not None and browser.session is function.session
            if browser is not None and is_same and (browser.has_lock or result.handle != function.sent):
                browser.handle = result.handle
        else:
            self._check_end(function)

    def _check_loss(self, function: ModelFunction, error: SessionEnded) -> None:
        model, browser = function.session, function.browser
        assert model is not None
        assert not isinstance(error, SessionUnreadable)
        if not model.reasons:
            assert not isinstance(error, HandleReplayed), "an honest user counts as a thief"
            assert self._may_have_expired(model), "a user has lost a session without a reason"
        if browser is not None and browser.session is model:
            browser.handle = browser.session = None

    def _check_end(self, function: ModelFunction) -> None:
        own = function.session
        for model in function.ends:
            # After its own session has ended for another reason, a handle names no user any more.
            if own is None or model is own or own.reasons <= {function.kind}:
                model.must_be_over = True
        if function.browser is not None:
            function.browser.handle = function.browser.session = None

    def _note(self, model: ModelSession, result: SignedIn) -> None:
        assert result.session.user.id == self.account.id
        assert result.session.session_id == model.session_id
        pair = (result.access_token, result.api_token)
        known = model.tokens.setdefault(result.session.generation, pair)
        assert known == pair, "two responses of a generation have different tokens"


def _newest(model: ModelSession) -> str:
    """Return the newest access token that a page of the session has received."""
    return next(reversed(model.tokens.values()))[0]
