"""The filters of a ShotGrid site's data routes: the rows that they select, and the errors for invalid filters.

A negated operator also selects rows without a value. The comparison of text ignores case (probed).
"""

from __future__ import annotations

import json
import re
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.site.errors import Rejected
from tests.site.show import SCHEMA, EntityType, Field, Link, Row

Predicate = Callable[[Row], bool]
Rows = Mapping[str, Mapping[int, Row]]

LISTED = ("is", "is_not", "in", "not_in")
COUNTED = ("is", "is_not", "greater_than", "less_than", "between", "in", "not_in")
LINKED = (
    "is", "is_not", "name_contains", "name_not_contains", "name_is", "type_is", "type_is_not", "in", "not_in",
)  # fmt: skip
DATED = (
    "is", "is_not", "greater_than", "less_than", "in_last", "not_in_last", "in_next", "not_in_next",
    "in_calendar_week", "in_calendar_month", "in_calendar_day", "in_calendar_year", "between", "in", "not_in",
)  # fmt: skip
OPERATORS = {
    "text": ("contains", "not_contains", "is", "is_not", "starts_with", "ends_with", "in", "not_in"),
    "status_list": LISTED,
    "color": LISTED,  # unknown
    "image": ("is", "is_not"),
    "number": COUNTED,
    "duration": COUNTED,
    "date": DATED,
    "date_time": DATED,
    "entity": LINKED,
    "multi_entity": LINKED,
}
NEGATED = {
    "is_not": "is",
    "not_contains": "contains",
    "not_in": "in",
    "name_not_contains": "name_contains",
    "type_is_not": "type_is",
    "not_in_last": "in_last",
    "not_in_next": "in_next",
}
UNITS = ("HOUR", "DAY", "WEEK", "MONTH", "YEAR")
# The types that a site lists in its errors. Real sites are written in Ruby, and use its names.
STRING, NUMBER = "[String, NilClass]", "[String, Integer, NilClass]"
ENTITY = (
    "[Hash, ActiveSupport::HashWithIndifferentAccess, ActionDispatch::Http::Parameters, "
    "ActionDispatch::Http::ParamsHashWithIndifferentAccess, NilClass]"
)


@dataclass(frozen=True)
class Site:
    """The rows of a site, and the day from which relative dates count."""

    rows: Rows
    today: date


# ---- paths -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Path:
    """A field, directly or through links, as in `entity.Shot.sg_sequence`.

    Filters accept every path. Only a `readable` path can be read: not one through a link to many rows, and not one
    through a type that the link never has (probed).
    """

    hops: tuple[tuple[EntityType, str, str], ...]  # type, name of its link field, type of the linked row
    kind: EntityType
    name: str
    field: Field
    readable: bool


def path(kind: EntityType, text: str) -> Path | None:
    """Parse a dotted path. Return None if there is no such field."""
    *through, name = text.split(".")
    hops: list[tuple[EntityType, str, str]] = []
    readable = True
    if len(through) % 2:
        return None
    for field_name, type_name in zip(through[::2], through[1::2], strict=True):
        field, target = kind.fields.get(field_name), SCHEMA.get(type_name)
        if field is None or target is None or not field.links:
            return None
        readable = readable and field.data_type == "entity" and type_name in field.links
        hops.append((kind, field_name, type_name))
        kind = target
    leaf = kind.fields.get(name)
    return Path(tuple(hops), kind, name, leaf, readable) if leaf else None


def values(rows: Rows, at: Path, row: Row) -> list[Any]:
    """Return the values of a row at a path, without nulls. A link to many rows can have more than one."""
    reached = [row]
    for kind, name, type_name in at.hops:
        links = [link for one in reached for link in _as_sequence(kind.read(one, name)) if link.type == type_name]
        reached = [rows[type_name][link.id] for link in links]
    return [value for one in reached for value in _as_sequence(at.kind.read(one, at.name))]


def _as_sequence(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


# ---- the two languages -----------------------------------------------------------------------------------


def triples(kind: EntityType, filters: Any, site: Site, verb: str = "read") -> Predicate:
    """Parse an array of conditions. A row must meet all of them (probed)."""
    if not isinstance(filters, list):
        raise Rejected(f"Query is not an Array: {_ruby(filters)}")
    if not all(isinstance(one, list) for one in filters):
        raise Rejected(f"Invalid filter. Expected array of basic condition arrays but received: {_ruby(filters)}")
    wanted = [triple(kind, one, site, verb) for one in filters]
    return lambda row: all(one(row) for one in wanted)


def group(kind: EntityType, filters: Any, site: Site, verb: str = "read") -> Predicate:
    """Parse a hash of conditions under `and` or `or`. Conditions are triples or such hashes (recorded, probed)."""
    if not isinstance(filters, dict):
        raise Rejected(f"Query is not an Hash: {_ruby(filters)}")
    if "logical_operator" not in filters:
        raise Rejected(f"Missing logical operator: {_ruby(filters)}")
    operator, conditions = filters["logical_operator"], filters.get("conditions")
    if operator not in ("and", "or"):
        raise Rejected(f"Invalid logical operator: {operator}")
    if not isinstance(conditions, list):
        raise Rejected(f"Missing conditions parameter: {_ruby(filters)}")
    wanted = [(group if isinstance(one, dict) else triple)(kind, one, site, verb) for one in conditions]
    if operator == "and" or not wanted:  # an empty group selects all rows (probed)
        return lambda row: all(one(row) for one in wanted)
    return lambda row: any(one(row) for one in wanted)


def triple(kind: EntityType, condition: Any, site: Site, verb: str = "read") -> Predicate:
    """Parse one condition: a path, an operator and a value."""
    if not isinstance(condition, list) or len(condition) != 3 or not isinstance(condition[0], str):
        raise Rejected(f"Invalid condition: {_ruby(condition)}")
    name, relation, value = condition[0], str(condition[1]), condition[2]
    wanted = value if isinstance(value, list) else [value]
    full = f"{kind.name}.{name}"
    at = path(kind, name)
    described = _ruby({"path": name, "relation": relation, "values": wanted})
    if at is None:  # recorded
        raise Rejected(f"API {verb}() {full} doesn't exist.", {full: f" does not exist. Value: {described}"})
    legal = OPERATORS[at.field.data_type]
    if relation not in legal:
        problem = f"data type doesn't support '{relation}' 'relation'"
        title = f"API {verb}() {full}'s '{at.field.data_type}' {problem}"
        raise Rejected(title, {full: f" {problem}. Value: {described} Valid relations: {json.dumps(legal)}"})
    positive = NEGATED.get(relation, relation)
    _check_count(verb, relation, positive, wanted)
    meets = _test(at.field.data_type, positive, [_operand(at, full, verb, positive, one) for one in wanted], site)
    negates = relation in NEGATED
    return lambda row: meets(values(site.rows, at, row)) is not negates


def _check_count(verb: str, relation: str, positive: str, wanted: list[Any]) -> None:
    start = f"API {verb}() '{relation}' 'relation'"
    if positive == "in":
        if not wanted:
            raise Rejected(f"{start} expects at least a 1-element array: []")
        return
    count = 2 if positive in ("between", "in_last", "in_next") else 1
    if len(wanted) != count:
        raise Rejected(f"{start} expects a {count}-element array: {_ruby(wanted)}")
    if positive.startswith("in_calendar") and not isinstance(wanted[0], int):
        raise Rejected(f"{start} expects an Integer: {_ruby(wanted)}")  # unknown
    if positive in ("in_last", "in_next"):
        if wanted[1] not in UNITS:
            problem = (
                f"doesn't support the '{wanted[1]}' time unit: {_ruby(wanted)}  Valid time units: {json.dumps(UNITS)}"
            )
            raise Rejected(f"{start} {problem}")
        if not isinstance(wanted[0], int) or wanted[0] < 1:
            raise Rejected(f"{start} expects at a positive Integer time unit")


# ---- one condition ---------------------------------------------------------------------------------------


def _operand(at: Path, full: str, verb: str, positive: str, value: Any) -> Any:
    """Return the value of a filter in the form of `_comparable`. Raises `Rejected` for a wrong value (probed)."""
    data_type = at.field.data_type
    if positive in ("in_last", "in_next") or positive.startswith("in_calendar"):
        return value
    by_word = positive.startswith(("name_", "type_"))
    expected = NUMBER if data_type in ("number", "duration") else ENTITY if at.field.links and not by_word else STRING
    types = {NUMBER: (str, int, float) if data_type == "duration" else (str, int), ENTITY: (dict,), STRING: (str,)}
    has_right_type: bool = isinstance(value, types[expected]) and not isinstance(value, bool)
    if value is not None and not has_right_type:
        got = f"{_ruby_class(value)}: {_ruby(value)}"
        raise Rejected(f"API {verb}() {full} expected {expected} data type(s) but got {got}")
    if positive == "in" and value is None and data_type == "text":
        raise Rejected(f"Read failed for entity type [{full.partition('.')[0]}]", code=104)
    if value is None:
        return None
    if expected is ENTITY:
        for key, is_a, word in (("type", str, "string"), ("id", int, "integer")):
            if not isinstance(value.get(key), is_a):
                raise Rejected(f"API {verb}() invalid/missing entity hash {word} '{key}': {_ruby(value)}")
        return value["type"], value["id"]
    if expected is NUMBER:
        try:
            return int(value)
        except ValueError:
            title = f"Invalid data for '{data_type}' data type"
            raise Rejected(title, {at.name: f"{title}. Value: {value}"}) from None
    if data_type in ("date", "date_time") and (value or data_type == "date_time"):
        return _day(value) if data_type == "date" else _moment(value).casefold()
    return value.casefold() or None  # an empty text means null (probed)


def _day(value: str) -> str:
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            raise ValueError
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Rejected(f"Invalid date format: {value}. Correct format is: 2011-01-21") from None


def _moment(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        correct = "Correct format is 2011-01-21T13:26:09Z (UTC), 2011-01-21T13:26:09-07:00 (UTC Offset)"
        title = f"Invalid date time format: {value}. {correct} or any ISO8601 compatible string."
        raise Rejected(title) from None
    return f"{(moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _test(data_type: str, positive: str, wanted: list[Any], site: Site) -> Callable[[list[Any]], bool]:
    """Return a test of the values of a row at a path, for an operator that is not negated."""
    if positive.startswith("in_") and data_type in ("date", "date_time"):
        first, last = (day.isoformat() for day in _span(positive, wanted, site.today))
        return lambda found: any(first <= value[:10] <= last for value in found)
    if positive == "is" and wanted[0] is None:
        return lambda found: not found
    if positive == "contains" and wanted[0] is None:  # every text contains the empty text (probed)
        return bool
    if None in wanted:
        wanted = [] if positive == "between" else [one for one in wanted if one is not None]
    if not wanted:
        return lambda found: False
    word = wanted[0]
    tests: dict[str, Callable[[Any], bool]] = {
        "is": lambda value: _comparable(value) == word,
        "in": lambda value: _comparable(value) in wanted,
        "contains": lambda value: word in _comparable(value),
        "starts_with": lambda value: bool(_comparable(value).startswith(word)),
        "ends_with": lambda value: bool(_comparable(value).endswith(word)),
        "greater_than": lambda value: bool(_comparable(value) > word),
        "less_than": lambda value: bool(_comparable(value) < word),
        "between": lambda value: bool(min(wanted) <= _comparable(value) <= max(wanted)),  # both ends included (probed)
        "name_is": lambda value: value.name.casefold() == word,
        "name_contains": lambda value: word in value.name.casefold(),
        "type_is": lambda value: value.type.casefold() == word,
    }
    test = tests[positive]
    return lambda found: any(test(value) for value in found)


def _comparable(value: Any) -> Any:
    if isinstance(value, Link):
        return value.type, value.id
    return value.casefold() if isinstance(value, str) else value


def _span(positive: str, wanted: list[Any], today: date) -> tuple[date, date]:
    """Return the first and last day of a relative operator. Unknown: the first day of the week; here Monday."""
    if positive in ("in_last", "in_next"):
        far = _moved(today, wanted[0] if positive == "in_next" else -wanted[0], wanted[1])
        return min(today, far), max(today, far)
    unit, by = positive.removeprefix("in_calendar_").upper(), int(wanted[0])
    if unit == "WEEK":
        first = _moved(today - timedelta(days=today.weekday()), by, unit)
    elif unit == "DAY":
        first = _moved(today, by, unit)
    else:
        first = _moved(today.replace(day=1) if unit == "MONTH" else today.replace(month=1, day=1), by, unit)
    return first, _moved(first, 1, unit) - timedelta(days=1)


def _moved(day: date, by: int, unit: str) -> date:
    if unit == "HOUR":  # dates have no hours: less than 24 hours means today (probed)
        return day + timedelta(days=int(by / 24))
    if unit in ("DAY", "WEEK"):
        return day + timedelta(days=by * (7 if unit == "WEEK" else 1))
    months = day.year * 12 + day.month - 1 + by * (12 if unit == "YEAR" else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


# ---- values in the errors of a site ----------------------------------------------------------------------


def _ruby(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} => {_ruby(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_ruby(one) for one in value) + "]"
    return "nil" if value is None else json.dumps(value, ensure_ascii=False)


def _ruby_class(value: Any) -> str:
    if isinstance(value, bool):
        return "TrueClass" if value else "FalseClass"
    return {int: "Integer", float: "Float", str: "String", list: "Array", dict: "Hash"}.get(type(value), "NilClass")
