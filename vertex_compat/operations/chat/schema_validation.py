"""LiteLLM's `enforce_validation`: an answer that does not fit its JSON Schema is an error.

https://docs.litellm.ai/docs/completion/json_mode. The package `jsonschema` is optional: it is imported for
requests with this parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from vertex_compat import errors
from vertex_compat.types import JSON

_MAX_REASON: Final = 500


def validator(params: JSON) -> Callable[[str], None] | None:
    """Return a function that raises `SchemaMismatch` for a wrong answer; None if the client sets no check."""
    response_format: JSON = params.get("response_format") or {}
    if not (response_format.get("enforce_validation") or params.get("enforce_validation")):
        return None
    schema = response_format.get("response_schema")
    schema = schema or (response_format.get("json_schema") or {}).get("schema") or {}
    find_error = _schema_checker(schema)

    def validate(answer: str) -> None:
        try:
            value = msgspec.json.decode(answer)
        except (ValueError, RecursionError) as error:
            raise errors.SchemaMismatch(f"The model's answer is not valid JSON: {error}.", answer) from None
        if reason := find_error(value):
            raise errors.SchemaMismatch(f"The model's answer does not fit the schema: {reason}", answer)

    return validate


def _schema_checker(schema: JSON) -> Callable[[Any], str | None]:
    """A function that returns the first error of a value, or None. References to URLs are not fetched."""
    try:
        import jsonschema  # noqa: PLC0415  (optional)
        import referencing  # noqa: PLC0415
    except ImportError:
        raise errors.BadRequest(
            "'enforce_validation' needs the package 'jsonschema': add it to requirements.txt.",
            param="response_format.enforce_validation",
            code="unsupported_parameter",
        ) from None
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise errors.BadRequest(
            f"The schema is not valid: {error.message[:_MAX_REASON]}.", param="response_format"
        ) from None
    checker = kind(schema, registry=referencing.Registry())

    def reason(value: Any) -> str | None:
        try:
            found = jsonschema.exceptions.best_match(checker.iter_errors(value))
        except referencing.exceptions.Unresolvable as error:
            raise errors.BadRequest(
                f"The schema refers to {error.ref!r}, which is not in it.", param="response_format"
            ) from None
        return f"{found.json_path}: {found.message[:_MAX_REASON]}." if found else None

    return reason
