"""The core of the package (sign-in, refresh, sessions, challenges, failed attempts) on real tables, with its own clock.

The tables and the key are on local AWS. The site is the fake site, over HTTP.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from unittest.mock import patch

from shotgrid_login.app_session_launcher import AppSessionLauncher
from shotgrid_login.approvals import Approvals
from shotgrid_login.aws import AwsError
from shotgrid_login.bearers import Bearer, Bearers, bearer_id
from shotgrid_login.browser_sign_in import BrowserSignIn
from shotgrid_login.challenges import Challenge, Challenges
from shotgrid_login.failed_attempts import FailedAttempts
from shotgrid_login.hashes import Hashes
from shotgrid_login.places import POLLS, REFRESHES, SIGN_INS, STARTS, Kind, Places, row_id
from shotgrid_login.refresh import Refresh
from shotgrid_login.sealing import Sealer
from shotgrid_login.sessions import INDEX, Handle, Sessions, SignedIn
from shotgrid_login.sign_in import SignIn
from shotgrid_login.site import Site
from shotgrid_login.table import Row, Table
from shotgrid_login.users import User
from tests.site.fake_site import Account, FakeSite

SESSION_SECONDS = 12 * 3600
IDLE_SECONDS = 2 * 3600


AWS_FAILS = AwsError("UpdateItem", 500, {})


class Clock:
    """A clock that moves only when a test moves it. It starts at the real time, as the fake site's tokens do."""

    def __init__(self) -> None:
        self.now = int(time.time())

    def __call__(self) -> float:
        return float(self.now)

    def advance(self, seconds: float) -> None:
        self.now += max(1, int(seconds))


class Clients(Protocol):
    """Local AWS as its own process, or in this process."""

    def client(self, service: str) -> Any:
        """Return a boto3 client."""


@dataclass(frozen=True)
class Storage:
    """Two tables and two keys on local AWS."""

    state: Table
    bearers: Table
    sealer: Sealer
    hashes: Hashes

    @classmethod
    def create(cls, aws: Clients, prefix: str = "core", wrap: Callable[[Any], Any] = lambda client: client) -> Storage:
        """Create tables whose names begin with `prefix`. `wrap` can put another client around each AWS client."""
        dynamodb, kms = aws.client("dynamodb"), aws.client("kms")
        for name, keys in ((f"{prefix}-state", ("id", "user_key")), (f"{prefix}-bearers", ("id",))):
            index = {
                "IndexName": INDEX,
                "KeySchema": [{"AttributeName": "user_key", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            dynamodb.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                **({"GlobalSecondaryIndexes": [index]} if "user_key" in keys else {}),
            )
        key_arn = kms.create_key()["KeyMetadata"]["Arn"]
        hash_key_arn = kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]
        return cls(
            Table(wrap(dynamodb), f"{prefix}-state"),
            Table(wrap(dynamodb), f"{prefix}-bearers"),
            Sealer(wrap(kms), key_arn),
            Hashes(wrap(kms), hash_key_arn),
        )


@dataclass
class Core:
    """The core, and the fake site behind it."""

    storage: Storage
    fake_site: FakeSite
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.site = Site(self.fake_site.url)
        self._hash_with(self.storage.hashes)
        self.bearers = Bearers(self.storage.bearers)
        self.sessions = Sessions(self.storage.state, self.bearers, self.storage.sealer, SESSION_SECONDS, IDLE_SECONDS)
        self.approvals = Approvals(self.storage.state, self.storage.sealer)
        self.places = Places(self.storage.state)
        for kind in (SIGN_INS, STARTS, POLLS, REFRESHES):  # callers of earlier tests, whose clocks differ
            self.storage.state.delete(row_id(kind))
        self.address = "10." + ".".join(str(secrets.randbelow(256)) for _ in range(3))

    def restart(self) -> None:
        """Forget the secret of the hashes, as in a new function instance."""
        hashes = self.storage.hashes
        self._hash_with(Hashes(hashes._kms, hashes._key_arn))  # noqa: SLF001

    def _hash_with(self, hashes: Hashes) -> None:
        self.hashes = hashes
        self.challenges = Challenges(self.storage.state, self.storage.sealer, self.hashes)
        self.failed_attempts = FailedAttempts(self.storage.state, self.hashes)

    def sign_in(self, site_url: str = "") -> SignIn:
        """Return the sign-in at the fake site, or at another URL."""
        site = Site(site_url) if site_url else self.site
        return SignIn(site, self.challenges, self.sessions, self.failed_attempts, self.hashes, self.clock)

    def browser_sign_in(self, *, offers_it: bool = True) -> BrowserSignIn:
        """Return the browser sign-in, with a connection of its own, as each function instance has."""
        site = Site(self.fake_site.url)
        return BrowserSignIn(
            site,
            AppSessionLauncher(site.connection),
            self.approvals,
            self.sessions,
            self.failed_attempts,
            self.hashes,
            self.places,
            offers_it=offers_it,
            seconds=self.clock,
        )

    def refresh(self) -> Refresh:
        """Return a refresh with a connection of its own, as each function instance has. Pauses move the clock."""
        return Refresh(Site(self.fake_site.url), self.sessions, self.places, self.clock, self.clock.advance)

    def new_user(self, **switches: Any) -> Account:
        """Open an account at the fake site that no other test uses."""
        return self.fake_site.add_user(f"artist_{secrets.token_hex(4)}", f"pass-{secrets.token_hex(8)}", **switches)

    def signed_in(self, user: Account | None = None) -> SignedIn:
        """Sign in without a code."""
        account = user or self.new_user()
        result = self.sign_in().with_password(account.login, account.password, self.address)
        assert isinstance(result, SignedIn)
        return result

    def start_session(self, account: Account) -> SignedIn:
        """Start a session without an attempt to sign in."""
        tokens, now = Site(self.fake_site.url).password(account.login, account.password), self.clock.now
        user = User("HumanUser", account.id, account.login)
        return self.sessions.start(self.sessions.prepare(tokens, now), user, now, user_hash="")

    def challenge(self, username: str, password: str) -> Challenge:
        """Issue a challenge without an attempt to sign in."""
        name = self.hashes.user(username)
        return self.challenges.issue(username, password, self.clock.now, name=name, user=name)

    def taken_places(self, kind: Kind) -> int:
        """Return how many callers wait for the site."""
        row = self.storage.state.get(row_id(kind)) or {}
        return len([name for name in row if name.startswith("place_")])

    @contextmanager
    def without_places(self, kind: Kind) -> Iterator[None]:
        """Let others take all places."""
        places = [self.places.take(kind, self.clock.now) for _ in range(kind.limit)]
        yield
        assert self.taken_places(kind) == kind.limit
        for place in places:
            self.places.give_back(place)

    @contextmanager
    def failing_writes(self, prefix: str, change: str = "", error: Exception = AWS_FAILS) -> Iterator[None]:
        """Let AWS fail the updates of rows with this prefix that begin with `change`; without `change`, all writes."""
        update, put = Table.update, Table.put

        def failing_update(table: Table, row_id: str, expression: str, *rest: Any) -> Row:
            if row_id.startswith(prefix) and expression.startswith(change):
                raise error
            return update(table, row_id, expression, *rest)

        def failing_put(table: Table, row: Row, *rest: Any) -> None:
            if str(row["id"]).startswith(prefix) and not change:
                raise error
            put(table, row, *rest)

        with patch.object(Table, "update", failing_update), patch.object(Table, "put", failing_put):
            yield

    def expire_access_token(self) -> None:
        """Move the clock to when access tokens of 600 s are about to expire."""
        self.clock.advance(600 - 59)

    def session_row(self, result: SignedIn) -> dict[str, Any]:
        row = self.storage.state.get(f"session#{result.session.session_id}")
        assert row is not None
        return dict(row)

    def has_session(self, result: SignedIn) -> bool:
        return self.storage.state.get(f"session#{result.session.session_id}") is not None

    def bearers_of(self, result: SignedIn) -> set[str]:
        """Return the ids of all bearers of a session, from the whole table."""
        rows = self.storage.bearers.scan("")
        return {str(row["id"]) for row in rows if row.get("session_id") == result.session.session_id}

    def reserved_until(self, sign_in: Callable[[], SignedIn]) -> int:
        """Return until when a sign-in reserves the row of its bearer. This sign-in does not write the bearer."""
        with patch.object(self.bearers, "put_reserved"):
            row = self.storage.bearers.get(sign_in().session.bearers[0])
        assert row is not None
        return int(row["expires_at"])

    def make_legacy(self, result: SignedIn) -> Handle:
        """Turn a session into one that an earlier version has written, and return the handle that it gave out."""
        session_id = result.session.session_id
        opened = self.sessions.recognize(result.handle, result.session, self.clock.now)[1]
        handle = Handle(session_id, secrets.token_bytes(32))
        secret = str(handle).partition(".")[2]
        values = {"access": opened.access_token, "refresh": opened.refresh_token, "secret": secret}
        row = self.session_row(result)
        for name in ("generation", "handle_key", "user_key", "user_hash", "user_read_at", "confirmed", "forced_at"):
            del row[name]
        del row["waiters"]
        bearer = bearer_id(result.access_token)
        self.bearers.put(bearer, Bearer(session_id, result.session.access_expires_at, result.session.user))
        sealed = self.storage.sealer.seal(values, {"purpose": "session", "session": session_id})
        self.storage.state.put(row | {"sealed": sealed, "secret_hash": handle.hash, "bearers": bearer})
        return handle
