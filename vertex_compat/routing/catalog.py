"""Facts about models: operations, locations, limits, capabilities, retirement dates, prices.

They are in `catalog.json`, each model's with its source; the file is read when the first model is looked up.
A model has the rules of its generation, and what its own row says besides. An unknown model of a known family
has the rules of the newest generation. A name without a version (a tuned endpoint, an alias) has rules that
every generation accepts. The settings file can correct any of it (`[catalog."NAME"]`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from vertex_compat.model_profile import ModelProfile
from vertex_compat.types import JSON

MAX_CACHED_NAMES: Final = 1024
"""Clients choose the names, so caches by name are bounded."""

NATIVE_PUBLISHERS: Final = frozenset({"google", "anthropic", "mistralai", "ai21", "speechtotext"})
"""Publishers with an API of their own, whose models need no publisher in front of their names."""

LISTED_OPERATIONS: Final = frozenset({"chat", "embeddings", "images", "speech", "transcriptions"})

_PREFIX_OF_TUNED: Final = "gemini/"
"""Clients call a tuned Gemini `gemini/ENDPOINT_ID`."""

_EPOCH: Final = date(1970, 1, 1).toordinal()
_FILE: Final = Path(__file__).with_name("catalog.json")
_WILDCARDS: Final = re.compile(r"[*?\[]")
_VERSION: Final = re.compile(r"-(\d{1,2})(?:[.-](\d{1,2}))?(?=$|[-@.])")
_VARIANT: Final = re.compile(r"(.+?)(?:@[A-Za-z0-9._-]+|-\d{3}|-latest|-preview(?:-\d\d-\d{4})?)")


class _Kind(msgspec.Struct, frozen=True):
    """The `operations` and `rules` of models of `publisher` with one of `contains` in the name.

    `generation` is that of models whose names have another version, or none.
    """

    publisher: str
    contains: tuple[str, ...]
    operations: tuple[str, ...]
    rules: JSON = {}
    generation: tuple[int, int] | None = None


class _Generation(msgspec.Struct, frozen=True):
    """The rules of the models from version `since` on, up to the next generation."""

    since: tuple[int, int]
    rules: JSON


class _Family(msgspec.Struct, frozen=True):
    """The generations of a publisher's family, oldest first.

    `unversioned` are the rules of other names.
    """

    prefix: str
    unversioned: JSON
    generations: tuple[_Generation, ...]


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file. Where keys are beginnings of names, the longest match counts."""

    checked: date
    """Day on which the facts were checked."""
    publishers: dict[str, str | None]
    """Beginning of a name of a client's → publisher; null for names that no publisher has."""
    rerankers: dict[str, str]
    """Beginning of a name of Cohere's or Jina's → model that answers for it."""
    vertex_names: dict[str, str]
    """A client's name of a Claude model → Vertex AI's, where they differ."""
    managed: tuple[str, ...]
    """Beginnings of `publisher/name` of models that Vertex AI serves without a deployment."""
    locations: dict[str, tuple[str, ...]]
    """Beginning of `publisher/name` → locations."""
    kinds: tuple[_Kind, ...]
    rules: dict[str, JSON]
    """Beginning of `publisher/name`, or a pattern → fields of `ModelProfile`."""
    families: dict[str, _Family]
    """Publisher → family."""
    retired: dict[str, str]
    """Beginning of a name of a client's → replacement."""
    builtin_names: dict[str, str]
    """Name that clients have built in → model that answers for it."""
    services: dict[str, JSON]
    """Google's API with a price and no models → fields of `ModelProfile`."""
    models: dict[str, JSON]
    """`publisher/name` → fields of `ModelProfile`."""


@cache
def data() -> Data:
    """Return the content of `catalog.json`."""
    return msgspec.json.decode(_FILE.read_bytes(), type=Data)


def today() -> date:
    """Return the current day in UTC."""
    return date.fromordinal(_EPOCH + int(time.time() // 86_400))


class Catalog:
    """The facts about all models, with the settings file's corrections.

    `corrections` are fields of a profile by model name, or by a pattern of names such as `claude-*-6`.
    """

    def __init__(self, corrections: Mapping[str, JSON] | None = None) -> None:
        self._corrections = corrections or {}
        self.profile: Callable[[str, str], ModelProfile] = lru_cache(MAX_CACHED_NAMES)(self._profile)

    def _profile(self, publisher: str, name: str) -> ModelProfile:
        """Return the profile of Vertex's model `name`; see `types.Model` for both arguments."""
        qualified = qualify(publisher, name)
        kind = _kind(publisher, name)
        version = kind.generation if kind and kind.generation else _version(name)
        facts: JSON = {
            "locations": _longest(data().locations, qualified) or (),
            "generation": version,
            "managed": qualified.startswith(data().managed) or qualified.endswith("-maas"),
            **_rules(qualified),
            **_generation(publisher, name, version),
            **({"operations": kind.operations, **kind.rules} if kind else {}),
            **_row(qualified),
            **data().services.get(publisher, {}),
        }
        for pattern, fields in self._corrections.items():
            if any(
                fnmatchcase(candidate, pattern)
                for candidate in (name, qualified, f"{_PREFIX_OF_TUNED}{name}")
            ):
                facts |= fields
        if not facts.get("takes_images", True):
            facts["operations"] = [name for name in facts.get("operations", ()) if name != "ocr"]
        return msgspec.convert(facts, ModelProfile)

    def names(self) -> Iterator[str]:
        """Yield what clients call the models that `GET /models` lists: those that are not retired."""
        for qualified in data().models:
            profile = self.profile(*address(qualified))
            served = LISTED_OPERATIONS.intersection(profile.operations or LISTED_OPERATIONS)
            if profile.listed and served and not is_retired(profile):
                yield client_name(qualified)
        for name, fields in self._corrections.items():
            in_catalog = name in _by_client_name() or name in data().models
            if not in_catalog and not is_pattern(name) and fields.get("listed", True):
                yield name

    def replacement(self, name: str) -> str | None:
        """Return the model to use instead of a retired one, None for every other name of a client's."""
        name = _plain(name)
        if qualified := _by_client_name().get(_base(name)):
            profile = self.profile(*address(qualified))
            return profile.successor if is_retired(profile) else None
        retired = data().retired
        beginnings = [old for old in retired if re.match(rf"{re.escape(old)}($|[-@])", name)]
        return retired[max(beginnings, key=len)] if beginnings else None


CATALOG: Final = Catalog()
"""The facts without any corrections."""


@lru_cache(MAX_CACHED_NAMES)
def publisher_of(name: str) -> str | None:
    """Return the publisher of a name that a client writes without one, None if there is none."""
    publisher: str | None = _longest(data().publishers, name)
    return publisher


@lru_cache(MAX_CACHED_NAMES)
def ranker_of(name: str) -> str | None:
    """Return the ranking model that answers for one of another vendor's, None for other names."""
    ranker: str | None = _longest(data().rerankers, name)
    return ranker


def full_name(name: str) -> str:
    """Return `publisher/name` for an open model's bare name; other names are unchanged."""
    return _by_bare_name().get(name, name)


def is_pattern(name: str) -> bool:
    """Return whether a name of the settings file stands for several models."""
    return _WILDCARDS.search(name) is not None


def is_retired(profile: ModelProfile) -> bool:
    """Return whether the model need not be there any more."""
    return profile.retires is not None and profile.retires <= today()


def client_name(qualified: str) -> str:
    """Return the name that a client uses for `publisher/name`."""
    publisher, _, name = qualified.partition("/")
    native = publisher in NATIVE_PUBLISHERS and not name.endswith("-maas")
    return name if native else qualified


def qualify(publisher: str, name: str) -> str:
    """Return `publisher/name`; names behind `endpoints/openapi` already have a publisher."""
    return name if publisher == "openapi" else f"{publisher}/{name}"


def address(qualified: str) -> tuple[str, str]:
    """Return the publisher and the name of a row, as a `types.Model` has them."""
    publisher, _, name = qualified.partition("/")
    return (publisher, name) if client_name(qualified) == name else ("openapi", qualified)


@cache
def _by_client_name() -> Mapping[str, str]:
    return {client_name(qualified): qualified for qualified in data().models}


@cache
def _by_bare_name() -> Mapping[str, str]:
    """Return the models behind `endpoints/openapi`, by their names without a publisher."""
    return {name.partition("/")[2]: name for name in data().models if client_name(name) == name}


def _plain(name: str) -> str:
    """Return a client's name without the prefixes that change nothing."""
    name = name.removeprefix("vertex_ai/")
    publisher, _, bare_name = name.partition("/")
    return bare_name if publisher in NATIVE_PUBLISHERS and not bare_name.endswith("-maas") else name


def _base(name: str) -> str:
    """Return a name without its version, unless the catalog has that version."""
    client_names = _by_client_name()
    variant = _VARIANT.fullmatch(name)
    return variant[1] if variant and name not in client_names else name


def _longest(table: Mapping[str, Any], name: str) -> Any:
    beginnings = [beginning for beginning in table if name.startswith(beginning)]
    return table[max(beginnings, key=len)] if beginnings else None


def _rules(qualified: str) -> JSON:
    """Return the rules with the longest beginning that fits.

    `*` in it stands for any characters.
    """
    rules = data().rules
    fitting = [begin for begin in rules if qualified.startswith(begin.partition("*")[0])]
    fitting = [begin for begin in fitting if "*" not in begin or fnmatchcase(qualified, f"{begin}*")]
    return rules[max(fitting, key=len)] if fitting else {}


def _version(name: str) -> tuple[int, int] | None:
    match = _VERSION.search(name)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _kind(publisher: str, name: str) -> _Kind | None:
    kinds = (kind for kind in data().kinds if kind.publisher == publisher)
    return next((kind for kind in kinds if any(part in name for part in kind.contains)), None)


def _generation(publisher: str, name: str, version: tuple[int, int] | None) -> JSON:
    family = data().families.get(publisher)
    if family is None:
        return {}
    if version is None or not name.startswith(family.prefix):
        return family.unversioned
    reached = [generation for generation in family.generations if generation.since <= version]
    return (reached[-1] if reached else family.generations[0]).rules


def _row(qualified: str) -> JSON:
    models = data().models
    row = models.get(qualified)
    if row is None and (base := _VARIANT.fullmatch(qualified)):
        row = models.get(base[1])
    return row or {}
