"""The endpoint of the Python API, `/api3/json`, over the rows of a show.

`shotgun_api3` posts `{"method_name", "params": [credentials, arguments]}`. The response is `{"results"}` or
`{"exception": true, "error_code", "message"}`, both with status 200. The client treats a status from 300 as a failure
of the connection, not as an error of the site (client).

A word such as `client` or `unknown` in a comment is the source of a fact, as in `site-contract.md`. Behaviour without a
source is copied from the REST API, which returns the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.site import launcher, schema
from tests.site.errors import Rejected
from tests.site.faults import Switches
from tests.site.filters import path, values
from tests.site.rest import PAGE_SIZE, Data
from tests.site.show import SCHEMA, EntityType, Link, Row

PATH = "/api3/json"
VERSION = [8, 89, 0, 1234]
UNAUTHENTICATED = "info"  # the only method without credentials (client)


@dataclass(frozen=True)
class Call:
    """One call of the Python API. `credentials` is empty if the request has none."""

    method: str
    credentials: dict[str, Any]
    arguments: dict[str, Any]

    @classmethod
    def parsed(cls, body: bytes) -> Call:
        """Parse the body of a request. Raises `Rejected` for a body that the client never sends.

        Unknown: how real sites respond to such a body.
        """
        try:
            sent = json.loads(body)
            method, params = sent["method_name"], sent["params"]
            credentials = {} if method == UNAUTHENTICATED else params[0] if params else {}
            arguments = params[1] if len(params) > 1 else {}
        except (ValueError, TypeError, KeyError):
            raise Rejected("Invalid API request") from None
        if not isinstance(method, str) or not isinstance(credentials, dict):
            raise Rejected("Invalid API request")
        return cls(method, credentials, arguments if isinstance(arguments, dict) else {})


def exception(rejected: Rejected) -> dict[str, Any]:
    """Return the response body for an error. The client recognizes it by `exception` and `error_code` (client)."""
    return {"exception": True, "message": rejected.title, "error_code": rejected.code}


def info(switches: Switches) -> dict[str, Any]:
    """Return the results of the call `info`: the documented fields, and other fields that the vendor's clients use."""
    return {
        "full_version": VERSION,
        "version": VERSION[:3],
        **launcher.about(switches),
        "api_max_entities_per_page": PAGE_SIZE,
    }


@dataclass(frozen=True)
class Api3(Data):
    """The methods that read the rows of a site."""

    def call(self, call: Call) -> Any:
        """Return the results of a method. Raises `Rejected`, also for methods that change data: this site is read-only.

        Unknown: how real sites respond to an unknown method.
        """
        methods: dict[str, Callable[[dict[str, Any]], Any]] = {
            "read": self.read,
            "summarize": self.read_summary,
            "schema_entity_read": lambda _: schema.types(),
            "schema_read": lambda _: {name: schema.fields(kind) for name, kind in SCHEMA.items()},
            "schema_field_read": lambda arguments: schema.fields(
                _kind("schema_field_read", arguments), arguments.get("field_name")
            ),
            "preferences_read": lambda arguments: schema.preferences(arguments.get("prefs") or []),
        }
        if call.method not in methods:
            raise Rejected(f"API {call.method}() is not available on this site.", code=104)
        return methods[call.method](call.arguments)

    def read(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the results of `find` and `find_one`: rows, and whether there is a next page (client)."""
        kind = _kind("read", arguments)
        if arguments.get("additional_filter_presets"):  # a wrong preset is a fault (client); here every preset is
            raise Rejected("API read() additional_filter_presets are not available on this site.")
        meets = self._predicate(kind, _group(arguments.get("filters")), "read", is_array=False)
        sort = ",".join(
            f"{'-' if one.get('direction') == 'desc' else ''}{one.get('field_name')}"
            for one in arguments.get("sorts") or []
        )
        found = [row for row in self.in_order(kind, sort) if meets(row)]
        if arguments.get("return_only") == "retired":
            found = []  # no row of this site can be retired
        paging = arguments.get("paging") or {}
        size, number = int(paging.get("entities_per_page", PAGE_SIZE)), int(paging.get("current_page", 1))
        shown = found[(number - 1) * size : number * size]
        results: dict[str, Any] = {
            "entities": [self._entity(kind, row, arguments.get("return_fields") or []) for row in shown]
        }
        if arguments.get("return_paging_info_without_counts"):
            has_next = number * size < len(found)
            results["paging_info"] = {"current_page": number, "entities_per_page": size, "has_next_page": has_next}
        return results

    def read_summary(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return the results of `summarize`: the same as `data` of the REST API (client)."""
        kind = _kind("summarize", arguments)
        meets = self._predicate(kind, _group(arguments.get("filters")), "summarize", is_array=False)
        return self.summary(kind, arguments.get("summaries"), arguments.get("grouping"), meets)

    def _entity(self, kind: EntityType, row: Row, fields: list[str]) -> dict[str, Any]:
        """Return a row: type, id, and those of the fields that exist, by their full names (client)."""
        shown: dict[str, Any] = {"type": kind.name, "id": row.id}
        for name in fields:
            at = path(kind, name)
            if at is None or not at.readable:
                continue  # as in the REST API; unknown for this endpoint
            found = [_shown(value) for value in values(self.rows, at, row)]
            is_list = at.field.data_type == "multi_entity"
            shown[name] = found if is_list else found[0] if found else None
        return shown


def _shown(value: Any) -> Any:
    return {"type": value.type, "id": value.id, "name": value.name} if isinstance(value, Link) else value


def _kind(method: str, arguments: dict[str, Any]) -> EntityType:
    """Return the type in the arguments. Only its own name is valid, not its plural (client)."""
    name = arguments.get("type")
    if name not in SCHEMA:
        raise Rejected(f"API {method}() Entity type '{name}' does not exist.")  # the exact text is unknown
    return SCHEMA[name]


def _group(sent: Any) -> dict[str, Any]:
    """Convert filters to the form of the REST API, whose conditions are triples. Here they are hashes (client)."""
    if not isinstance(sent, dict):
        return {"filters": sent}
    return {"filters": _condition(sent)}


def _condition(sent: Any) -> Any:
    if not isinstance(sent, dict):
        return sent
    if "conditions" in sent:
        return sent | {"conditions": [_condition(one) for one in sent["conditions"]]}
    return [sent.get("path"), sent.get("relation"), sent.get("values")]
