"""Lists, page by page, as OpenAI's clients read them: on from the id of the last item they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from vertex_compat import errors
from vertex_compat.types import JSON


def limit(query: Mapping[str, str], default: int, most: int) -> int:
    """How many items the client wants; raises `BadRequest`."""
    given = query.get("limit", str(default))
    if not given.isdecimal() or not 1 <= int(given) <= most:
        raise errors.BadRequest(
            f"Invalid value for 'limit': expected an integer from 1 to {most}.",
            param="limit",
            code="invalid_value",
        )
    return int(given)


def page(items: Iterable[JSON], size: int) -> JSON:
    """OpenAI's list of the first `size` items; no more than one further is taken, to see if there is one."""
    data = list(islice(items, size + 1))
    more = len(data) > size
    data = data[:size]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }


def after(items: Iterable[JSON], query: Mapping[str, str]) -> list[JSON]:
    """Those of `items` that come after the one whose id the client gives; raises `NotFound`."""
    listed = list(items)
    if not (last := query.get("after")):
        return listed
    for place, item in enumerate(listed):
        if item["id"] == last:
            return listed[place + 1 :]
    raise errors.NotFound(f"No such id in the list: {last[:200]!r}.", param="after")
