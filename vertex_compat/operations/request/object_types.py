"""Media types from the metadata of Cloud Storage objects whose names have no extension."""

from __future__ import annotations

import msgspec

from vertex_compat import errors
from vertex_compat.json_values import mapping, text
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import DryRunTransport, RequestContext
from vertex_compat.publishers import media_types
from vertex_compat.services import storage
from vertex_compat.types import ResourceTarget


def media_type(uri: str, param: str, context: RequestContext) -> str | None:
    """Return the type of the object at a `gs://` URI, None if it cannot be known.

    The caller must be allowed to use it. Raises `BadRequest` if there is no such object.
    """
    if not (target := storage.parse_uri(uri)):
        return None
    if isinstance(context.transport, DryRunTransport):  # a dry run makes no call to a model
        context = msgspec.structs.replace(context, transport=context.transport.inner)
    try:
        resource = model_calls.get_json(
            storage.get_metadata(target), ResourceTarget("storage", ("global",)), context
        )
    except errors.NotFound:
        raise errors.BadRequest(
            f"There is no object {uri[:300]!r}.", param=param, code="invalid_value"
        ) from None
    except errors.Forbidden:  # Vertex AI's service agent may read what this function's account may not
        return None
    declared = media_types.normalize(text(resource.get("contentType")))
    return declared or media_types.of_name(text(mapping(resource.get("metadata")).get("filename")))
