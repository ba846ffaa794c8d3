"""A user of the site, as sessions, bearers, responses and studio APIs know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class User:
    """A user's record at the site.

    Attributes:
        type: entity type, such as `HumanUser`.
        id: the record's id; `type` and `id` together identify a user.
        login: as the site spells it. If the site did not return the record, what the user typed.
        name, email, permission_group: empty if the site did not return them.
    """

    type: str
    id: int
    login: str
    name: str = ""
    email: str = ""
    permission_group: str = ""

    @property
    def public(self) -> dict[str, str | int]:
        """The fields that pages receive."""
        return {"type": self.type, "id": self.id, "login": self.login}

    def to_row(self) -> dict[str, str | int]:
        """Return the attributes of a table row."""
        fields = asdict(self)
        return {"user_type": fields.pop("type"), "user_id": fields.pop("id"), **fields}

    @classmethod
    def from_row(cls, row: Mapping[str, str | int | bytes]) -> User:
        """Read the attributes that `to_row` wrote. Rows of older versions have only the first three."""
        optional = (str(row.get(name, "")) for name in ("name", "email", "permission_group"))
        return cls(str(row["user_type"]), int(row["user_id"]), str(row["login"]), *optional)
