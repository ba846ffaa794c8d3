"""Operations of the functions, each of which can be disturbed at every call to AWS.

AWS fails, a response is lost, or the function dies. The caller gets a documented error, and the user can go on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from shotgrid_login import approvals, refresh
from shotgrid_login.browser_sign_in import PAGE_INTERVAL
from shotgrid_login.sessions import SignedIn
from tests.site.fake_site import FakeSite
from tests.support.core import Clients, Core, Storage
from tests.support.core_functions import CoreFunctions, Response, core_functions, post, post_form
from tests.support.stepped import Failure, Killed, SteppedClient, SteppedFunction

TOKEN_ENDPOINT = "/api/v1/auth/access_token"

# Stands in the text of each error. Texts of errors can contain what the caller sent, so they must not be logged.
PLANTED = "planted-secret"


def _client_error(code: str) -> Failure:
    return Failure(ClientError({"Error": {"Code": code, "Message": PLANTED}}, "Operation"))


# By what a call does. The SDK has already repeated the call when it raises these.
FAULTS = {
    "dynamodb": [
        _client_error("ProvisionedThroughputExceededException"),
        _client_error("ThrottlingException"),
        _client_error("AccessDeniedException"),
        _client_error("InternalServerError"),
        Failure(EndpointConnectionError(endpoint_url=PLANTED)),
        Failure(ConnectTimeoutError(endpoint_url=PLANTED)),
    ],
    "kms": [
        _client_error("ThrottlingException"),
        _client_error("DisabledException"),
        _client_error("KMSInvalidStateException"),
        _client_error("AccessDeniedException"),
        _client_error("KMSInternalException"),
        Failure(ReadTimeoutError(endpoint_url=PLANTED)),
    ],
}
KMS_CALLS = ("encrypt", "decrypt", "generate_mac")
WRITES = ("put_item", "update_item", "delete_item")
LOST_RESPONSE = Failure(ReadTimeoutError(endpoint_url=PLANTED), is_late=True)


# A call that is disturbed: the operation, the number of calls before it, and a number that chooses the disturbance.
Disturbance = tuple[str, int, int]


@dataclass(frozen=True)
class Operation:
    """A request to a function.

    Attributes:
        status: the status without a fault.
        tolerates_faults: some of its calls can fail without an error.
        check: asserts that the user can go on, after the request has failed.
    """

    function: str
    request: Any
    status: int
    check: Callable[[], None]
    tolerates_faults: bool = False


class Operations:
    """The functions on the core, and the operations to try: the methods with a public name and no parameters."""

    def __init__(self, functions: CoreFunctions) -> None:
        self.core = functions.core
        self.functions = functions

    # ---- operations ----------------------------------------------------------------------------------------

    def password_step_to_a_code(self) -> Operation:
        user = self.core.new_user(two_factor=True)
        request = post("/auth/password", self.core.address, username=user.login, password=user.password)
        return Operation("password", request, 202, lambda: self._succeeds("password", request, 202))

    def password_step_that_replaces_a_session(self) -> Operation:
        user = self.core.new_user()
        old = self.core.start_session(user)
        fields = {"username": user.login, "password": user.password, "refresh_token": str(old.handle)}
        request = post("/auth/password", self.core.address, **fields)

        def check() -> None:
            self._succeeds("password", request, 200)
            self._is_ended(old)

        return Operation("password", request, 200, check, tolerates_faults=True)

    def code_step(self) -> Operation:
        user = self.core.new_user(two_factor=True)
        first, second = user.backup_codes

        def request(challenge: str, code: str) -> dict[str, Any]:
            return post("/auth/otp", self.core.address, challenge=challenge, code=code)

        challenge = self.core.challenge(user.login, user.password).text

        def check() -> None:
            response = self.functions.call("otp", request(challenge, second))
            if response.status == 410:  # the challenge was used before the fault
                new = self.core.challenge(user.login, user.password).text
                response = self.functions.call("otp", request(new, second))
            assert response.status == 200, response

        return Operation("otp", request(challenge, first), 200, check)

    def start_in_the_browser(self) -> Operation:
        request = post("/auth/browser", self.core.address, transport="token")
        return Operation("browser", request, 202, lambda: self._succeeds("browser", request, 202))

    def poll_before_the_approval(self) -> Operation:
        request = self._poll(self._start())

        def check() -> None:
            self.core.clock.advance(approvals.LEASE_SECONDS)
            self._succeeds("approval", request, 202)

        return Operation("approval", request, 202, check)

    def poll_after_the_approval(self) -> Operation:
        user = self.core.new_user()
        started = self._start()
        self.core.fake_site.approve(started["approval_url"], user)
        request = self._poll(started)

        def check() -> None:
            self.core.clock.advance(approvals.LEASE_SECONDS)
            response = self.functions.call("approval", request)
            if response.status == 410:  # the site sends its result once, and the fault was between it and the row
                again = self._start()
                self.core.fake_site.approve(again["approval_url"], user)
                response = self.functions.call("approval", self._poll(again))
            assert response.status == 200, response

        return Operation("approval", request, 200, check)

    def refresh_of_a_fresh_token(self) -> Operation:
        return self._refresh(after=300)

    def refresh_of_an_expired_token(self) -> Operation:
        return self._refresh(after=600)

    def refresh_with_the_users_record(self) -> Operation:
        return self._refresh(after=refresh.USER_MAX_AGE + 1)

    def forced_refresh(self) -> Operation:
        return self._refresh(after=1, is_forced=True)

    def token_endpoint_password(self) -> Operation:
        user = self.core.new_user()
        form = {"grant_type": "password", "username": user.login, "password": user.password}
        request = post_form(TOKEN_ENDPOINT, self.core.address, **form)
        return Operation("access_token", request, 200, lambda: self._succeeds("access_token", request, 200))

    def token_endpoint_refresh(self) -> Operation:
        handle = self.core.start_session(self.core.new_user()).handle
        request = post_form(TOKEN_ENDPOINT, self.core.address, grant_type="refresh_token", refresh_token=str(handle))
        return Operation("access_token", request, 200, lambda: self._succeeds("access_token", request, 200))

    def sign_out(self) -> Operation:
        return self._sign_out()

    def sign_out_everywhere(self) -> Operation:
        return self._sign_out(everywhere=True)

    def session_of_a_bearer(self) -> Operation:
        session_id = self.core.start_session(self.core.new_user()).session.session_id
        request = post("/auth/session", self.core.address) | {"httpMethod": "GET", "body": None}
        request["requestContext"] = {**request["requestContext"], "authorizer": {"session_id": session_id}}
        return Operation("session", request, 200, lambda: self._succeeds("session", request, 200))

    def _refresh(self, after: int, *, is_forced: bool = False) -> Operation:
        # A site that retires refresh tokens is another matter: with a fault after its response, its tokens are lost.
        session = self.core.start_session(self.core.new_user(retires_refresh_tokens=False))
        self.core.clock.advance(after)
        fields = {"refresh_token": str(session.handle)}
        if is_forced:
            fields["refused_access_token"] = session.access_token
        request = post("/auth/refresh", self.core.address, **fields)

        def check() -> None:
            self.core.clock.advance(refresh.LEASE_SECONDS)
            self._succeeds("refresh", request, 200)

        return Operation("refresh", request, 200, check)

    def _sign_out(self, **fields: bool) -> Operation:
        user = self.core.new_user()
        sessions = [self.core.start_session(user) for _ in range(2 if fields else 1)]
        request = post("/auth/logout", self.core.address, refresh_token=str(sessions[0].handle), **fields)

        def check() -> None:
            self._succeeds("logout", request, 204)
            for session in sessions:
                self._is_ended(session)

        return Operation("logout", request, 204, check)

    def _start(self) -> dict[str, Any]:
        response = self.functions.call("browser", post("/auth/browser", self.core.address, transport="token"))
        assert response.status == 202, response
        started: dict[str, Any] = response.body
        return started

    def _poll(self, started: dict[str, Any]) -> dict[str, Any]:
        self.core.clock.advance(PAGE_INTERVAL)
        return post("/auth/approval", self.core.address, challenge=started["challenge"])

    # ---- what is true afterwards -----------------------------------------------------------------------------

    def _succeeds(self, function: str, request: Any, status: int) -> None:
        response = self.functions.call(function, request)
        assert response.status == status, response

    def _is_ended(self, session: SignedIn) -> None:
        assert not self.core.has_session(session)
        assert self.core.bearers.find(session.api_token, 0) is None

    # ---- the disturbance -------------------------------------------------------------------------------------

    def disturb(self, disturbance: Disturbance) -> str | None:
        """Disturb one call of an operation and check what follows.

        Returns what was disturbed; None if the operation makes fewer calls, and so has ended as it should.
        """
        name, calls, choice = disturbance
        # Earlier operations have moved the clock, and the site's refresh tokens expire by the real time.
        self.core.clock.now = int(time.time())
        operation: Operation = getattr(self, name)()
        function = SteppedFunction(
            lambda: self.functions.call(operation.function, operation.request), is_backwards=choice // 2 % 2 == 1
        )
        function.go(calls + 1)  # the first step is the start
        if function.is_over:
            assert function.error is None, function.error
            assert function.result.status == operation.status, function.result
            return None
        call = function.stopped_before
        failures = [LOST_RESPONSE] * (call in WRITES) + FAULTS["kms" if call in KMS_CALLS else "dynamodb"]
        # Every second disturbance is the death of the function.
        if choice % 2:
            function.kill()
            assert isinstance(function.error, Killed)
            kind = "death"
        else:
            chosen = failures[choice // 2 % len(failures)]
            function.fail(chosen)
            function.finish()
            response: Response = function.result
            assert response is not None, function.error
            kind = "response lost" if chosen.is_late else _name(chosen.error)
            if operation.tolerates_faults and response.status == operation.status:
                operation.check()
                return f"{call}: {kind}, tolerated"
            assert response.status == 500, (call, response)
            assert response.code == "internal_error" or response.body["errors"][0]["status"] == 500, (call, response)
        operation.check()
        return f"{call}: {kind}"


def _name(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__


OPERATIONS = [name for name in vars(Operations) if not name.startswith("_") and name != "disturb"]


@contextlib.contextmanager
def operations(aws: Clients, prefix: str) -> Iterator[Operations]:
    """Provide the operations with their own tables, whose names begin with `prefix`, and their own site."""
    storage = Storage.create(aws, prefix, SteppedClient)
    with FakeSite() as fake_site:
        core = Core(storage, fake_site)
        fake_site.clock = core.clock
        core.hashes.user("anyone")  # makes the secret of the hashes, as the first request of a function does
        dynamodb = SteppedClient(aws.client("dynamodb"))
        yield Operations(core_functions(core, dynamodb, f"{prefix}-bearers"))
