"""What a ShotGrid site answers the Python API at its own endpoint, `/api3/json`, over the rows of a show.

`shotgun_api3` posts `{"method_name", "params": [credentials, arguments]}` and gets `{"results"}`, or, also with status
200, `{"exception": true, "error_code", "message"}`: a status from 300 on is to it no answer of the site's (client).
Where each fact was seen is said in the words of `site-contract.md`. What is not said to be seen at this endpoint is
taken from the REST API, which shows the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.site import schema
from tests.site.filters import Rejected, path, values
from tests.site.rest import PAGE_SIZE, Data
from tests.site.show import SCHEMA, EntityType, Link, Row

PATH = "/api3/json"
VERSION = [8, 89, 0, 1234]
UNAUTHENTICATED = "info"  # the one method that comes without credentials (client)
# The names of credentials that are no secret.
NAMES = ("user_login", "script_name", "sudo_as_login")


@dataclass(frozen=True)
class Call:
    """One call of the Python API. `credentials` is empty when none were sent."""

    method: str
    credentials: dict[str, Any]
    arguments: dict[str, Any]

    @classmethod
    def parsed(cls, body: bytes) -> Call:
        """Read a request's body. Raises `Rejected` on one that the client does not send; what a site says is unknown."""
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

    @property
    def secrets(self) -> set[str]:
        """The credentials that nobody else may learn."""
        return {value for name, value in self.credentials.items() if isinstance(value, str) and name not in NAMES}


def exception(refused: Rejected) -> dict[str, Any]:
    """Return a refusal as the client knows one: by `exception`, and what it is by `error_code` (client)."""
    return {"exception": True, "message": refused.title, "error_code": refused.code}


def info(authentication_method: str) -> dict[str, Any]:
    """What a site says about itself (client: the documented ones, and those that the vendor's clients read)."""
    return {
        "full_version": VERSION,
        "version": VERSION[:3],
        "user_authentication_method": authentication_method,
        "unified_login_flow_enabled": True,
        "authentication_app_session_launcher_enabled": True,
        "api_max_entities_per_page": PAGE_SIZE,
    }


@dataclass(frozen=True)
class Api3(Data):
    """The methods that read, over the rows of a site."""

    def call(self, call: Call) -> Any:
        """Return the results of a method. Raises `Rejected`, also for what would change data: this site is read-only.

        What a site says of a method that it does not have is unknown.
        """
        methods: dict[str, Callable[[dict[str, Any]], Any]] = {
            "read": self.read,
            "summarize": self.summed_up,
            "schema_entity_read": lambda _: schema.types(),
            "schema_read": lambda _: {name: schema.fields(kind) for name, kind in SCHEMA.items()},
            "schema_field_read": lambda asked: schema.fields(
                _kind("schema_field_read", asked), asked.get("field_name")
            ),
            "preferences_read": lambda asked: schema.preferences(asked.get("prefs") or []),
        }
        if call.method not in methods:
            raise Rejected(f"API {call.method}() is not available on this site.", code=104)
        return methods[call.method](call.arguments)

    def read(self, asked: dict[str, Any]) -> dict[str, Any]:
        """`find` and `find_one`: rows with their fields side by side, and whether there are more (client)."""
        kind = _kind("read", asked)
        if asked.get("additional_filter_presets"):  # a fault for one that is wrong (client); here all are
            raise Rejected("API read() additional_filter_presets are not available on this site.")
        meets = self._predicate(kind, _group(asked.get("filters")), "read", is_array=False)
        sort = ",".join(
            f"{'-' if one.get('direction') == 'desc' else ''}{one.get('field_name')}"
            for one in asked.get("sorts") or []
        )
        found = [row for row in self.in_order(kind, sort) if meets(row)]
        if asked.get("return_only") == "retired":
            found = []  # nobody can retire a row here
        paging = asked.get("paging") or {}
        size, number = int(paging.get("entities_per_page", PAGE_SIZE)), int(paging.get("current_page", 1))
        shown = found[(number - 1) * size : number * size]
        results: dict[str, Any] = {
            "entities": [self._entity(kind, row, asked.get("return_fields") or []) for row in shown]
        }
        if asked.get("return_paging_info_without_counts"):
            has_next = number * size < len(found)
            results["paging_info"] = {"current_page": number, "entities_per_page": size, "has_next_page": has_next}
        return results

    def summed_up(self, asked: dict[str, Any]) -> dict[str, Any]:
        """`summarize`: what the REST API shows as `data` (client)."""
        kind = _kind("summarize", asked)
        meets = self._predicate(kind, _group(asked.get("filters")), "summarize", is_array=False)
        return self.summary(kind, asked.get("summaries"), asked.get("grouping"), meets)

    def _entity(self, kind: EntityType, row: Row, fields: list[str]) -> dict[str, Any]:
        """Return a row with its type and id, always, and the fields that there are (client); dotted by full name."""
        shown: dict[str, Any] = {"type": kind.name, "id": row.id}
        for name in fields:
            at = path(kind, name)
            if at is None or not at.readable:
                continue  # as in the REST API; here unknown
            found = [_shown(value) for value in values(self.rows, at, row)]
            many = at.field.data_type == "multi_entity"
            shown[name] = found if many else found[0] if found else None
        return shown


def _shown(value: Any) -> Any:
    return {"type": value.type, "id": value.id, "name": value.name} if isinstance(value, Link) else value


def _kind(method: str, asked: dict[str, Any]) -> EntityType:
    """Return the type that is asked about, by its own name only (client)."""
    name = asked.get("type")
    if name not in SCHEMA:
        raise Rejected(f"API {method}() Entity type '{name}' does not exist.")  # its words are unknown
    return SCHEMA[name]


def _group(sent: Any) -> dict[str, Any]:
    """Return filters as the REST API takes them. Here a condition names its parts (client), there it is a triple."""
    if not isinstance(sent, dict):
        return {"filters": sent}
    return {"filters": _condition(sent)}


def _condition(sent: Any) -> Any:
    if not isinstance(sent, dict):
        return sent
    if "conditions" in sent:
        return sent | {"conditions": [_condition(one) for one in sent["conditions"]]}
    return [sent.get("path"), sent.get("relation"), sent.get("values")]
