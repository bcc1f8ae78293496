"""A client's model name → the models to try, in order: where each runs, and as whom.

A location that the operator has set is the law, unless `fallback_locations` says otherwise; where none is
set, the publisher's table has candidates. Targets of one name are used by weight; one that has failed comes
last for a while.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

from vertex_compat import errors, vertex
from vertex_compat.routing import model_names
from vertex_compat.routing.rules import (
    Location,
    ModelRule,
    PublisherRule,
    RoutingConfig,
    Target,
    matches,
    targets,
)
from vertex_compat.types import JSON, Model, ResourceTarget

COOL_DOWN: Final = (5.0, 15.0)
"""Seconds that a failed target waits behind the others; spread, so that not all come back at once."""

REMEMBERED: Final = 1024
"""Names whose meaning is kept; the clients choose the names, so there is an end to it."""


class _Choice(NamedTuple):
    """A model, and how often it is to be chosen. `spare` is the same, with others to answer if it fails."""

    weight: float
    model: Model
    spare: Model


class Router:
    """One for the process, and views of it for the holders of keys.

    `project` and `location` are those of the environment, which the file does not overrule.
    """

    def __init__(
        self, rules: RoutingConfig, project: str | None, location: str | None, key: str | None = None
    ) -> None:
        self._rules = rules
        self._settled = project, location
        file = rules.file
        self._everywhere = Location(
            project=project or file.project,
            location=location or file.location,
            fallback_locations=[] if location else file.fallback_locations,
            impersonate=file.impersonate,
        )
        self._cooling: dict[Model, float] = {}
        self._patterns = [file.allow]
        if key and key in rules.keys:
            self._patterns.append(rules.keys[key].models)
        self._views: dict[str, Router] = {}
        self._meaning = lru_cache(REMEMBERED)(self._resolve)

    def for_key(self, key: str | None) -> Router:
        """The router for the holder of a key, who may be allowed fewer models."""
        if key is None or key not in self._rules.keys:
            return self
        if (view := self._views.get(key)) is None:
            view = Router(self._rules, *self._settled, key)
            view._cooling = self._cooling  # what failed for one has failed for all
            self._views[key] = view
        return view

    def allows(self, name: str) -> bool:
        """Whether the settings let this caller use `name`."""
        return all(matches(name, patterns) for patterns in self._patterns)

    def names(self) -> tuple[str, ...]:
        """The names that the settings give to models."""
        return tuple(self._rules.models)

    def candidates(self, asked: str) -> tuple[Model, ...]:
        """The models to try for a name, best first and at least one; raises `NotFound`, `Forbidden`."""
        stages = self._meaning(asked)
        if len(stages) == 1 and len(stages[0]) == 1:
            return (stages[0][0].model,)
        ordered = {choice.model: choice for stage in stages for choice in self._ordered(stage)}
        *others, last = ordered.values()
        return (*(choice.spare for choice in others), last.model)

    def all_targets(self, asked: str) -> tuple[Model, ...]:
        """All models that may answer a name, in the order of the settings; raises as `plan`."""
        return tuple(choice.model for stage in self._meaning(asked) for choice in stage)

    def locate(self, asked: str) -> Model:
        """Where a name that the settings do not give runs, whoever may use it; raises `NotFound`."""
        return self._placed(model_names.resolve(asked), asked, ModelRule(), Target())

    def project_site(self, resource: str, location: str | None, otherwise: str) -> ResourceTarget:
        """Where jobs of the project's own run: in `location`, else in the region that is set, if one is.

        `global` is no region; where it is set, or nothing, `otherwise` is the one.
        """
        settled = self._everywhere.location
        where = location or (settled if settled and settled != "global" else otherwise)
        return ResourceTarget(
            resource,
            (where,),
            project=self._everywhere.project,
            impersonate_account=self._everywhere.impersonate,
        )

    def mark_failed(self, model: Model) -> None:
        """Remember that `model` cannot answer for now."""
        wait = random.uniform(*COOL_DOWN)  # noqa: S311  (spread, not a secret)
        self._cooling[model] = time.monotonic() + wait

    def _resolve(self, asked: str) -> tuple[tuple[_Choice, ...], ...]:
        """What a name means, whatever happens meanwhile: its targets, and those of each of its fallbacks."""
        if not self.allows(asked):
            raise errors.Forbidden(f"You are not allowed to use the model {asked[:200]!r}.", param="model")
        rule = self._rules.models.get(asked)
        return tuple(
            tuple(
                _Choice(weight, model, replace(model, has_fallback=True))
                for weight, model in self._targets(name, asked)
            )
            for name in (asked, *(rule.fallbacks if rule else ()))
        )

    def _ordered(self, stage: tuple[_Choice, ...]) -> list[_Choice]:
        """The choices in a random order that heeds their weights, the failed ones last."""
        rest = list(stage)
        ordered = []
        while rest:
            weights = [choice.weight for choice in rest]
            chosen = random.choices(range(len(rest)), weights)[0]  # noqa: S311  (spread, not a secret)
            ordered.append(rest.pop(chosen))
        now = time.monotonic()
        return sorted(ordered, key=lambda choice: self._cooling.get(choice.model, 0) > now)

    def _targets(self, name: str, asked: str) -> Iterator[tuple[float, Model]]:
        rule = self._rules.models.get(name)
        if rule is None:
            yield 1.0, replace(self.locate(name), requested_name=asked)
            return
        for target in targets(name, rule):
            other = target.model or name
            if other == name or other not in self._rules.models:
                yield target.weight, self._placed(model_names.resolve(other), asked, rule, target)
            else:
                inner = list(self._targets(other, asked))
                total = sum(weight for weight, _ in inner)
                for weight, model in inner:
                    yield target.weight * weight / total, _over(model, rule, target)

    def _placed(self, model: Model, asked: str, rule: ModelRule, target: Target) -> Model:
        publisher = self._rules.publishers.get(model.publisher, PublisherRule())
        order = (target, rule, publisher, self._everywhere)
        settled = next((place for place in order if place.location), None)
        dns = target.dedicated_endpoint_dns or rule.dedicated_endpoint_dns
        if dns:  # a host says where its endpoint is, and it is nowhere else
            settled = Location(location=vertex.region_of(dns))
        if model.named_project:  # so does a full name
            settled = Location(location=model.locations[0])
        return replace(
            model,
            requested_name=asked,
            project=_first(order, "project"),
            impersonate_account=_first(order, "impersonate"),
            locations=_locations(settled) if settled else model.locations,
            location_pinned=settled is not None,
            endpoint_host=dns,
            served_name=target.served_model_name or rule.served_model_name,
            reasoning_tags=bool(_first((target, rule), "reasoning_tags")),
            defaults=self._defaults(model.publisher, publisher) | _defaults(rule),
        )

    def _defaults(self, name: str, publisher: PublisherRule) -> JSON:
        """What holds for Google's models alone, in Google's words."""
        if name != "google":
            return {}
        file = self._rules.file
        found = {
            "safety_settings": publisher.safety_settings or file.safety_settings,
            "labels": file.labels,
        }
        return {key: value for key, value in found.items() if value}


def _over(model: Model, rule: ModelRule, target: Target) -> Model:
    """`model`, as far as an alias of it does not say otherwise."""
    order = (target, rule)
    settled = next((place for place in order if place.location), None)
    return replace(
        model,
        project=_first(order, "project") or model.project,
        impersonate_account=_first(order, "impersonate") or model.impersonate_account,
        locations=_locations(settled) if settled else model.locations,
        location_pinned=model.location_pinned or settled is not None,
        defaults={**model.defaults, **_defaults(rule)},
    )


def _locations(place: Location) -> tuple[str, ...]:
    return tuple(filter(None, [place.location, *place.fallback_locations]))


def _first(places: tuple[Location, ...], key: str) -> str | None:
    found: Iterator[str] = (value for place in places if (value := getattr(place, key)))
    return next(found, None)


def _defaults(rule: ModelRule) -> JSON:
    safety: JSON = {"safety_settings": rule.safety_settings} if rule.safety_settings else {}
    return safety | rule.defaults
