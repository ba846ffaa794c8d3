"""A user of the site, as sessions, bearers, responses and studio APIs know it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Longer values are not names, addresses or groups, and do not belong in an authorizer's context. Characters.
LONGEST_TEXT = 128

# Unicode general categories: control characters, surrogates, line and paragraph separators.
_FORBIDDEN_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}

# Unicode general categories: these, format characters, private use, and unassigned code points.
_INVISIBLE_CATEGORIES = _FORBIDDEN_CATEGORIES | {"Cf", "Co", "Cn"}

# The characters of other categories that are not displayed: the property Default_Ignorable_Code_Point (Unicode 15.1,
# DerivedCoreProperties.txt). Python does not have this property.
_DEFAULT_IGNORABLE = (
    ("\u034f", "\u034f"),  # COMBINING GRAPHEME JOINER
    ("\u115f", "\u1160"),  # fillers of Hangul
    ("\u17b4", "\u17b5"),  # inherent vowels of Khmer
    ("\u180b", "\u180f"),  # variation selectors of Mongolian
    ("\u3164", "\u3164"),  # HANGUL FILLER
    ("\ufe00", "\ufe0f"),  # variation selectors
    ("\uffa0", "\uffa0"),  # HALFWIDTH HANGUL FILLER
    ("\ufffc", "\ufffc"),  # OBJECT REPLACEMENT CHARACTER: not ignorable, but LDAP ignores it (RFC 4518, 2.2)
    ("\U000e0100", "\U000e01ef"),  # variation selectors
)


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


def whole_number(value: Any) -> int | None:
    """Return a whole number from 0 to twelve digits, which a site may send as text; for anything else return None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        return int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 0 <= value < 10**12 else None


def is_invisible(character: str) -> bool:
    """Whether a character is not a visible one and not a space: a control or format character, or an unknown one."""
    is_ignorable = any(first <= character <= last for first, last in _DEFAULT_IGNORABLE)
    return is_ignorable or unicodedata.category(character) in _INVISIBLE_CATEGORIES


def usable_text(value: Any) -> str:
    """Return a value that is one line of text of at most `LONGEST_TEXT` characters; for anything else return ""."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return ""
    return "" if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in value) else value
