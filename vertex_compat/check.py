"""`python main.py --check`: one cheap call to each model and service that the settings need.

Reads the settings as the start does. A line of the table has a target, its location, "ok" or the error, and
the time. For known errors, the next line says what helps.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Final, NamedTuple

import msgspec

from vertex_compat import errors, vertex
from vertex_compat.config.settings import Settings
from vertex_compat.limits.quota import Amount, Quota, StoreUnavailable
from vertex_compat.limits.stores import open_store
from vertex_compat.publishers import PUBLISHERS
from vertex_compat.routing import rules
from vertex_compat.routing.router import Router
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.services import model_armor, natural_language, storage
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.credentials import Credentials
from vertex_compat.upstream.interface import Transport
from vertex_compat.upstream.response import multiplex

DEFAULT_MODEL: Final = "gemini-3.8-flash"
"""Called where the settings file defines no models and none is named."""

MAX_MESSAGE: Final = 160

MODERATION: Final = ("omni-moderation-", "text-moderation-")
"""Prefixes of OpenAI's names for moderation, which Cloud Natural Language does."""

SPEECH: Final = {"input": "ok", "voice": "en-US-Standard-C", "response_format": "mp3"}
SILENCE: Final = bytes.fromhex(
    "52494646 64060000 57415645 666d7420 10000000 01000100 401f0000 803e0000 02001000 64617461 40060000"
) + bytes(1600)
"""A tenth of a second as WAV."""

TRANSCRIPTION: Final = {
    "audio": {
        "mime": "audio/wav",
        "size": len(SILENCE),
        "data": base64.b64encode(SILENCE).decode(),
        "storable": False,
    }
}
RERANK: Final = {"query": "ok", "documents": [{"content": "ok"}]}


class CheckResult(NamedTuple):
    """One line of the table. `result` is "ok", "skipped" or the error."""

    target: str
    location: str
    result: str
    milliseconds: int
    help: str = ""

    @property
    def failed(self) -> bool:
        """True if this line is an error."""
        return self.result != "ok" and not self.result.startswith("skipped")


def run(
    settings: Settings, transport: Transport, credentials: Credentials, names: Sequence[str]
) -> list[CheckResult]:
    """Return the table; a failure at Google's is a row, not an exception."""
    router = Router(settings.routing, settings.project, settings.location)
    check = _Check(settings, transport)
    rows = [_measure("credentials", "", credentials.token)]
    if rows[0].failed:
        return rows
    project = settings.project or settings.routing.file.project or credentials.project()
    rows = [rows[0]._replace(target=f"credentials, project {project or 'unknown'}")]
    for name in names or router.names() or (DEFAULT_MODEL,):
        rows += check.models(name, router)
    return [*rows, *check.services()]


def table(rows: Sequence[CheckResult]) -> str:
    """Return the table as text."""
    target_width = max(len(row.target) for row in rows)
    location_width = max(len(row.location) for row in rows)
    lines = []
    for row in rows:
        columns = f"{row.target:<{target_width}}  {row.location:<{location_width}}"
        lines.append(f"{columns}  {row.milliseconds:>6} ms  {row.result}")
        if row.help:
            lines.append(f"    {row.help}")
    return "\n".join(lines)


class _Check:
    def __init__(self, settings: Settings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    def models(self, name: str, router: Router) -> Iterator[CheckResult]:
        """Yield a row for each target of a name."""
        if name.startswith(MODERATION):
            target = ResourceTarget("language", ("global",))
            yield self._call(f"{name} (Natural Language)", "", natural_language.moderate("ok"), target)
            return
        try:
            models = router.all_targets(name)
        except errors.ApiError as error:
            yield CheckResult(name, "", error.message[:MAX_MESSAGE], 0)
            return
        for model in models:
            served = model.name or "Text-to-Speech"
            label = name if served == name else f"{name} → {served}"
            try:
                model = _in_serving_locations(model)  # noqa: PLW2901  (the same model)
            except errors.ApiError as error:
                yield CheckResult(label, model.locations[0], error.message[:MAX_MESSAGE], 0)
                continue
            if (call := _question(model)) is None:
                operations = ", ".join(model.profile.operations)
                yield CheckResult(label, model.locations[0], f"skipped ({operations})", 0)
                continue
            for location in model.locations if model.location_pinned else model.locations[:1]:
                located = msgspec.structs.replace(model, locations=(location,))
                yield self._call(label, location, call, located)

    def services(self) -> Iterator[CheckResult]:
        """Yield a row for each service that the settings need."""
        if bucket := self._settings.bucket:
            call = storage.list_objects(bucket.name, bucket.prefix)
            yield self._call(f"gs://{bucket.name}", "", call, ResourceTarget("storage", ("global",)))
        if url := self._settings.redis_url:
            yield _measure("Redis", "", lambda: _ping(url))
        templates = [template for _, template in rules.model_armor_templates(self._settings.routing)]
        for template in dict.fromkeys(filter(None, templates)):
            target = model_armor.target(template)
            call = model_armor.check_prompt(template, "ok")
            yield self._call(f"Model Armor {template.rpartition('/')[2]}", target.locations[0], call, target)

    def _call(
        self, name: str, location: str, call: UpstreamCall, target: Model | ResourceTarget
    ) -> CheckResult:
        return _measure(name, location, lambda: self._read(call, target), call.service)

    def _read(self, call: UpstreamCall, target: Model | ResourceTarget) -> None:
        client = ClientConnection(None, "check", [])
        response = self._transport.open(call, target, client, retries=0)
        with closing(response):
            for _ in multiplex([response], client, keepalive=60, timeout=60):
                pass


def _in_serving_locations(model: Model) -> Model:
    """Return a model in the locations of the settings that serve it; raises `BadRequest`."""
    transcriptions = PUBLISHERS[model.publisher].transcriptions
    return transcriptions.locate(model) if transcriptions else model


def _question(model: Model) -> UpstreamCall | None:
    """Return a cheap call to a model, None if its operations are not cheap."""
    publisher, served = PUBLISHERS[model.publisher], model.profile.operations
    if publisher.chat and (not served or "chat" in served) and "images" not in served:
        messages = [{"role": "user", "content": "Say ok."}]
        body = {"model": model.requested_name, "messages": messages, "max_tokens": 16}
        return publisher.chat.request({**model.defaults, **body}, model)
    if publisher.embeddings and (not served or "embeddings" in served):
        return publisher.embeddings.request({"model": model.requested_name, "input": ["ok"]}, model)[0]
    if publisher.speech and "speech" in served:
        voice: JSON = {} if model.publisher == "texttospeech" else {"voice": "alloy"}
        return publisher.speech.whole.request({**SPEECH, **voice}, model)[0]
    if publisher.transcriptions and served == ("transcriptions",):
        return publisher.transcriptions.chat.request(TRANSCRIPTION, model)
    if publisher.rerank and "rerank" in served:
        return publisher.rerank.request(RERANK, model)[0]
    return None


def _ping(url: str) -> None:
    store, quota = open_store(url), Quota("check")
    decision = store.reserve(quota, Amount())
    store.settle(quota, decision, Amount(), Amount())


def _measure(target: str, location: str, work: Callable[[], object], service: str = "") -> CheckResult:
    started_at = time.monotonic()
    result = help_ = ""
    try:
        work()
    except errors.ApiError as error:
        result, help_ = f"{error.status} {error.message[:MAX_MESSAGE]}", _help(error, service)
    except StoreUnavailable as error:
        result, help_ = f"unavailable: {error}", "Check VERTEX_COMPAT_REDIS_URL and the VPC connector."
    return CheckResult(target, location, result or "ok", round((time.monotonic() - started_at) * 1000), help_)


def _help(error: errors.ApiError, service: str) -> str:
    if error.status == 403 and "disabled" in error.message:
        return f"gcloud services enable {service}.googleapis.com"
    if error.status == 403 and (role := vertex.ROLES.get(service)):
        return f"gcloud projects add-iam-policy-binding PROJECT --member=serviceAccount:ACCOUNT --role={role}"
    if error.status == 404:
        return "Enable the model in Model Garden, or choose a location that offers it."
    if error.status == 429:
        return "https://console.cloud.google.com/iam-admin/quotas shows and raises the quota."
    return ""
