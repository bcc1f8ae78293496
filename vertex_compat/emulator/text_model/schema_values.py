"""Example values for a JSON Schema or Google's Schema message."""

from typing import Any

from vertex_compat.emulator.protocol.responses import JSON

FORMATS = {
    "date-time": "2026-11-21T04:05:06Z",
    "date": "2026-11-21",
    "time": "04:05:06Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
CITIES = ("Paris", "北京", "São Paulo")
MAX_OPTIONAL_DEPTH = 4  # deeper optional properties and items are omitted, for recursive schemas
MAX_DEPTH = 40  # deeper values are strings


def example_value(schema: Any, variant: int = 0, *, only_required: bool = False) -> Any:
    """Return a value that satisfies the schema; variants differ in their strings."""
    if not isinstance(schema, dict):
        return {}
    return _Maker(schema, variant, only_required).make(schema, "", 0)


class _Maker:
    def __init__(self, root: JSON, variant: int, only_required: bool) -> None:
        self.root = root
        self.variant = variant
        self.only_required = only_required

    def make(self, schema: Any, name: str, depth: int) -> Any:
        """Return a value for a property."""
        if not isinstance(schema, dict) or depth > MAX_DEPTH:
            return _string({}, name, self.variant)
        schema = self._resolve(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self.variant % len(schema["enum"])]
        if "allOf" in schema:
            return self._merge(schema, name, depth)
        for choice in ("anyOf", "oneOf"):
            if schema.get(choice):
                return self.make(schema[choice][0], name, depth + 1)
        return self._of_type(schema, name, depth)

    def _resolve(self, schema: JSON) -> JSON:
        reference = schema.get("$ref") or schema.get("ref")
        if not isinstance(reference, str):
            return schema
        target: Any = self.root
        for step in reference.removeprefix("#").strip("/").split("/"):
            target = target.get(step, {}) if isinstance(target, dict) and step else target
        return target if isinstance(target, dict) else {}

    def _merge(self, schema: JSON, name: str, depth: int) -> Any:
        parts = [self.make(part, name, depth + 1) for part in schema["allOf"]]
        own = {key: value for key, value in schema.items() if key != "allOf"}
        if "properties" in own:
            parts.append(self.make(own, name, depth + 1))
        if all(isinstance(value, dict) for value in parts):
            return {key: value for value in parts for key, value in value.items()}
        return parts[0] if parts else {}

    def _of_type(self, schema: JSON, name: str, depth: int) -> Any:
        kind = schema.get("type") or ("object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((name for name in kind if name != "null"), "null")
        match str(kind).lower():
            case "object":
                return self._object(schema, depth)
            case "array":
                least = int(schema.get("minItems", depth <= MAX_OPTIONAL_DEPTH))
                return [self.make(schema.get("items", {}), name, depth + 1) for _ in range(least)]
            case "integer":
                return int(_number(schema))
            case "number":
                return _number(schema) + 0.5 if _has_room(schema) else _number(schema)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return _string(schema, name, self.variant)

    def _object(self, schema: JSON, depth: int) -> JSON:
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        names = required if self.only_required or depth > MAX_OPTIONAL_DEPTH else properties
        return {name: self.make(properties.get(name, {}), name, depth + 1) for name in names}


def _number(schema: JSON) -> float:
    high = schema.get("maximum", schema.get("exclusiveMaximum", 8) - 1)
    low = schema.get("minimum", schema.get("exclusiveMinimum", high - 1) + 1)
    return float(max(low, min(7, high)))


def _has_room(schema: JSON) -> bool:
    return not {"maximum", "exclusiveMaximum", "multipleOf"} & schema.keys()


def _string(schema: JSON, name: str, variant: int) -> str:
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    city = CITIES[variant % len(CITIES)]
    text = city if not name or "city" in name or "location" in name else f"{name} {variant + 1}"
    padded = text.ljust(int(schema.get("minLength", 0)), ".")
    return padded[: int(schema.get("maxLength", len(padded)))]
