"""What a ShotGrid site says about its types and fields, in the words that both of its APIs share."""

from __future__ import annotations

from typing import Any

from tests.site.filters import Rejected
from tests.site.show import SCHEMA, EntityType, Field

# A few of the preferences that a site shows to whoever is signed in (recorded; the duration's: probed).
PREFERENCES: dict[str, Any] = {
    "date_component_order": "month_day",
    "duration_units": "days",
    "format_time_hour_fields": "12 hour",
    "hours_per_day": 8.0,
}


def preferences(names: list[str]) -> dict[str, Any]:
    """Return the preferences of these names, or all without any. What is none is left out: unknown."""
    return {name: value for name, value in PREFERENCES.items() if not names or name in names}


def types() -> dict[str, Any]:
    """Return every type with what `described` says of it (probed, client)."""
    return {name: described(kind) for name, kind in SCHEMA.items()}


def described(kind: EntityType) -> dict[str, Any]:
    """Return what a type is called, and that it is shown (recorded)."""
    return {"name": _fixed(kind.name), "visible": _fixed(True)}


def fields(kind: EntityType, only: str | None = None) -> dict[str, Any]:
    """Return the fields of a type, or one of them, as sites describe fields (recorded, client)."""
    if only is not None and only not in kind.fields:
        raise Rejected(f"API schema_field_read() {kind.name}.{only} doesn't exist.")  # client; its words are unknown
    return {name: _field(kind, name, field) for name, field in kind.fields.items() if only in (None, name)}


def _field(kind: EntityType, name: str, field: Field) -> dict[str, Any]:
    properties = {"default_value": _fixed(None), "summary_default": _open("none")}
    if field.links:
        properties["valid_types"] = _open(list(field.links))
    return {
        "name": _open(name.removeprefix("sg_").replace("_", " ").title()),
        "description": _open(""),
        "custom_metadata": _open(""),
        "entity_type": _fixed(kind.name),
        "data_type": _fixed(field.data_type),
        "editable": _fixed(name not in ("id", "cached_display_name", "created_at", "updated_at")),
        "mandatory": _fixed(False),
        "unique": _fixed(False),
        "properties": properties,
        "visible": _fixed(True),
        "ui_value_displayable": _fixed(True),
    }


def _fixed(value: Any) -> dict[str, Any]:
    return {"value": value, "editable": False}


def _open(value: Any) -> dict[str, Any]:
    return {"value": value, "editable": True}
