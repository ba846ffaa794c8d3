"""The schema and the preferences of a ShotGrid site. Both of its APIs return them in the same form."""

from __future__ import annotations

from typing import Any

from tests.site.errors import Rejected
from tests.site.show import SCHEMA, EntityType, Field

# Some of the preferences that a site returns to every signed-in user (recorded; `duration_units` is probed).
PREFERENCES: dict[str, Any] = {
    "date_component_order": "month_day",
    "duration_units": "days",
    "format_time_hour_fields": "12 hour",
    "hours_per_day": 8.0,
}


def preferences(names: list[str]) -> dict[str, Any]:
    """Return the preferences with these names, or all of them if there are no names.

    Unknown: how real sites respond to an unknown name. Here it is left out.
    """
    return {name: value for name, value in PREFERENCES.items() if not names or name in names}


def types() -> dict[str, Any]:
    """Return the description of every type by its name (probed, client)."""
    return {name: described(kind) for name, kind in SCHEMA.items()}


def described(kind: EntityType) -> dict[str, Any]:
    """Return the description of a type (recorded)."""
    return {"name": _read_only(kind.name), "visible": _read_only(True)}


def fields(kind: EntityType, only: str | None = None) -> dict[str, Any]:
    """Return the descriptions of the fields of a type, or of one field (recorded, client)."""
    if only is not None and only not in kind.fields:
        raise Rejected(f"API schema_field_read() {kind.name}.{only} doesn't exist.")  # client; text unknown
    return {name: _field(kind, name, field) for name, field in kind.fields.items() if only in (None, name)}


def _field(kind: EntityType, name: str, field: Field) -> dict[str, Any]:
    properties = {"default_value": _read_only(None), "summary_default": _editable("none")}
    if field.links:
        properties["valid_types"] = _editable(list(field.links))
    return {
        "name": _editable(name.removeprefix("sg_").replace("_", " ").title()),
        "description": _editable(""),
        "custom_metadata": _editable(""),
        "entity_type": _read_only(kind.name),
        "data_type": _read_only(field.data_type),
        "editable": _read_only(name not in ("id", "cached_display_name", "created_at", "updated_at")),
        "mandatory": _read_only(False),
        "unique": _read_only(False),
        "properties": properties,
        "visible": _read_only(True),
        "ui_value_displayable": _read_only(True),
    }


def _read_only(value: Any) -> dict[str, Any]:
    return {"value": value, "editable": False}


def _editable(value: Any) -> dict[str, Any]:
    return {"value": value, "editable": True}
