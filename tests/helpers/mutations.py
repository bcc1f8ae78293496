"""JSON values with one place removed or replaced by a value of another type."""

import copy
import json
import zlib

REPLACEMENTS = (None, "NEW_VALUE", 2, 5.5, 1e300, 2**70, True, ["q"], [None], {"q": 1})
"""Values that replace a value; `...`, beside them, removes the field."""


def paths(value, path=()):
    """Every place in a JSON value but its root."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from paths(inner, (*path, key))


def holder_of(value, path):
    """The object or list in a JSON value that holds the place at `path`."""
    for key in path[:-1]:
        value = value[key]
    return value


def mutations(value, replacements=REPLACEMENTS, accepts=None):
    """The value with one place removed or replaced, and the path of that place.

    Without the changes for which `accepts(path, replacement)` is false.
    """
    text = json.dumps(value)
    for path in list(paths(value)):
        for replacement in [..., *replacements]:
            if accepts and not accepts(path, replacement):
                continue
            mutated = json.loads(text)  # a copy in which no two places are one object
            holder = holder_of(mutated, path)
            if replacement is ...:
                del holder[path[-1]]
            elif holder[path[-1]] == replacement:
                continue
            else:
                holder[path[-1]] = copy.deepcopy(replacement)
            yield path, mutated


def shape(value):
    """The keys of a JSON value and of all that it holds, and the names of its kinds."""
    if isinstance(value, dict):
        return frozenset(
            (key, inner if key in KINDS and isinstance(inner, str) else shape(inner))
            for key, inner in value.items()
        )
    return tuple(map(shape, value)) if isinstance(value, list) else type(value).__name__


KINDS = ("type", "finish_reason", "finishReason")


def first_of_each_shape(values):
    """The first value of each shape, with its number."""
    seen = set()
    for number, value in enumerate(values):
        if (kind := shape(value)) not in seen:
            seen.add(kind)
            yield number, value


def share(member, members):
    """Return `accepts` of `mutations` for one of the members that divide the changes."""

    def is_of_member(path, replacement):
        return members[zlib.crc32(repr((path, replacement)).encode()) % len(members)] == member

    return is_of_member


def kind_of_place(value, path):
    """The names on the path, the type of the value, and the fields beside the place."""
    names = tuple("*" if isinstance(key, int) else key for key in path)
    holder = holder_of(value, path)
    return value.get("type"), names, tuple(sorted(holder)) if isinstance(holder, dict) else ()


class Division:
    """Makes each change once, at one of the places of its kind in many values.

    `values` has a key for each value.
    """

    def __init__(self, values):
        self._places = {}
        for key, value in values.items():
            for path in paths(value):
                self._places.setdefault(kind_of_place(value, path), []).append((key, path))

    def filter_for(self, key, value):
        """Return `accepts` of `mutations` for one of the values."""

        def is_chosen(path, replacement):
            kind = kind_of_place(value, path)
            places = self._places[kind]
            number = zlib.crc32(repr((kind, replacement)).encode())
            return places[number % len(places)] == (key, path)

        return is_chosen
