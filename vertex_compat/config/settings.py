"""The settings of the function. The only module that reads the environment; it does so once.

Variables have Google's own names where Google has one. A wrong setting stops the start with one sentence.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

import msgspec

from vertex_compat import vertex
from vertex_compat.config import api_keys
from vertex_compat.config.api_keys import ApiKeys
from vertex_compat.routing import rules

T = TypeVar("T")
D = TypeVar("D")
C = TypeVar("C", bound=str)

Auth = Literal["api-key", "iam", "caller", "none"]
AUTHS: Final[tuple[Auth, ...]] = ("api-key", "iam", "caller", "none")

MAX_TIMEOUT_SECONDS: Final = 3600.0
"""Cloud Run ends a request after an hour."""

MAX_RETRIES: Final = 10

MEGABYTE: Final = 1024 * 1024

MAX_BODY_MEGABYTES: Final = 1024
"""Request bodies are held in memory."""

DEFAULT_FILE: Final = Path(__file__).resolve().parents[2] / "vertex_compat.toml"
"""The settings file beside `main.py`."""

BASE_URLS: Final = {
    "aiplatform": "GOOGLE_VERTEX_BASE_URL",
    "dedicated": "GOOGLE_VERTEX_DEDICATED_BASE_URL",
    "discoveryengine": "GOOGLE_DISCOVERYENGINE_BASE_URL",
    "iamcredentials": "GOOGLE_IAMCREDENTIALS_BASE_URL",
    "language": "GOOGLE_LANGUAGE_BASE_URL",
    "modelarmor": "GOOGLE_MODELARMOR_BASE_URL",
    "speech": "GOOGLE_SPEECH_BASE_URL",
    "storage": "STORAGE_EMULATOR_HOST",
    "texttospeech": "GOOGLE_TEXTTOSPEECH_BASE_URL",
}
"""Service → the variable with its base URL, where it is not Google's."""

COLLECTORS: Final = {
    "traces": ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    "metrics": ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
}
"""OpenTelemetry's variables with the collectors of spans and of metrics."""

OBJECT_PREFIX: Final = "vertex_compat/"
"""The names of our objects in a bucket begin so, unless the operator chooses another prefix."""


CA_BUNDLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""The variables of `requests`, curl and OpenSSL for a file of certificates; the first that is set counts."""

PROXIES: Final = ("https_proxy", "http_proxy", "all_proxy")
"""The variables for proxies, which may also be in capital letters. `requests` reads them."""


class InvalidSetting(ValueError):
    """A wrong setting. The message names the setting and the values that are allowed."""


Store = Literal["bucket", "memory", "off"]
STORES: Final[tuple[Store, ...]] = ("bucket", "memory", "off")

MAX_STORE_DAYS: Final = 3650

MIN_SECRET_LENGTH: Final = 16


class BucketSetting(NamedTuple):
    """A Cloud Storage bucket and the prefix of the names of our objects in it."""

    name: str
    prefix: str = OBJECT_PREFIX


class Settings(msgspec.Struct, frozen=True):
    """The operator's decisions. Times are in seconds, sizes in bytes."""

    project: str | None = None
    location: str | None = None
    auth: Auth = "api-key"
    keys: ApiKeys = ApiKeys({})
    """API keys at the start."""
    keys_file: Path | None = None
    """File in which the API keys may change."""
    cors_origins: frozenset[str] = frozenset()
    """Origins of web pages that may call."""
    max_body: int = 32 * MEGABYTE
    on_cloud_run: bool = False
    base_urls: Mapping[str, str] = msgspec.field(default_factory=dict)
    bucket: BucketSetting | None = None
    """For files, and for the input and output of batches."""
    secret: str | None = None
    """Signs ids."""
    signing_account: str | None = None
    store: Store = "bucket"
    """Engine that stores responses, for `store_days`."""
    store_days: int = 30
    threads: int = 80
    """Requests that run at the same time."""
    upstream_timeout: float = 600
    """Longest silence of the upstream, before its first byte and between two reads."""
    keepalive_interval: float = 15
    """Silence of a stream after which the client gets a comment."""
    retries: int = 2
    retry_deadline: float = 30
    """Longest time from the first attempt to the start of a retry."""
    fetch_links: bool = True
    """Linked files are fetched for models that read no links."""
    metadata_host: str | None = None
    """Metadata server for tokens, None to use other credentials."""
    quota_project: str | None = None
    """Project that is charged for quota."""
    list_vertex_models: bool = False
    """`GET /models` includes Vertex AI's own list."""
    playground: bool = True
    """Browsers get a page."""
    traces: bool = False
    """A collector of traces is set."""
    metrics: bool = False
    """A collector of metrics is set."""
    redis_url: str | None = None
    """Store in which instances count limits together."""
    base_path: str = ""
    """Prefix that a proxy in front leaves in the paths."""
    memory_budget: int | None = None
    """For all requests together, None to derive it from the memory limit."""
    head_timeout: float = 10
    """For the head of a request."""
    body_timeout: float = 60
    """For each megabyte of a body."""
    ca_bundle: Path | None = None
    """Certificate authorities to trust instead of the operating system's."""
    ca_directory: Path | None = None
    """Directory of such certificates, one a file."""
    use_proxies: bool = False
    """The environment names proxies."""
    routing: rules.RoutingConfig = msgspec.field(default_factory=rules.RoutingConfig)

    def __post_init__(self) -> None:
        """Check what concerns several settings; raises `InvalidSetting`."""
        self.check_keys(self.keys)
        if self.auth == "caller":
            self._check_caller()

    def __repr__(self) -> str:
        """Show nothing: the fields include keys and secrets."""
        return "Settings(…)"

    def check_keys(self, keys: ApiKeys) -> None:
        """Check that every rule of the settings file has a key; raises `InvalidSetting`."""
        source = "VERTEX_COMPAT_API_KEYS_FILE" if self.keys_file else "VERTEX_COMPAT_API_KEYS"
        for name in self.routing.keys.keys() - set(keys.digests.values()):
            if self.auth == "iam" and "@" in name:  # the account of an identity token
                continue
            raise InvalidSetting(f"[keys.{name}] is not the name of a key in {source}.")
        for name in self.routing.keys.keys() & keys.rules.keys():
            raise InvalidSetting(f"[keys.{name}] is in the settings file and in {source}; keep one of them.")
        for name, rule in {**self.routing.keys, **keys.rules}.items():
            if rule.budget_usd is not None and not (self.redis_url or self.routing.file.single_instance):
                raise InvalidSetting(
                    f"[keys.{name}] has a budget, which all instances must count together: set "
                    "VERTEX_COMPAT_REDIS_URL, or `single_instance = true` if WORKERS and the maximum of "
                    "instances are 1."
                )

    def id_secret(self) -> str:
        """Return the key that signs ids.

        It is the secret, else a text that all instances have and that can be guessed. The owner of a resource
        is checked for every id.
        """
        bucket = "/".join(self.bucket) if self.bucket else ""
        return self.secret or f"{self.project or self.routing.file.project}/{bucket}"

    def _check_caller(self) -> None:
        """Check that nothing needs keys or credentials of the function's own."""
        if self.keys.digests:
            raise InvalidSetting(
                "VERTEX_COMPAT_AUTH=caller takes access tokens, not keys; unset VERTEX_COMPAT_API_KEYS."
            )
        if not (self.project or self.routing.file.project):
            raise InvalidSetting(
                "VERTEX_COMPAT_AUTH=caller needs GOOGLE_CLOUD_PROJECT: a token names no project."
            )
        if self.list_vertex_models:
            raise InvalidSetting(
                "VERTEX_COMPAT_AUTH=caller excludes VERTEX_COMPAT_DISCOVER: its list is for all."
            )
        if self.routing.impersonates():
            raise InvalidSetting("VERTEX_COMPAT_AUTH=caller excludes `impersonate` in the settings file.")

    @staticmethod
    def from_env(env: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings; raises `InvalidSetting`."""
        default = Settings()
        return Settings(
            project=_read(env, ("GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT"), _project, default.project),
            location=_read(env, ("GOOGLE_CLOUD_LOCATION", "VERTEXAI_LOCATION"), _location, default.location),
            auth=_read(env, ("VERTEX_COMPAT_AUTH",), _one_of(AUTHS), default.auth),
            keys=_keys(env, default.keys),
            keys_file=_read(env, ("VERTEX_COMPAT_API_KEYS_FILE",), Path, default.keys_file),
            cors_origins=_read(env, ("VERTEX_COMPAT_CORS_ORIGINS",), _origins, default.cors_origins),
            max_body=_read(env, ("VERTEX_COMPAT_MAX_BODY",), _megabytes, default.max_body),
            on_cloud_run=bool(env.get("K_SERVICE")),
            base_urls={
                service: base
                for service, name in BASE_URLS.items()
                if (base := _read(env, (name,), _host if service == "storage" else _base_url, None))
            },
            bucket=_read(env, ("GCS_BUCKET_NAME",), _bucket, default.bucket),
            secret=_read(env, ("VERTEX_COMPAT_SECRET",), _secret, default.secret),
            signing_account=_read(env, ("VERTEX_COMPAT_SIGNING_ACCOUNT",), _account, default.signing_account),
            store=_read(env, ("VERTEX_COMPAT_STORE",), _one_of(STORES), default.store),
            store_days=_read(
                env,
                ("VERTEX_COMPAT_STORE_DAYS",),
                _integer("of days ", 1, MAX_STORE_DAYS),
                default.store_days,
            ),
            threads=_read(env, ("THREADS",), _integer("of threads ", 1), default.threads),
            upstream_timeout=_read(env, ("VERTEX_COMPAT_TIMEOUT",), _seconds, default.upstream_timeout),
            keepalive_interval=_read(env, ("VERTEX_COMPAT_KEEPALIVE",), _seconds, default.keepalive_interval),
            retries=_read(env, ("VERTEX_COMPAT_RETRIES",), _integer("", 0, MAX_RETRIES), default.retries),
            fetch_links=_read(env, ("VERTEX_COMPAT_FETCH",), _switch, default.fetch_links),
            metadata_host=_metadata_host(env),
            quota_project=_read(env, ("GOOGLE_CLOUD_QUOTA_PROJECT",), _project, default.quota_project),
            list_vertex_models=_read(env, ("VERTEX_COMPAT_DISCOVER",), _switch, default.list_vertex_models),
            playground=_read(env, ("VERTEX_COMPAT_PLAYGROUND",), _switch, default.playground),
            traces=any(env.get(name) for name in COLLECTORS["traces"]),
            metrics=any(env.get(name) for name in COLLECTORS["metrics"]),
            redis_url=_read(env, ("VERTEX_COMPAT_REDIS_URL",), _redis_url, default.redis_url),
            base_path=_read(env, ("VERTEX_COMPAT_BASE_PATH",), _base_path, default.base_path),
            memory_budget=_read(env, ("VERTEX_COMPAT_MEMORY_BUDGET",), _megabytes, None),
            head_timeout=_read(env, ("VERTEX_COMPAT_HEAD_TIMEOUT",), _seconds, default.head_timeout),
            body_timeout=_read(env, ("VERTEX_COMPAT_BODY_TIMEOUT",), _seconds, default.body_timeout),
            ca_bundle=_read(env, CA_BUNDLES, _existing, None),
            ca_directory=_read(env, ("SSL_CERT_DIR",), _existing, None),
            use_proxies=any(env.get(name) for name in (*PROXIES, *map(str.upper, PROXIES))),
            routing=_rules(env.get("VERTEX_COMPAT_CONFIG", "").strip()),
        )


def _read(env: Mapping[str, str], names: tuple[str, ...], read: Callable[[str], T], default: D) -> T | D:
    """Return the value of the first of `names` that is set. An empty variable counts as not set."""
    for name in names:
        if value := env.get(name, "").strip():
            try:
                return read(value)
            except ValueError as error:
                raise InvalidSetting(f"{name} {error}") from None
    return default


def _base_path(value: str) -> str:
    path = f"/{value.strip('/')}"
    if not re.fullmatch(r"[\w./~-]+", path, re.ASCII):
        raise ValueError(f"takes a path such as `/vertex`, not {value!r}.")
    return path.rstrip("/")


def _existing(value: str) -> Path:
    path = Path(value).expanduser()
    if not path.exists():
        raise ValueError(f"names {value!r}, which does not exist.")
    return path


def _rules(value: str) -> rules.RoutingConfig:
    path = Path(value) if value else DEFAULT_FILE
    if not value and not path.exists():
        return rules.RoutingConfig()
    try:
        return rules.read(path)
    except OSError as error:
        raise InvalidSetting(
            f"VERTEX_COMPAT_CONFIG names {value!r}, which cannot be read: {error.strerror}."
        ) from None
    except rules.ConfigError as error:
        raise InvalidSetting(str(error)) from None


def _metadata_host(env: Mapping[str, str]) -> str | None:
    """Return the metadata server on Cloud Run, unless a file has other credentials."""
    if not env.get("K_SERVICE") or env.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return None
    return _read(env, ("GCE_METADATA_HOST",), _netloc, "metadata.google.internal")


def _netloc(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?", value):
        raise ValueError(f"takes a host, or `host:port`, not {value!r}.")
    return value


def _project(value: str) -> str:
    if not vertex.is_project(value):
        raise ValueError(f"takes a Google Cloud project id or number, not {value!r}.")
    return value


def _location(value: str) -> str:
    if not vertex.is_location(value):
        raise ValueError(f"takes `global`, `us`, `eu` or a region such as `us-central1`, not {value!r}.")
    return value


def _one_of(choices: Sequence[C]) -> Callable[[str], C]:
    """Return the reader of a setting that has one of a few values."""

    def read(value: str) -> C:
        for choice in choices:
            if value == choice:
                return choice
        raise ValueError(f"takes one of {', '.join(choices)}, not {value!r}.")

    return read


def _integer(unit: str, low: int, high: int | None = None) -> Callable[[str], int]:
    """Return the reader of a whole number from `low` to `high`; `unit` is for the message."""
    limits = f"from {low}" if high is None else f"from {low} to {high}"

    def read(value: str) -> int:
        if not value.isdecimal() or int(value) < low or (high is not None and int(value) > high):
            raise ValueError(f"takes a number {unit}{limits}, not {value!r}.")
        return int(value)

    return read


def _megabytes(value: str) -> int:
    """Return the bytes of a number of megabytes."""
    return _integer("of megabytes ", 1, MAX_BODY_MEGABYTES)(value) * MEGABYTE


def _switch(value: str) -> bool:
    if value not in {"on", "off"}:
        raise ValueError(f"takes on or off, not {value!r}.")
    return value == "on"


def _keys(env: Mapping[str, str], default: ApiKeys) -> ApiKeys:
    in_variable = _read(env, ("VERTEX_COMPAT_API_KEYS",), api_keys.parse, None)
    in_file = _read(env, ("VERTEX_COMPAT_API_KEYS_FILE",), lambda path: api_keys.read(Path(path)), None)
    if in_variable and in_file:
        raise InvalidSetting("VERTEX_COMPAT_API_KEYS and VERTEX_COMPAT_API_KEYS_FILE exclude each other.")
    return in_variable or in_file or default


def _origins(value: str) -> frozenset[str]:
    origins = frozenset(origin.strip() for origin in value.split(","))
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9._:\[\]-]+", origin):
            raise ValueError(f"takes `*`, or origins such as `https://example.com`, not {origin!r}.")
    return origins


def _base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # not a port, or not an address
        valid = False
    if not valid or parts.query or parts.fragment:
        raise ValueError(
            f"takes a URL such as `https://us-central1-aiplatform.googleapis.com`, not {value!r}."
        )
    return value.rstrip("/")


def _host(value: str) -> str:
    """Return the URL of a URL or a host.

    Google's clients take both for an emulator of Cloud Storage.
    """
    return _base_url(value if "://" in value else f"http://{value}")


def _secret(value: str) -> str:
    if len(value) < MIN_SECRET_LENGTH:
        raise ValueError(f"takes at least {MIN_SECRET_LENGTH} characters.")
    return value


def _account(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9.-]{1,100}@[a-z0-9.-]{1,100}", value):
        raise ValueError(f"takes the email address of a service account, not {value!r}.")
    return value


def _bucket(value: str) -> BucketSetting:
    name, _, prefix = value.removeprefix("gs://").strip("/").partition("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", name):
        raise ValueError(f"takes a bucket's name, or `bucket/folder`, not {value!r}.")
    return BucketSetting(name, f"{prefix}/" if prefix else OBJECT_PREFIX)


def _redis_url(value: str) -> str:
    if not re.fullmatch(r"(rediss?|unix)://\S+", value):
        raise ValueError("takes a URL such as `rediss://:PASSWORD@HOST:6379/0`.")
    if importlib.util.find_spec("redis") is None:
        raise ValueError("needs the package `redis`: add `redis==8.1.0` to requirements.txt.")
    return value


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise ValueError(f"takes seconds, above 0 and up to {MAX_TIMEOUT_SECONDS:g}, not {value!r}.")
    return seconds
