"""The responses of a ShotGrid site's data routes, over the rows of a show.

A word such as `probed` or `recorded` in a comment is the source of a fact, as in `site-contract.md`.

An unknown field in a filter is an error with status 400. An unknown field in `fields` or `sort` is ignored (probed).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.site.errors import Rejected
from tests.site.filters import Path, Predicate, Site, group, path, triple, triples, values
from tests.site.show import SCHEMA, EntityType, Link, Row

# The content type selects one of two languages for filters (recorded, probed).
ARRAY, HASH = "application/vnd+shotgun.api3_array+json", "application/vnd+shotgun.api3_hash+json"
PAGE_SIZE, LARGEST_PAGE = 500, 5000  # probed: the error says "less than 5000", but 5000 is accepted
SUMMARIES = (
    "record_count, count, sum, maximum, minimum, average, earliest, latest, percentage, status_percentage, "
    "status_percentage_as_float, status_list, checked, unchecked"
)  # probed
GROUPINGS = (
    "exact, tens, hundreds, thousands, tensofthousands, hundredsofthousands, millions, day, week, month, quarter, "
    "year, clustered_date, oneday, fivedays, entitytype, firstletter"
)  # probed


def entity_type(name: str) -> EntityType:
    """Return the type in a path: by its plural or by its own name (recorded, probed)."""
    for kind in SCHEMA.values():
        if name in (kind.plural, kind.name, kind.name.lower()):
            return kind
    raise Rejected(f"Entity type '{name}' does not exist.", status=404)


@dataclass(frozen=True)
class Request:
    """A request to a data route. `query` has one value for each name."""

    path: str
    query: Mapping[str, str]
    content_type: str = ""
    body: bytes = b""

    def parameters(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the filters are an array, and the parameters in the body and the query.

        A search reads `fields`, `sort` and `page` from its query (client, and the site's own `next` link: recorded).
        Unknown: which one counts if the body has them too. Here the body counts.
        """
        if self.content_type not in (ARRAY, HASH):
            source = {"content_type": f"Content-Type must be one of: '{ARRAY}', '{HASH}'."}
            raise Rejected(f"Unsupported Content-Type '{self.content_type}'", source, status=415)
        try:
            body = json.loads(self.body or b"{}")
        except ValueError as wrong:
            raise Rejected("Invalid JSON body", {"body": str(wrong)}) from None
        if not isinstance(body, dict):
            raise Rejected("Invalid JSON body", {"body": "not an object"})  # unknown
        return self.content_type == ARRAY, self.selection() | body

    def selection(self) -> dict[str, Any]:
        """Return the parameters in the query: fields, order and page."""
        page = {name: self.query[f"page[{name}]"] for name in ("size", "number") if f"page[{name}]" in self.query}
        return {name: self.query[name] for name in ("fields", "sort") if name in self.query} | {"page": page}


@dataclass(frozen=True)
class Data(Site):
    """The response bodies of the data routes, over the rows of a site."""

    def one(self, kind: EntityType, row_id: int, request: Request) -> dict[str, Any]:
        """`GET /entity/<type>/<id>`."""
        row = self.rows[kind.name].get(row_id)
        if row is None:
            raise Rejected("Not Found", status=404, code=104, detail=f"{kind.name}: {row_id} not found")  # recorded
        data = self._rendered(kind, row, request.query.get("fields", "*"))
        return {"data": data, "links": {"self": data["links"]["self"]}}

    def listing(self, kind: EntityType, request: Request) -> dict[str, Any]:
        """`GET /entity/<type>`. A `filter[path]` has one value, or several separated by commas (recorded)."""
        wanted = [
            triple(
                kind, [name[7:-1], "in" if "," in value else "is", value.split(",") if "," in value else value], self
            )
            for name, value in request.query.items()
            if name.startswith("filter[") and name.endswith("]")
        ]
        return self._page(kind, lambda row: all(one(row) for one in wanted), request, request.selection())

    def search(self, kind: EntityType, request: Request) -> dict[str, Any]:
        """`POST /entity/<type>/_search`. A `filter[path]` in the query is ignored (probed)."""
        is_array, parameters = request.parameters()
        return self._page(kind, self._predicate(kind, parameters, "read", is_array=is_array), request, parameters)

    def summarize(self, kind: EntityType, request: Request) -> dict[str, Any]:
        """`POST /entity/<type>/_summarize`."""
        is_array, parameters = request.parameters()
        predicate = self._predicate(kind, parameters, "summarize", is_array=is_array)
        return {"data": self.summary(kind, parameters.get("summary_fields"), parameters.get("grouping"), predicate)}

    def summary(self, kind: EntityType, summary_fields: Any, grouping: Any, predicate: Predicate) -> dict[str, Any]:
        """Return summaries of the rows, with one level of groups for each grouping (probed)."""
        summaries = [_Summary.parsed(kind, at, one) for at, one in enumerate(summary_fields or [])]
        groupings = [_Grouping.parsed(kind, at, one) for at, one in enumerate(grouping or [])]
        if not summaries:
            _invalid({"summary_fields": ["summary_fields must be filled"]})  # unknown
        rows = [row for row in self.in_order(kind) if predicate(row)]
        return {"groups": []} | self._summarized(rows, summaries, groupings)

    # ---- finding and showing rows ------------------------------------------------------------------------

    def _predicate(self, kind: EntityType, parameters: Mapping[str, Any], verb: str, *, is_array: bool) -> Predicate:
        filters = parameters.get("filters")
        if filters is None:  # recorded, for a summary
            return lambda row: True
        return (triples if is_array else group)(kind, filters, self, verb)

    def in_order(self, kind: EntityType, sort: str | None = None) -> list[Row]:
        """Return the rows ordered by id, or by a sort such as `-due_date,code` and then by id (probed).

        Unknown: the place of rows without a value. Here they are last, as in PostgreSQL, the database of real sites.
        """
        rows = sorted(self.rows[kind.name].values(), key=lambda row: row.id)
        for key in reversed(sort.split(",") if sort else []):
            by = path(kind, key.lstrip("-"))
            if by is None:
                continue  # ignored (probed)
            valued = [(_sortable(found[0]), row) for row in rows if (found := values(self.rows, by, row))]
            valued.sort(key=lambda pair: pair[0], reverse=key.startswith("-"))
            rows = [row for _, row in valued] + [row for row in rows if not values(self.rows, by, row)]
        return rows

    def _page(
        self, kind: EntityType, predicate: Predicate, request: Request, parameters: Mapping[str, Any]
    ) -> dict[str, Any]:
        sort = parameters.get("sort")
        if sort is not None:
            _check_sort(sort)
        page = parameters.get("page") or {}
        size, number = _positive(page, "size", PAGE_SIZE), _positive(page, "number", 1)
        if size > LARGEST_PAGE:
            _invalid({"page": {"size": [f"size must be less than {LARGEST_PAGE}"]}})
        found = [row for row in self.in_order(kind, sort) if predicate(row)]
        shown = found[(number - 1) * size : number * size]
        fields = parameters.get("fields") or "*"  # no `fields` means all: probed for one row, unknown for lists

        def link_to(number: int) -> str:
            return _url(request, {"page[number]": str(number), "page[size]": str(size)})

        # Every page has a `next` link, also the last one (recorded, probed).
        links = {"self": _url(request, {}), "next": link_to(number + 1)} | (
            {"prev": link_to(number - 1)} if number > 1 else {}
        )
        return {"data": [self._rendered(kind, row, fields) for row in shown], "links": links}

    def _rendered(self, kind: EntityType, row: Row, fields: str | list[str]) -> dict[str, Any]:
        """Return a row: links under `relationships`, other fields under `attributes`, by their full names.

        Unknown fields and paths that are not readable are left out (probed). Unknown: the place of a dotted path to a
        link; here `relationships`.
        """
        names = fields.split(",") if isinstance(fields, str) else fields
        own = f"/api/v1/entity/{kind.plural}/{row.id}"
        attributes: dict[str, Any] = {}
        relationships: dict[str, Any] = {}
        for name in kind.fields if "*" in names else names:
            at = path(kind, name)
            if at is None or not at.readable or name == "id":
                continue
            found = values(self.rows, at, row)
            if not at.field.links:
                attributes[name] = found[0] if found else None
                continue
            links = {"self": f"{own}/relationships/{name}"}
            if at.field.data_type == "entity" and found and found[0].type in SCHEMA:
                links["related"] = f"/api/v1/entity/{SCHEMA[found[0].type].plural}/{found[0].id}"
            shown = [{"id": one.id, "name": one.name, "type": one.type} for one in found]
            is_list = at.field.data_type == "multi_entity"
            relationships[name] = {"data": shown if is_list else shown[0] if shown else None, "links": links}
        return {
            "type": kind.name,
            "attributes": attributes,
            "relationships": relationships,
            "id": row.id,
            "links": {"self": own},
        }

    # ---- summaries ---------------------------------------------------------------------------------------

    def _summarized(self, rows: list[Row], summaries: list[_Summary], groupings: list[_Grouping]) -> dict[str, Any]:
        # The second summary of a field replaces the first (probed).
        found = {one.name: one.of([values(self.rows, one.path, row) for row in rows]) for one in summaries}
        body: dict[str, Any] = {"summaries": {name: value for name, value in found.items() if value is not Ellipsis}}
        if groupings:
            body["groups"] = self._groups(rows, summaries, groupings)
        return body

    def _groups(self, rows: list[Row], summaries: list[_Summary], groupings: list[_Grouping]) -> list[dict[str, Any]]:
        grouping, *deeper = groupings
        members: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            members.setdefault(grouping.bucket(values(self.rows, grouping.path, row)), []).append(row)
        codes = [self.rows["Status"][at].code for at in sorted(self.rows["Status"])]  # type: ignore[union-attr]

        def place(bucket: tuple[Any, ...]) -> tuple[Any, ...]:
            # Statuses have the order of the site's list, not of the alphabet (probed).
            if grouping.path.field.data_type == "status_list":
                return tuple(codes.index(code) for code in bucket)
            return tuple(_sortable(part) for part in bucket)

        order = sorted((bucket for bucket in members if bucket), key=place, reverse=grouping.descending)
        empty = [()] if () in members else []  # last (probed, ascending)
        return [
            {
                "group_name": ", ".join(one.name if isinstance(one, Link) else str(one) for one in bucket),
                "group_value": grouping.shown(bucket),
                **self._summarized(members[bucket], summaries, deeper),
            }
            for bucket in [*order, *empty]
        ]


@dataclass(frozen=True)
class _Summary:
    name: str
    kind: str
    path: Path

    @classmethod
    def parsed(cls, entity: EntityType, at: int, sent: Any) -> _Summary:
        kind = _known_type("summary_fields", at, sent, SUMMARIES)
        return cls(str(sent.get("field")), kind, _field(entity, sent.get("field")))

    def of(self, found: list[list[Any]]) -> Any:
        """Return the summary of the values of some rows, or Ellipsis for a kind that this site does not support.

        A summary that does not fit the type of the field is left out of the response (probed for one such field).
        """
        flat = [value for values_of_row in found for value in values_of_row]
        numbers = [value for value in flat if isinstance(value, int)]
        sums: dict[str, Callable[[], Any]] = {
            "record_count": lambda: len(found),
            "count": lambda: sum(bool(one) for one in found),
            "sum": lambda: sum(numbers),
            "maximum": lambda: max(numbers, default=0),  # 0 without values (probed)
            "minimum": lambda: min(numbers, default=0),
            "average": lambda: sum(numbers) / len(numbers) if numbers else 0.0,
            "earliest": lambda: min(flat, default=None),
            "latest": lambda: max(flat, default=None),
            # The status that all rows have, or `ip` for different ones (probed).
            "status_list": lambda: (flat or [None])[0] if len({tuple(one) for one in found}) <= 1 else "ip",
        }
        return sums[self.kind]() if self.kind in sums else ...


@dataclass(frozen=True)
class _Grouping:
    kind: str
    descending: bool
    path: Path

    @classmethod
    def parsed(cls, entity: EntityType, at: int, sent: Any) -> _Grouping:
        kind = _known_type("grouping", at, {"type": "exact"} | sent, GROUPINGS)
        return cls(kind, sent.get("direction") == "desc", _field(entity, sent.get("field")))

    def bucket(self, found: Iterable[Any]) -> tuple[Any, ...]:
        """Return the key of a row's group: one value, no value, or all linked rows (several links: unknown).

        A period of days is named by its first day, and a week begins on Monday (both unknown). Kinds of grouping that
        are not implemented here count as `exact`.
        """
        return tuple(self._part(value) for value in found)

    def _part(self, value: Any) -> Any:
        if self.kind == "entitytype" and isinstance(value, Link):
            return value.type
        if self.kind == "firstletter":
            return str(value)[:1].upper()
        if self.kind not in ("day", "week", "month", "quarter", "year"):
            return value
        day = date.fromisoformat(str(value)[:10])
        firsts = {
            "day": day,
            "week": day - timedelta(days=day.weekday()),
            "month": day.replace(day=1),
            "quarter": day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
            "year": day.replace(month=1, day=1),
        }
        return firsts[self.kind].isoformat()

    def shown(self, bucket: tuple[Any, ...]) -> Any:
        """Return `group_value`: null without a value, and links with an additional field `valid` (both probed)."""
        parts = [
            {"type": one.type, "id": one.id, "name": one.name, "valid": "valid"} if isinstance(one, Link) else one
            for one in bucket
        ]
        if self.path.field.data_type == "multi_entity":
            return parts
        return parts[0] if parts else None


def _known_type(list_name: str, at: int, sent: Any, known: str) -> str:
    kind = sent.get("type") if isinstance(sent, dict) else None
    if kind not in known.split(", "):
        _invalid({list_name: {str(at): {"type": [f"type must be one of: {known}"]}}})  # recorded, probed
    return str(kind)


def _field(entity: EntityType, name: Any) -> Path:
    found = path(entity, str(name))
    if found is None:
        raise Rejected(f"API summarize() {entity.name}.{name} doesn't exist.")  # unknown; like the error of a filter
    return found


def _sortable(value: Any) -> Any:
    if isinstance(value, Link):
        return value.name.casefold()
    return value.casefold() if isinstance(value, str) else value


def _check_sort(sort: Any) -> None:
    """Check the syntax of a sort. Real sites check nothing else (probed)."""
    if not isinstance(sort, str):
        _invalid({"sort": ["sort array is not valid"]})
    if not sort:
        _invalid({"sort": ["sort must be filled"]})
    if " " in sort or "+" in sort:
        _invalid({"sort": ["sort list is not valid"]})


def _positive(page: Mapping[str, Any], name: str, default: int) -> int:
    try:
        number = int(page.get(name, default))
    except (TypeError, ValueError):
        _invalid({"page": {name: [f"{name} must be an integer"]}})  # unknown
    if number < 1:
        _invalid({"page": {name: [f"{name} must be greater than 0"]}})  # probed
    return number


def _invalid(source: Mapping[str, Any]) -> Any:
    raise Rejected("Request Parameters invalid.", source)  # recorded, probed


def _url(request: Request, page: Mapping[str, str]) -> str:
    """Return the URL of a page of results, with its query in alphabetical order (recorded)."""
    query = sorted({**request.query, **page}.items())
    return f"{request.path}?{urlencode(query)}" if query else request.path
