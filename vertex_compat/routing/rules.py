"""The optional TOML settings file: model names, locations, API keys' rights, model facts.

A name under `[models]` stands for one `target`, or for several `targets` by weight, and for its `fallbacks`
if those fail. Everything is checked when the function starts: a mistake stops it with one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.model_profile import ModelProfile, Price
from vertex_compat.routing import model_names
from vertex_compat.routing.catalog import is_pattern
from vertex_compat.types import JSON

T = TypeVar("T", bound=msgspec.Struct)

PUBLISHERS: Final = frozenset(
    {"ai21", "anthropic", "endpoints", "google", "mistralai", "openapi", "predictions", "speechtotext"}
    | {"texttospeech"}
)


MAX_BUDGET_USD: Final = 1_000_000


OPERATIONS: Final = frozenset(
    {"audio", "batches", "chat", "completions", "conversations", "embeddings", "files", "fine_tuning"}
    | {
        "generate_content",
        "images",
        "messages",
        "models",
        "moderations",
        "ocr",
        "passthrough",
        "rerank",
        "responses",
        "vector_stores",
        "videos",
    }
)
"""Names for `[keys.NAME] operations`: the folders of `operations/`, and what its `service/` has for keys."""

DEFAULT_OPERATIONS: Final = tuple(sorted(OPERATIONS - {"batches", "fine_tuning"}))
"""Operations of a key whose rule names none: batches and fine-tuning run up costs after the request."""


class ConfigError(ValueError):
    """A mistake in the file. The message says where it is and what is wrong."""


class Location(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Project and location of calls. `impersonate` is a service account whose token is used."""

    project: str | None = None
    location: str | None = None
    fallback_locations: list[str] = []
    impersonate: str | None = None


class Deployment(Location, kw_only=True):
    """Location of a model, and facts about a model that the operator has deployed."""

    dedicated_endpoint_dns: str | None = None
    """`dedicatedEndpointDns` of its endpoint."""
    served_model_name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    """Model name that its container expects: vLLM's `--served-model-name`."""
    reasoning_tags: bool | None = None
    """Reasoning is in the content, between `<think>` tags: vLLM without `--reasoning-parser`."""
    invoke: bool | None = None
    """It was uploaded with the `invokeRoutePrefix` `/*`."""


class Target(Deployment, kw_only=True):
    """One of several models behind a name, chosen in proportion to its `weight`."""

    model: str | None = None
    weight: Annotated[float, msgspec.Meta(gt=0)] = 1


class ModelRule(Deployment, kw_only=True):
    """The models behind a name. `price` replaces the catalog's."""

    target: str | None = None
    targets: list[Target] = []
    fallbacks: list[str] = []
    defaults: dict[str, Any] = {}
    safety_settings: list[dict[str, Any]] = []
    enforced_safety_settings: list[dict[str, Any]] = []
    enforced_labels: dict[str, str] = {}
    price: Price | None = None
    model_armor: str | None = None


class PublisherRule(Location, kw_only=True):
    """Settings for all models of a publisher."""

    safety_settings: list[dict[str, Any]] = []
    enforced_safety_settings: list[dict[str, Any]] = []
    enforced_labels: dict[str, str] = {}


class KeyRule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The rights and limits of an API key."""

    models: tuple[str, ...] = ("*",)
    """Names, or patterns such as `gemini-*`."""
    model_armor: str | None = None
    operations: tuple[str, ...] = DEFAULT_OPERATIONS
    """Names in `OPERATIONS`."""
    debug: bool = False
    """Allows the header `x-vertex-compat-debug`, which shows project and bucket."""
    requests_per_minute: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tokens_per_minute: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_parallel_requests: Annotated[int, msgspec.Meta(ge=1)] | None = None
    budget_usd: Annotated[float, msgspec.Meta(ge=0, le=MAX_BUDGET_USD)] | None = None
    """For a calendar day or month in UTC."""
    budget_period: Literal["day", "month"] = "month"
    expires: datetime | None = None
    """The key is refused from this time on."""

    def is_limited(self) -> bool:
        """Return whether requests with the key have to be counted."""
        limits = (self.requests_per_minute, self.tokens_per_minute, self.max_parallel_requests)
        return self.budget_usd is not None or any(limit is not None for limit in limits)

    def is_expired(self, now: datetime) -> bool:
        """Return whether the key has expired at `now`, an aware time."""
        return self.expires is not None and now >= self.expires


class ConfigFile(Location, kw_only=True):
    """The whole settings file."""

    allow: tuple[str, ...] = ("*",)
    """Patterns; a model name that matches none is refused."""
    labels: dict[str, str] = {}
    model_armor: str | None = None
    """Template that checks the texts of requests and responses, unless model or key have another."""
    model_armor_failure: Literal["block", "pass"] = "block"
    """The fate of a request without a verdict: it is blocked, or passed on."""
    safety_settings: list[dict[str, Any]] = []
    enforced_safety_settings: list[dict[str, Any]] = []
    """Replace the client's, for Google's models."""
    enforced_labels: dict[str, str] = {}
    """Replace the client's, for Google's models."""
    shared_files: bool = False
    """All keys share files, batches, tuning jobs and stored responses."""
    shared_prefixes: tuple[Annotated[str, msgspec.Meta(min_length=1)], ...] = ()
    """Beginnings of names of objects in the function's bucket that all keys can read."""
    allow_gcs: tuple[str, ...] | None = None
    """Patterns of Cloud Storage objects in other buckets that requests may name; None: all."""
    allow_projects: tuple[str, ...] = ()
    """Projects whose resources requests may name, besides this deployment's."""
    allow_locations: tuple[str, ...] = ()
    """Locations whose resources requests may name, besides this deployment's."""
    publishers: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    keys: dict[str, dict[str, Any]] = {}
    catalog: dict[str, dict[str, Any]] = {}
    """Corrections of facts about models, by name or pattern."""
    prices: str | None = None
    """Another TOML file with tables like those of `catalog`, relative to this one."""
    builtin_names: bool = True
    """OpenAI's built-in names for speech, transcription and images stand for Google's models."""
    on_limit_store_failure: Literal["allow", "refuse"] | None = None
    """For keys with limits while Redis is unavailable; None: refuse those with a budget."""
    single_instance: bool = False
    """One process serves all requests, so it may count budgets in its memory."""
    billing_labels: bool = False
    """Calls to Gemini and Claude carry the key's name as a label."""


class RoutingConfig(msgspec.Struct, frozen=True):
    """The file, read and checked. `prices` are the corrections of the file that `prices` names."""

    file: ConfigFile = msgspec.field(default_factory=ConfigFile)
    publishers: Mapping[str, PublisherRule] = {}
    models: Mapping[str, ModelRule] = {}
    keys: Mapping[str, KeyRule] = {}
    prices: Mapping[str, JSON] = {}

    def impersonates(self) -> bool:
        """Return whether any call is made as another service account."""
        return any(entry.impersonate for _, entry in location_tables(self))

    def corrections(self) -> Mapping[str, JSON]:
        """Return the corrections of the catalog: those of the prices' file, then those of this one."""
        corrections = {name: {"price": price} for name, price in self.prices.items()}
        for name, fields in self.file.catalog.items():
            corrections[name] = corrections.get(name, {}) | fields
        return corrections


def read(path: Path) -> RoutingConfig:
    """Read the file at `path`; raises `ConfigError`, `OSError`."""
    content = _load(path)
    try:
        prices_file = content.get("prices")
        prices = _load(path.parent / prices_file) if isinstance(prices_file, str) else {}
        return parse(content, prices)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    except OSError as error:
        raise ConfigError(
            f"{path.name}: prices names {prices_file!r}, which cannot be read: {error.strerror}."
        ) from None


def parse(content: Mapping[str, Any], prices: Mapping[str, Any] | None = None) -> RoutingConfig:
    """Return the rules of a decoded file; raises `ConfigError`."""
    file = _convert(content, ConfigFile, "the file")
    config = RoutingConfig(
        file,
        {
            name: _convert(rule, PublisherRule, f"[publishers.{name}]")
            for name, rule in file.publishers.items()
        },
        {name: _convert(rule, ModelRule, f'[models."{name}"]') for name, rule in file.models.items()},
        {name: key_rule(name, rule) for name, rule in file.keys.items()},
        prices or {},
    )
    for name, fields in file.catalog.items():
        _convert(fields, ModelProfile, f'[catalog."{name}"]')
    for name, fields in config.prices.items():
        _convert(fields, Price, f'{file.prices}, ["{name}"]')
    for location in file.allow_locations:
        if not vertex.is_location(location):
            raise ConfigError(f"allow_locations has {location!r}, which is no location.")
    for name in config.corrections():
        _check_model_name(name)
    for name in config.publishers.keys() - PUBLISHERS:
        names = ", ".join(sorted(PUBLISHERS))
        raise ConfigError(f"[publishers.{name}] is not a publisher; they are {names}.")
    for table, entry in location_tables(config):
        _check_entry(entry, table)
    for table, template in model_armor_templates(config):
        _check_template(template, table)
    for name in config.models:
        _check_names(name, config, ())
    return config


def key_rule(name: str, fields: Mapping[str, Any]) -> KeyRule:
    """Return the rule of a table `[keys.NAME]`; raises `ConfigError`.

    Times without a zone are UTC.
    """
    expires = fields.get("expires")
    if isinstance(expires, date) and not isinstance(expires, datetime):
        expires = datetime.combine(expires, time())
    if isinstance(expires, datetime):
        expires = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
        fields = {**fields, "expires": expires}
    rule = _convert(fields, KeyRule, f"[keys.{name}]")
    for operation in sorted(set(rule.operations) - OPERATIONS):
        names = ", ".join(sorted(OPERATIONS))
        raise ConfigError(f"[keys.{name}] operations: {operation!r} is not one of {names}.")
    return rule


def targets(name: str, rule: ModelRule) -> list[Target]:
    """Return the targets of a rule, also where it has one only, or none but the name itself."""
    if rule.targets:
        return rule.targets
    return [Target(model=rule.target or name)]


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether one of the patterns matches the name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _load(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  (few deployments have a settings file: cold start)

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}.") from None


def _convert(content: Any, kind: type[T], table: str) -> T:
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        inner = path.rstrip("`").lstrip(".")
        position = f"{table}, {inner}" if inner else table
        raise ConfigError(f"{position}: {message[:1].lower()}{message[1:]}.") from None


def location_tables(config: RoutingConfig) -> Iterator[tuple[str, Location]]:
    """Yield each part of the file that has projects and locations, after its name for messages."""
    yield "the file", config.file
    for name, publisher in config.publishers.items():
        yield f"[publishers.{name}]", publisher
    for name, model in config.models.items():
        yield f'[models."{name}"]', model
        for target in model.targets:
            yield f'a target of [models."{name}"]', target


def model_armor_templates(config: RoutingConfig) -> Iterator[tuple[str, str | None]]:
    """Yield the Model Armor template of each table, after the table's name for messages."""
    yield "the file", config.file.model_armor
    for name, model in config.models.items():
        yield f'[models."{name}"]', model.model_armor
    for name, key in config.keys.items():
        yield f"[keys.{name}]", key.model_armor


def _check_template(template: str | None, table: str) -> None:
    if template is not None and not vertex.MODEL_ARMOR_TEMPLATE.fullmatch(template):
        raise ConfigError(
            f"{table}: model_armor {template!r} does not have the form "
            "projects/PROJECT/locations/LOCATION/templates/TEMPLATE."
        )


def _check_entry(entry: Location, table: str) -> None:
    if entry.project is not None and not vertex.is_project(entry.project):
        raise ConfigError(f"{table}: {entry.project!r} is not a project id.")
    for location in filter(None, [entry.location, *entry.fallback_locations]):
        if not vertex.is_location(location):
            raise ConfigError(f"{table}: {location!r} is not a location; use global, us, eu or a region.")
    if entry.fallback_locations and not entry.location:
        raise ConfigError(f"{table}: fallback_locations needs a location to fall back from.")
    if isinstance(entry, Deployment) and (host := entry.dedicated_endpoint_dns) is not None:
        region = vertex.region_of(host)
        if region is None:
            form = f"ENDPOINT_ID.REGION-NUMBER.{vertex.DEDICATED}"
            raise ConfigError(f"{table}: dedicated_endpoint_dns {host!r} does not have the form {form}.")
        if entry.location not in {None, region}:
            raise ConfigError(
                f"{table}: dedicated_endpoint_dns is in {region}, and location is {entry.location}."
            )


def _check_names(name: str, config: RoutingConfig, path: tuple[str, ...]) -> None:
    """Check that every name that `name` refers to exists, and that none refers back to itself."""
    if name in path:
        raise ConfigError(f"[models] lead in a circle: {' → '.join([*path, name])}.")
    rule = config.models[name]
    if rule.target and rule.targets:
        raise ConfigError(f'[models."{name}"] has both target and targets.')
    for target in targets(name, rule):
        _check_deployment(target.model or name, name, (target, rule), config)
    for other in [target.model or name for target in targets(name, rule)] + rule.fallbacks:
        if other in config.models and other != name:
            _check_names(other, config, (*path, name))
            continue
        if other == name and name in rule.fallbacks:
            raise ConfigError(f'[models."{name}"] falls back to itself.')
        try:
            model_names.resolve(other)
        except errors.NotFound:
            raise ConfigError(f'[models."{name}"] leads to {other!r}, which is not a model name.') from None


def _check_model_name(name: str) -> None:
    """Check that a name of the catalog is a pattern, or the name of a model."""
    if is_pattern(name):
        return
    try:
        model_names.resolve(name)
    except errors.NotFound:
        raise ConfigError(f'[catalog."{name}"] is not a model name, nor a pattern of names.') from None


def _check_deployment(other: str, name: str, tables: tuple[Deployment, ...], config: RoutingConfig) -> None:
    """Check that only deployed models have settings for deployed models."""
    publishers = {
        "dedicated_endpoint_dns": {"endpoints", "predictions"},
        "served_model_name": {"endpoints"},
        "invoke": {"endpoints"},
        "reasoning_tags": {"endpoints", "openapi"},
    }
    present = {key for key in publishers for entry in tables if getattr(entry, key) is not None}
    if not present:
        return
    try:
        is_alias = other in config.models and other != name
        publisher = None if is_alias else model_names.resolve(other).publisher
    except errors.NotFound:  # reported by `_check_names`
        return
    for key in sorted(present):
        if publisher not in publishers[key]:
            raise ConfigError(
                f'[models."{name}"]: {key} is for a deployed model such as openai/ENDPOINT_ID, not {other!r}.'
            )
