"""Checks of the Cloud Storage objects, projects and models that outgoing calls name.

This function's account, and Vertex AI's service agents, can read more than one API key may. So every call is
checked right before it is made, whichever client API and parameter a name came from:

* `gs://` URIs: in the function's own bucket the caller's folder and `shared_prefixes`; in other buckets what
  `allow_gcs` lists, everything if it is not set.
* `projects/…` names (cachedContents, ragCorpora, dataStores, Model Armor templates …): in this deployment's
  project and `allow_projects`, in the locations that the settings allow; secrets never.
* `model` and `model_name`: models that the caller may use.

Texts, tool arguments and schemas are not read. With VERTEX_COMPAT_AUTH=caller Google checks the caller's own
rights, so only locations and models are checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from vertex_compat import errors
from vertex_compat.config.settings import Settings
from vertex_compat.ids import owner_name
from vertex_compat.json_values import text
from vertex_compat.routing.router import Router
from vertex_compat.server.client_connection import ClientConnection
from vertex_compat.types import JSON, Model, ResourceTarget, UpstreamCall
from vertex_compat.upstream.interface import Transport
from vertex_compat.upstream.response import UpstreamResponse

TEXT_KEYS: Final = frozenset(
    {"arguments", "content", "data", "description", "input", "prompt", "stop", "stopsequences", "system"}
    | {
        "bytesbase64encoded",
        "mimetype",
        "role",
        "text",
        "thinking",
        "thought",
        "thoughtsignature",
        "signature",
        "title",
    }
)
"""Keys, in lower case without underscores, whose strings are text or base64."""

FREE_FORM_KEYS: Final = frozenset(
    {"args", "function", "functiondeclarations", "input", "inputschema", "jsonschema", "labels", "metadata"}
    | {"parametersjsonschema", "response", "responsejsonschema", "responseschema", "schema"}
)
"""Keys of objects whose content is the client's own."""

MODEL_KEYS: Final = frozenset({"model", "modelname"})

CONTAINERS: Final = frozenset({"endpoints", "predictions"})
"""Publishers whose bodies only a container of the operator reads."""

KEY_LABEL: Final = "vertex_compat_key"
"""The label with the API key's name in Google's billing reports."""

LABELLED_METHODS: Final = (
    ":generateContent",
    ":streamGenerateContent",
    ":streamGenerateContent?alt=sse",
    ":rawPredict",
    ":streamRawPredict",
)
"""Methods whose bodies take labels, of Google's models and of Claude.

https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/capabilities/add-labels-to-api-calls
"""

_LABELLED_PUBLISHERS: Final = frozenset({"google", "anthropic"})

_RESOURCE_NAME: Final = re.compile(r"projects/([^/]{1,100})/(locations/([^/]{1,60})/|secrets/)?")
_NAME_START: Final = 200
"""Characters of a string in which a resource name begins: some have a host or a version before them."""

_STORAGE_HOSTS: Final = ("storage.googleapis.com", "storage.cloud.google.com")


class Reference(NamedTuple):
    """A string of a body and its key, in lower case without underscores."""

    key: str
    value: str


def references(body: Any) -> Iterator[Reference]:
    """Yield the strings of a body that may name a resource: all but model names have a slash."""
    pending: list[tuple[str, Any]] = [("", body)]
    while pending:
        key, value = pending.pop()
        members = value.items() if type(value) is dict else ((key, inner) for inner in value)
        for name, inner in members:
            kind = type(inner)
            if kind is str:
                if name in TEXT_KEYS:
                    continue
                short = _plain_key(name)
                if short in MODEL_KEYS or ("/" in inner and short not in TEXT_KEYS):
                    yield Reference(short, inner)
            elif (kind is dict or kind is list) and _plain_key(name) not in FREE_FORM_KEYS:
                pending.append((name, inner))


@lru_cache(1024)
def _plain_key(key: str) -> str:
    """Return a key in lower case without underscores: bodies have it in snake or camel case."""
    return key.replace("_", "").lower()


class ResourceRules(msgspec.Struct, frozen=True):
    """The resources that one caller's requests may name."""

    settings: Settings
    router: Router
    owner: str
    key: str | None

    def check_call(self, call: UpstreamCall, model: Model, project: Callable[[], str]) -> UpstreamCall:
        """Return the call as it may be made; raises `RefusedReference`.

        `project` returns the project in which the call is made.
        """
        if call.service == "storage" or call.method != "POST" or call.path == "batchPredictionJobs":
            return call
        body = _decoded_body(call)
        if model.publisher not in CONTAINERS:
            self.check_body(body, model, project)
        changed = body
        if model.enforced and "enerateContent" in call.path:
            changed = _enforce(changed, model)
        if self._is_labelled(call, model):
            labels = {**(changed.get("labels") or {}), KEY_LABEL: owner_name(self.key)}
            changed = {**changed, "labels": labels}
        if changed is body:
            return call
        return msgspec.structs.replace(call, body=changed, content=None)

    def _is_labelled(self, call: UpstreamCall, model: Model) -> bool:
        if self.key is None or not self.settings.routing.file.billing_labels:
            return False
        return model.publisher in _LABELLED_PUBLISHERS and call.path.endswith(LABELLED_METHODS)

    def check_body(self, body: Mapping[str, Any], model: Model, project: Callable[[], str]) -> None:
        """Raise `RefusedReference` if a body for `model` names what the caller may not use."""
        for reference in references(body):
            self._check(reference, model, project)

    def check_uri(self, uri: str, param: str) -> None:
        """Raise `Forbidden` unless the caller may use the object or pattern that `uri` names."""
        try:
            self._check_uri(uri)
        except RefusedReference as refused:
            raise errors.Forbidden(refused.message, param=param) from None

    def check_url(self, url: str, read: Callable[[], bytes]) -> None:
        """Raise `RefusedReference` unless the caller may use the object that a message's URL names.

        `read` returns the client's body, in which the parameter is looked up.
        """
        try:
            self._check_object_url(url)
        except RefusedReference as refused:
            refused.param = find_param(read, url)
            raise

    def _check_object_url(self, url: str) -> bool:
        """Return whether `url` names an object of Cloud Storage; raises `RefusedReference`."""
        if url[:5] == "gs://":
            self._check_uri(url)
            return True
        if url[:8] == "https://" and (uri := _storage_uri(url)):
            self._check_own_bucket(uri, url)
            return True
        return False

    def _check(self, reference: Reference, model: Model, project: Callable[[], str]) -> None:
        key, value = reference
        if value == model.model_armor:
            return
        if not self._check_object_url(value) and "projects/" in value[:_NAME_START]:
            self._check_resource_name(value, project)
        if key in MODEL_KEYS and value not in {model.name, model.resource, model.served_name}:
            last = value.rpartition("/")[2]
            if not (self.router.allows(value) or self.router.allows(last)):
                raise RefusedReference(value, f"You are not allowed to use the model {value[:200]!r}.")

    def _check_uri(self, uri: str) -> None:
        if self.settings.auth == "caller" or self._check_own_bucket(uri, uri):
            return
        patterns = self.settings.routing.file.allow_gcs
        if patterns is not None and not any(fnmatchcase(uri, pattern) for pattern in patterns):
            reason = (
                f"{uri[:300]!r} is not an object that this deployment may read: allow_gcs does not list it."
            )
            raise RefusedReference(uri, reason)

    def _check_own_bucket(self, uri: str, value: str) -> bool:
        """Return whether `uri` is in the function's bucket, where it must be the caller's or shared."""
        bucket = self.settings.bucket
        if bucket is None or self.settings.auth == "caller" or not uri.startswith(f"gs://{bucket.name}/"):
            return False
        name = uri.removeprefix(f"gs://{bucket.name}/")
        own = f"{bucket.prefix}{self.owner}/"
        shared = tuple(self.settings.routing.file.shared_prefixes)
        # Callers without a key are of one kind: the rest of the bucket, outside our prefix, is theirs.
        free = self.key is None and not name.startswith(bucket.prefix)
        if not (free or name.startswith((own, *shared))):
            raise RefusedReference(value, f"No such File object: {value[:300]}")
        return True

    def _check_resource_name(self, name: str, own_project: Callable[[], str]) -> None:
        match = _RESOURCE_NAME.search(name, 0, _NAME_START + 200)
        if not match:
            return
        project, kind, location = match.groups()
        if location:
            try:
                self.router.check_location(location)
            except errors.Forbidden as error:
                raise RefusedReference(name, error.message) from None
        if self.settings.auth == "caller":
            return
        if kind == "secrets/":
            raise RefusedReference(name, "A request may not name secrets.")
        if project not in self.settings.routing.file.allow_projects and project != own_project():
            reason = (
                f"{name[:300]!r} is in another project than this deployment's: allow_projects lists others."
            )
            raise RefusedReference(name, reason)


class RefusedReference(errors.Forbidden):
    """A body names what the caller may not use; `value` is the string in the body."""

    def __init__(self, value: str, message: str) -> None:
        super().__init__(message)
        self.value = value


class CheckedTransport(msgspec.Struct, frozen=True):
    """A transport that checks each call before it is made. `read` returns the client's body."""

    inner: Transport
    rules: ResourceRules
    read: Callable[[], bytes]

    def open(
        self,
        call: UpstreamCall,
        model: Model | ResourceTarget,
        client: ClientConnection,
        *,
        retries: int | None = None,
    ) -> UpstreamResponse:
        """Make the call; raises `Forbidden` naming the client's parameter."""
        return self.inner.open(self._check_call(call, model), model, client, retries=retries)

    def describe(self, call: UpstreamCall, model: Model | ResourceTarget) -> JSON:
        """Describe the call as it would be made."""
        return self.inner.describe(self._check_call(call, model), model)

    def project(self, model: Model | ResourceTarget) -> str:
        """Return the project of the inner transport."""
        return self.inner.project(model)

    def _check_call(self, call: UpstreamCall, model: Model | ResourceTarget) -> UpstreamCall:
        if not isinstance(model, Model):
            return call
        try:
            return self.rules.check_call(call, model, lambda: self.inner.project(model))
        except RefusedReference as refused:
            refused.param = find_param(self.read, refused.value)
            raise


def find_param(read: Callable[[], bytes], value: str) -> str | None:
    """Return the path of a string in the client's body, None if it is not there."""
    try:
        pending: list[tuple[str, Any]] = [("", msgspec.json.decode(read()))]
    except (ValueError, RecursionError, errors.ApiError):
        return None
    while pending:
        path, inner = pending.pop()
        if inner == value:
            return path
        if isinstance(inner, dict):
            pending += [(f"{path}.{key}".lstrip("."), nested) for key, nested in inner.items()]
        elif isinstance(inner, list):
            pending += [(f"{path}[{index}]", nested) for index, nested in enumerate(inner)]
    return None


def _storage_uri(url: str) -> str | None:
    """Return the `gs://` URI of an object's https:// URL, None for any other URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    host, path = (parts.hostname or "").lower(), unquote(parts.path).lstrip("/")
    if host in _STORAGE_HOSTS:
        return f"gs://{path}"
    bucket = host.removesuffix(f".{_STORAGE_HOSTS[0]}")
    return f"gs://{bucket}/{path}" if bucket != host else None


def _decoded_body(call: UpstreamCall) -> Mapping[str, Any]:
    """Return the call's body with the parts decoded that are sent as the client wrote them."""
    if call.content is not None:
        body = _decode(call.content)
        if not isinstance(body, dict):
            raise errors.BadRequest("The request body is not a JSON object.")
        return body
    if any(isinstance(value, msgspec.Raw) for value in call.body.values()):
        return {
            key: _decode(bytes(value)) if isinstance(value, msgspec.Raw) else value
            for key, value in call.body.items()
        }
    return call.body


def _decode(content: bytes) -> Any:
    """Decode JSON.

    Raises `BadRequest` for a key that occurs twice: readers differ in which one they take. Most bodies are
    the same when they are encoded again, which rules that out and is fast.
    """
    try:
        value = msgspec.json.decode(content)
        if msgspec.json.format(content, indent=-1) == msgspec.json.encode(value):
            return value
        return json.loads(content, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise errors.BadRequest(f"The request body is not valid JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> JSON:
    members = dict(pairs)
    if len(members) != len(pairs):
        keys = [key for key, _ in pairs]
        key = next(key for key in keys if keys.count(key) > 1)
        raise errors.BadRequest(f"The key {key[:100]!r} occurs twice in one object.", param=key[:100])
    return members


def _enforce(original: Mapping[str, Any], model: Model) -> JSON:
    """Return the body with the operator's safety settings and labels in place of the client's."""
    body = dict(original)
    if enforced := model.enforced.get("safety_settings"):
        categories = {text(setting.get("category")) for setting in enforced}
        client_settings = body.pop("safety_settings", None) or body.get("safetySettings") or []
        unenforced = [
            setting for setting in client_settings if text(setting.get("category")) not in categories
        ]
        body["safetySettings"] = [*enforced, *unenforced]
    if labels := model.enforced.get("labels"):
        body["labels"] = {**(body.get("labels") or {}), **labels}
    return body
