"""Lists in pages, as OpenAI's clients read them, by the id of the last item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from vertex_compat import errors

if TYPE_CHECKING:
    from vertex_compat.operations.answer_types import ListPage, Page

T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=Mapping[str, Any])


def choice(query: Mapping[str, str], name: str, values: Sequence[str]) -> str | None:
    """Return the value of a parameter that has few, None without it; raises `BadRequest`."""
    value = query.get(name)
    if value is not None and value not in values:
        raise errors.BadRequest(
            f"Invalid value for {name!r}: expected one of {', '.join(values)}.",
            param=name,
            code="invalid_value",
        )
    return value


def order(query: Mapping[str, str], default: str = "desc") -> str:
    """Return the order that the client requests, `asc` or `desc`; raises `BadRequest`."""
    return choice(query, "order", ("asc", "desc")) or default


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


def page(items: Iterable[ItemT], size: int) -> ListPage[ItemT]:
    """Return OpenAI's list of the first `size` items.

    One more item is taken, to know if there are more.
    """
    return {"object": "list", **anthropic_page(items, size)}


def anthropic_page(items: Iterable[ItemT], size: int) -> Page[ItemT]:
    """Return the same in the form of Anthropic's API."""
    data = list(islice(items, size + 1))
    has_more = len(data) > size
    data = data[:size]
    return {
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def after(items: Iterable[ItemT], query: Mapping[str, str]) -> list[ItemT]:
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


def between(
    items: Sequence[T], query: Mapping[str, str], size: int, id_of: Callable[[T], str]
) -> tuple[Sequence[T], bool]:
    """Return the page that the query's `after` or `before` selects, and whether more follows.

    The page after an item begins with the next one, the page before an item ends with the previous one.
    Raises `NotFound` for an id that is not in the list.
    """
    ids = [id_of(item) for item in items]
    start = _position(ids, query, "after", -1) + 1
    end = _position(ids, query, "before", len(ids))
    selected = items[start:end]
    page_items = selected[-size:] if query.get("before") else selected[:size]
    return page_items, len(selected) > size


def _position(ids: Sequence[str], query: Mapping[str, str], name: str, default: int) -> int:
    if not (id_ := query.get(name)):
        return default
    if id_ not in ids:
        raise errors.NotFound(f"No such id in the list: {id_[:200]!r}.", param=name)
    return ids.index(id_)
