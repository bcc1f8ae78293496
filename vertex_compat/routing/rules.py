"""The optional TOML file: where models run, what names they go by, who may use them.

A name under `[models]` goes to one `target`, or to several `targets` by weight, and when those fail to its
`fallbacks`. Everything is checked when the function starts: a mistake stops it with one sentence.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.routing import model_names

PUBLISHERS: Final = frozenset(
    {"ai21", "anthropic", "endpoints", "google", "mistralai", "openapi", "predictions", "texttospeech"}
)


class ConfigError(ValueError):
    """A mistake in the file; the message says where and what."""


class Location(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where something runs. `impersonate` is a service account whose token is used instead of our own."""

    project: str | None = None
    location: str | None = None
    fallback_locations: list[str] = []
    impersonate: str | None = None


class Deployment(Location, kw_only=True):
    """Where a model runs, and what is to be known of one that the operator has deployed.

    `dedicated_endpoint_dns` is its endpoint's `dedicatedEndpointDns`; `served_model_name` is what its
    container calls it (vLLM's `--served-model-name`); `reasoning_tags` says that it leaves its thoughts in
    the content, between `<think>` and `</think>` (vLLM without `--reasoning-parser`).
    """

    dedicated_endpoint_dns: str | None = None
    served_model_name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    reasoning_tags: bool | None = None


class Target(Deployment, kw_only=True):
    """One of several places that answer to a name, chosen in proportion to its `weight`."""

    model: str | None = None
    weight: Annotated[float, msgspec.Meta(gt=0)] = 1


class ModelRule(Deployment, kw_only=True):
    """What a name means."""

    target: str | None = None
    targets: list[Target] = []
    fallbacks: list[str] = []
    defaults: dict[str, Any] = {}
    safety_settings: list[dict[str, Any]] = []


class PublisherRule(Location, kw_only=True):
    """What holds for all models of a publisher."""

    safety_settings: list[dict[str, Any]] = []


class KeyRule(msgspec.Struct, forbid_unknown_fields=True):
    """Which models a key may use; patterns such as `gemini-*`."""

    models: tuple[str, ...] = ("*",)


class ConfigFile(Location, kw_only=True):
    """The whole file. `allow` are patterns: a name that fits none is refused."""

    allow: tuple[str, ...] = ("*",)
    labels: dict[str, str] = {}
    safety_settings: list[dict[str, Any]] = []
    publishers: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    keys: dict[str, dict[str, Any]] = {}


class RoutingConfig(msgspec.Struct, frozen=True):
    """The file, read and checked."""

    file: ConfigFile = msgspec.field(default_factory=ConfigFile)
    publishers: Mapping[str, PublisherRule] = {}
    models: Mapping[str, ModelRule] = {}
    keys: Mapping[str, KeyRule] = {}

    def impersonates(self) -> bool:
        """Whether any place is called as a service account."""
        return any(place.impersonate for _, place in _places(self))


T = TypeVar("T", bound=msgspec.Struct)


def read(path: Path) -> RoutingConfig:
    """The rules in the file at `path`; raises `ConfigError`, `OSError`."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}.") from None
    try:
        return parse(found)
    except ConfigError as wrong:
        raise ConfigError(f"{path.name}: {wrong}") from None


def parse(found: Mapping[str, Any]) -> RoutingConfig:
    """The rules in a decoded file; raises `ConfigError`."""
    file = _as(found, ConfigFile, "the file")
    rules = RoutingConfig(
        file,
        {name: _as(rule, PublisherRule, f"[publishers.{name}]") for name, rule in file.publishers.items()},
        {name: _as(rule, ModelRule, f'[models."{name}"]') for name, rule in file.models.items()},
        {name: _as(rule, KeyRule, f"[keys.{name}]") for name, rule in file.keys.items()},
    )
    for name in rules.publishers.keys() - PUBLISHERS:
        known = ", ".join(sorted(PUBLISHERS))
        raise ConfigError(f"[publishers.{name}] is no publisher; there are {known}.")
    for where, place in _places(rules):
        _check_place(place, where)
    for name in rules.models:
        _check_names(name, rules, ())
    return rules


def targets(name: str, rule: ModelRule) -> list[Target]:
    """The targets of a rule, also where it has but one, or only says where its own name runs."""
    if rule.targets:
        return rule.targets
    return [Target(model=rule.target or name)]


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether `name` is one of those that `patterns` allow."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _as(found: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        said, _, place = str(error).partition(" - at `$")
        inner = place.rstrip("`").lstrip(".")
        raise ConfigError(f"{where}{f', {inner}' if inner else ''}: {said[:1].lower()}{said[1:]}.") from None


def _places(rules: RoutingConfig) -> Iterator[tuple[str, Location]]:
    yield "the file", rules.file
    for name, publisher in rules.publishers.items():
        yield f"[publishers.{name}]", publisher
    for name, model in rules.models.items():
        yield f'[models."{name}"]', model
        for target in model.targets:
            yield f'a target of [models."{name}"]', target


def _check_place(place: Location, where: str) -> None:
    if place.project is not None and not vertex.is_project(place.project):
        raise ConfigError(f"{where}: project {place.project!r} is no project id.")
    for location in filter(None, [place.location, *place.fallback_locations]):
        if not vertex.is_location(location):
            raise ConfigError(f"{where}: {location!r} is no location; it takes global, us, eu or a region.")
    if place.fallback_locations and not place.location:
        raise ConfigError(f"{where}: fallback_locations needs a location to fall back from.")
    if isinstance(place, Deployment) and (dns := place.dedicated_endpoint_dns) is not None:
        region = vertex.region_of(dns)
        if region is None:
            form = f"ENDPOINT_ID.REGION-NUMBER.{vertex.DEDICATED}"
            raise ConfigError(f"{where}: dedicated_endpoint_dns {dns!r} is no host of the form {form}.")
        if place.location not in {None, region}:
            raise ConfigError(
                f"{where}: dedicated_endpoint_dns is in {region}, and location is {place.location}."
            )


def _check_names(name: str, rules: RoutingConfig, on_the_way: tuple[str, ...]) -> None:
    """Every name that `name` leads to exists, and none leads back."""
    if name in on_the_way:
        raise ConfigError(f"[models] lead in a circle: {' → '.join([*on_the_way, name])}.")
    rule = rules.models[name]
    if rule.target and rule.targets:
        raise ConfigError(f'[models."{name}"] has both target and targets.')
    for target in targets(name, rule):
        _check_deployment(target.model or name, name, (target, rule), rules)
    for other in [target.model or name for target in targets(name, rule)] + rule.fallbacks:
        if other in rules.models and other != name:
            _check_names(other, rules, (*on_the_way, name))
            continue
        if other == name and name in rule.fallbacks:
            raise ConfigError(f'[models."{name}"] falls back to itself.')
        try:
            model_names.resolve(other)
        except errors.NotFound:
            raise ConfigError(f'[models."{name}"] leads to {other!r}, which is no name of a model.') from None


def _check_deployment(other: str, name: str, places: tuple[Deployment, ...], rules: RoutingConfig) -> None:
    """What is said of a deployed model is said of one."""
    said = {
        "dedicated_endpoint_dns": {"endpoints", "predictions"},
        "served_model_name": {"endpoints"},
        "reasoning_tags": {"endpoints", "openapi"},
    }
    given = {key for key in said for place in places if getattr(place, key) is not None}
    if not given:
        return
    try:
        alias = other in rules.models and other != name
        publisher = None if alias else model_names.resolve(other).publisher
    except errors.NotFound:  # which is said in the words for all names
        return
    for key in sorted(given):
        if publisher not in said[key]:
            raise ConfigError(
                f'[models."{name}"]: {key} is for a deployed model such as openai/ENDPOINT_ID, not {other!r}.'
            )
