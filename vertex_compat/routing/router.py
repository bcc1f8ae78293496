"""The models to try for a client's model name, in order, with locations and identity.

A location that the operator has set is binding; `fallback_locations` adds others. Where none is set, the
catalog has the candidates. Targets of one name are chosen by weight; one that has failed comes last for a
while.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec.structs import replace

from vertex_compat import errors, vertex
from vertex_compat.model_profile import ModelProfile
from vertex_compat.routing import model_names
from vertex_compat.routing.catalog import NATIVE_PUBLISHERS, Catalog, data
from vertex_compat.routing.refused_features import RefusedFeatures
from vertex_compat.routing.rules import (
    ConfigFile,
    KeyRule,
    Location,
    ModelRule,
    PublisherRule,
    RoutingConfig,
    Target,
    location_tables,
    matches,
    targets,
)
from vertex_compat.types import JSON, Model, ResourceTarget

COOL_DOWN_SECONDS: Final = (5.0, 15.0)
"""Range of the random time for which a failed target comes last, so that not all return together."""

MAX_CACHED_NAMES: Final = 1024
"""Clients choose the names, so the cache of resolved names has a bound."""


class _WeightedTarget(NamedTuple):
    """A model and its weight.

    `with_fallback` is the same model where another one answers if it fails.
    """

    weight: float
    model: Model
    with_fallback: Model


class Router:
    """Resolves model names for one API key, or for all callers.

    One for the process, and one for each key. `project` and `location` are those of the environment; they
    take precedence over the file's.
    """

    def __init__(
        self, config: RoutingConfig, project: str | None, location: str | None, rule: KeyRule | None = None
    ) -> None:
        self.config = config
        self._environment = project, location
        file = config.file
        self.catalog = Catalog(config.corrections())
        self._default = Location(
            project=project or file.project,
            location=location or file.location,
            fallback_locations=[] if location else file.fallback_locations,
            impersonate=file.impersonate,
        )
        self._named_locations = frozenset(file.allow_locations) | {
            location for _, entry in location_tables(config) for location in _locations(entry)
        }
        self._cooling: dict[tuple[object, ...], float] = {}
        self._refused = RefusedFeatures()
        self.rule = rule
        self._patterns = [file.allow, rule.models] if rule else [file.allow]
        self._by_key: dict[str, Router] = {}
        self._stages = lru_cache(MAX_CACHED_NAMES)(self._resolve)

    def for_key(self, key: str | None, rule: KeyRule | None) -> Router:
        """Return the router for an API key with a rule, which may allow fewer models."""
        if key is None or rule is None:
            return self
        router = self._by_key.get(key)
        if router is None or router.rule != rule:  # rules may change with the file of keys
            router = Router(self.config, *self._environment, rule)
            router._cooling = self._cooling  # a target that failed for one key has failed for all
            router._refused = self._refused
            self._by_key[key] = router
        return router

    def allows(self, name: str) -> bool:
        """Return whether the settings let this caller use the model name."""
        names = {name, self._target_name(name)}
        publisher, _, short = name.partition("/")
        if publisher in NATIVE_PUBLISHERS and short:  # `google/gemini-…` is the model `gemini-…`
            names.add(short)
        return all(any(matches(name, patterns) for name in names) for patterns in self._patterns)

    def _target_name(self, name: str) -> str:
        """Return the model that answers for a built-in name of OpenAI's, or the name."""
        if name in self.config.models or not self.config.file.builtin_names:
            return name
        return data().builtin_names.get(name, name)

    def names(self) -> tuple[str, ...]:
        """Return the model names that the settings file defines."""
        return tuple(self.config.models)

    def candidates(self, name: str) -> tuple[Model, ...]:
        """Return the models to try for a name, best first, at least one.

        Raises `NotFound`, `Forbidden`.
        """
        stages = self._stages(name)
        if len(stages) == 1 and len(stages[0]) == 1:
            return (stages[0][0].model,)
        ordered = {target.model.target: target for stage in stages for target in self._order(stage)}
        *earlier, last = ordered.values()
        return (*(target.with_fallback for target in earlier), last.model)

    def all_targets(self, name: str) -> tuple[Model, ...]:
        """Return all models that may answer a name, in order; raises as `candidates` does."""
        return tuple(target.model for stage in self._stages(name) for target in stage)

    def locate(self, name: str) -> Model:
        """Return the model of a name that the settings file does not define; raises `NotFound`.

        It is not checked whether the caller may use it.
        """
        return self._with_settings(model_names.resolve(name, self.catalog), name, ModelRule(), Target())

    def project_site(self, resource: str, location: str | None, default: str) -> ResourceTarget:
        """Return where the project's own jobs run: in `location`, else in the region that is set.

        Where no region is set, or `global`, which is none, they run in `default`.
        """
        pinned = self._default.location
        region = location or (pinned if pinned and pinned != "global" else default)
        return ResourceTarget(
            resource,
            (region,),
            project=self._default.project,
            impersonate_account=self._default.impersonate,
        )

    def check_location(self, location: str) -> None:
        """Raise `Forbidden` if the settings pin locations, and `location` is not one of them."""
        if self._default.location not in {None, "global", location} and location not in self._named_locations:
            raise _wrong_location(location, self._default)

    def mark_failed(self, model: Model) -> None:
        """Remember that `model` cannot answer for now."""
        wait = random.uniform(*COOL_DOWN_SECONDS)  # noqa: S311  (spread, not a secret)
        self._cooling[model.target] = time.monotonic() + wait

    def with_refused_features(self, model: Model) -> Model:
        """Return the model with the optional features that Vertex AI has refused for it."""
        refused = self._refused.of(model)
        return replace(model, refused_features=refused) if refused else model

    def mark_refused(self, model: Model, features: frozenset[str]) -> None:
        """Remember that Vertex AI refuses a call with these features only."""
        self._refused.add(model, features)

    def _resolve(self, requested_name: str) -> tuple[tuple[_WeightedTarget, ...], ...]:
        """Return the targets of a name, and then those of each of its fallbacks."""
        if not self.allows(requested_name):
            raise errors.Forbidden(
                f"You are not allowed to use the model {requested_name[:200]!r}. "
                "GET /v1/models lists those that you may use.",
                param="model",
            )
        rule = self.config.models.get(requested_name)
        return tuple(
            tuple(
                _WeightedTarget(weight, model, replace(model, has_fallback=True))
                for weight, model in map(self._with_model_armor, self._targets(name, requested_name))
            )
            for name in (requested_name, *(rule.fallbacks if rule else ()))
        )

    def _with_model_armor(self, target: tuple[float, Model]) -> tuple[float, Model]:
        """Return a target with the Model Armor template of the key, else the model, else the file."""
        weight, model = target
        of_key = self.rule.model_armor if self.rule else None
        return weight, replace(model, model_armor=of_key or model.model_armor or self.config.file.model_armor)

    def _order(self, stage: tuple[_WeightedTarget, ...]) -> list[_WeightedTarget]:
        """Return the targets in a random order by their weights, those that have failed last."""
        remaining = list(stage)
        ordered = []
        while remaining:
            weights = [target.weight for target in remaining]
            index = random.choices(range(len(remaining)), weights)[0]  # noqa: S311  (spread, not a secret)
            ordered.append(remaining.pop(index))
        now = time.monotonic()
        return sorted(ordered, key=lambda target: self._cooling.get(target.model.target, 0) > now)

    def _targets(self, name: str, requested_name: str) -> Iterator[tuple[float, Model]]:
        """Yield the models of a name with their weights; an alias of an alias is followed."""
        rule = self.config.models.get(name)
        if rule is None:
            yield 1.0, replace(self.locate(self._target_name(name)), requested_name=requested_name)
            return
        for target in targets(name, rule):
            other = target.model or name
            if other == name or other not in self.config.models:
                model = model_names.resolve(other, self.catalog)
                yield target.weight, self._with_settings(model, requested_name, rule, target)
            else:
                inner = list(self._targets(other, requested_name))
                total = sum(weight for weight, _ in inner)
                for weight, model in inner:
                    yield target.weight * weight / total, _overridden(model, rule, target)

    def _with_settings(self, model: Model, requested_name: str, rule: ModelRule, target: Target) -> Model:
        """Return the model with the settings of target, rule, publisher and file, in this order."""
        publisher = self.config.publishers.get(model.publisher, PublisherRule())
        order = (target, rule, publisher, self._default)
        pinned = next((entry for entry in order if entry.location), None)
        host = target.dedicated_endpoint_dns or rule.dedicated_endpoint_dns
        if host:  # an endpoint with a host of its own is in that host's region only
            pinned = Location(location=vertex.region_of(host))
        if model.named_project:  # a full resource name holds its location
            location = model.locations[0]
            if pinned and pinned.location != "global" and location not in _locations(pinned):
                raise _wrong_location(location, pinned)
            pinned = Location(location=location)
        return replace(
            model,
            requested_name=requested_name,
            project=_first(order, "project"),
            impersonate_account=_first(order, "impersonate"),
            locations=_locations(pinned) if pinned else model.locations,
            location_pinned=pinned is not None,
            endpoint_host=host,
            served_name=target.served_model_name or rule.served_model_name,
            reasoning_tags=bool(_first((target, rule), "reasoning_tags")),
            invoke=bool(_first((target, rule), "invoke")),
            model_armor=rule.model_armor,
            defaults=self._defaults(model.publisher, publisher) | _defaults(rule),
            enforced=self._merged_enforced(publisher) | _enforced_params(rule)
            if model.publisher == "google"
            else {},
            profile=_with_price(model.profile, rule),
        )

    def _defaults(self, name: str, publisher: PublisherRule) -> JSON:
        """Return default parameters that only Google's own models take."""
        if name != "google":
            return {}
        file = self.config.file
        defaults = {
            "safety_settings": publisher.safety_settings or file.safety_settings,
            "labels": file.labels,
        }
        return {key: value for key, value in defaults.items() if value}

    def _merged_enforced(self, publisher: PublisherRule) -> JSON:
        return _enforced_params(self.config.file) | _enforced_params(publisher)


def _wrong_location(location: str, pinned: Location) -> errors.Forbidden:
    names = ", ".join(_locations(pinned))
    return errors.Forbidden(
        f"{location[:60]!r} is another location than this deployment uses ({names}).", param="model"
    )


def _enforced_params(rule: ConfigFile | PublisherRule | ModelRule) -> JSON:
    """Return the parameters that replace the client's."""
    enforced = {"safety_settings": rule.enforced_safety_settings, "labels": rule.enforced_labels}
    return {key: value for key, value in enforced.items() if value}


def _overridden(model: Model, rule: ModelRule, target: Target) -> Model:
    """Return the model of an inner alias with what the outer alias says differently."""
    order = (target, rule)
    pinned = next((entry for entry in order if entry.location), None)
    return replace(
        model,
        project=_first(order, "project") or model.project,
        impersonate_account=_first(order, "impersonate") or model.impersonate_account,
        locations=_locations(pinned) if pinned else model.locations,
        location_pinned=model.location_pinned or pinned is not None,
        model_armor=rule.model_armor or model.model_armor,
        defaults={**model.defaults, **_defaults(rule)},
        enforced={**model.enforced, **_enforced_params(rule)} if model.publisher == "google" else {},
        profile=_with_price(model.profile, rule),
    )


def _with_price(profile: ModelProfile, rule: ModelRule) -> ModelProfile:
    return replace(profile, price=rule.price) if rule.price else profile


def _locations(entry: Location) -> tuple[str, ...]:
    return tuple(filter(None, [entry.location, *entry.fallback_locations]))


def _first(tables: tuple[Location, ...], key: str) -> str | None:
    values: Iterator[str] = (value for entry in tables if (value := getattr(entry, key)))
    return next(values, None)


def _defaults(rule: ModelRule) -> JSON:
    safety: JSON = {"safety_settings": rule.safety_settings} if rule.safety_settings else {}
    return safety | rule.defaults
