"""Lists in pages, as OpenAI's clients read them, by the id of the last item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from vertex_compat import errors
from vertex_compat.types import JSON


def limit(query: Mapping[str, str], default: int, maximum: int) -> int:
    """Return the number of items that the client requests; raises `BadRequest`."""
    value = query.get("limit", str(default))
    if not value.isdecimal() or not 1 <= int(value) <= maximum:
        raise errors.BadRequest(
            f"Invalid value for 'limit': expected an integer from 1 to {maximum}.",
            param="limit",
            code="invalid_value",
        )
    return int(value)


def page(items: Iterable[JSON], size: int) -> JSON:
    """Return OpenAI's list of the first `size` items.

    One more item is taken, to know if there are more.
    """
    data = list(islice(items, size + 1))
    has_more = len(data) > size
    data = data[:size]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def after(items: Iterable[JSON], query: Mapping[str, str]) -> list[JSON]:
    """Return the items that follow the one whose id is in the query's `after`.

    Raises `NotFound`.
    """
    all_items = list(items)
    if not (last_id := query.get("after")):
        return all_items
    for index, item in enumerate(all_items):
        if item["id"] == last_id:
            return all_items[index + 1 :]
    raise errors.NotFound(f"No such id in the list: {last_id[:200]!r}.", param="after")
