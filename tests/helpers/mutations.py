"""JSON values with one place removed or replaced by a value of another type."""

import copy
import json

REPLACEMENTS = (None, "NEW_VALUE", 2, 5.5, 1e300, 2**70, True, ["q"], [None], {"q": 1})
"""Values that replace a value; `...`, beside them, removes the field."""


def paths(value, path=()):
    """Every place in a JSON value but its root."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from paths(inner, (*path, key))


def mutations(value, replacements=REPLACEMENTS):
    """The value with one place removed or replaced, and the path of that place."""
    text = json.dumps(value)
    for path in list(paths(value)):
        for replacement in [..., *replacements]:
            mutated = json.loads(text)  # a copy in which no two places are one object
            holder = mutated
            for key in path[:-1]:
                holder = holder[key]
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
        if (one := shape(value)) not in seen:
            seen.add(one)
            yield number, value
