"""The state of the fake site, and a record of the requests that it received."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from tests.site.accounts import Account
from tests.site.faults import Faults
from tests.site.launcher import ApprovalRequests
from tests.site.show import Row, Show


class State(ApprovalRequests):
    """Accounts, approval requests, the show, faults and counts. The routes read and write it, and so do tests.

    A name in the counts is a user's login, a script's name, or `launcher`.
    """

    def __init__(self, show: Show | None = None) -> None:
        super().__init__()
        self.show = show or Show(datetime.now(UTC).date())
        self.faults = Faults()
        self.requests: Counter[tuple[str, str]] = Counter()  # by name and grant
        self.responses: Counter[tuple[str, str]] = Counter()  # by name and grant
        self.reads: Counter[tuple[str, str]] = Counter()  # by name and path; the name is "" without a valid bearer
        self.seen_addresses: set[str] = set()  # URLs with their query, referrers and origins of data requests

    # ---- for tests -------------------------------------------------------------------------------------

    def requests_for(self, user: Account, grant: str) -> int:
        """Return how many token requests with a grant the site has received for a user."""
        return self.requests[user.login, grant]

    def reads_by(self, user: Account) -> int:
        """Return how many data requests had a valid bearer of this user, without reads of the user's own row."""
        with self._lock:
            reads = [(path, count) for (login, path), count in self.reads.items() if login == user.login]
        return sum(count for path, count in reads if path != self.own_row(user.login))

    def own_row(self, login: str) -> str | None:
        """Return the path of a user's own row, None if no user has this login."""
        user = self.accounts.get(login)
        return f"/api/v1/entity/human_users/{user.id}" if user else None

    # ---- for the routes --------------------------------------------------------------------------------

    def count_request(self, name: str, grant: str) -> None:
        with self._lock:
            self.requests[name, grant] += 1

    def count_response(self, name: str, grant: str) -> None:
        with self._lock:
            self.responses[name, grant] += 1

    def count_read(self, name: str, path: str) -> None:
        with self._lock:
            self.reads[name, path] += 1

    def add_addresses(self, *addresses: str) -> None:
        with self._lock:
            self.seen_addresses |= set(addresses) - {""}

    def rows(self) -> dict[str, dict[int, Row]]:
        """Return the rows of the show, and a row for each user with an account."""
        with self._lock:
            users = {user.id: user.row for user in self.accounts.values()}
        rows = self.show.rows
        return rows | {"HumanUser": rows["HumanUser"] | users}
