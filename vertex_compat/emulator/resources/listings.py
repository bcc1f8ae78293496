"""Paged lists: Model Garden's models, and the project's endpoints."""

import base64
import binascii
from collections.abc import Mapping, Sequence

from vertex_compat.emulator.partner_models import dedicated_hosts
from vertex_compat.emulator.project import PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response

MAX_PAGE_SIZE = 100  # upper limit of pageSize
DEFAULT_PAGE_SIZE = 20
NOT_HUGGING_FACE = "is_hf_wildcard(false)"

STUDIO = {"openGenerationAiStudio": {"title": "Open in Studio"}}
API_ACTIONS = {"viewRestApi": {"title": "View the API"}}
WEIGHTS = {"multiDeployVertex": {"multiDeployVertex": [{"modelDisplayName": "weights"}]}}
GARDEN = (
    ("google", "gemini-2.5-pro", "default", STUDIO),
    ("google", "gemini-9-ultra", "default", STUDIO),
    ("google", "gemini-live-9-flash-native-audio", "default", STUDIO),
    ("google", "gemini-embedding-001", "default", STUDIO),
    ("google", "text-embedding-9", "default", API_ACTIONS),
    ("google", "bert-base", "001", WEIGHTS),
    ("google", "gemma3", "gemma-3-27b-it", WEIGHTS),
    ("google", "gemma-4-26b-a4b-it-maas", "001", API_ACTIONS),
    ("google", "text-bison", "002", API_ACTIONS),
    ("anthropic", "claude-opus-9", "default", API_ACTIONS),
    ("anthropic", "claude-3-haiku", "20240307", API_ACTIONS),
    ("mistralai", "mistral-medium-9", "001", API_ACTIONS),
    ("mistralai", "mistral-ocr-2505", "001", API_ACTIONS),
    ("mistralai", "mixtral", "mixtral-8x7b-001", WEIGHTS),
    ("mistralai", "mistral-7b", "001", WEIGHTS),
    ("meta", "llama-9-scout-instruct-maas", "001", API_ACTIONS),
    ("meta", "llama3-3", "llama-3.3-70b-instruct", WEIGHTS),
    ("deepseek-ai", "deepseek-v9-maas", "001", API_ACTIONS),
    ("xai", "grok-9-fast", "001", API_ACTIONS),
    *(("stability-ai", f"picture-{number}", "001", WEIGHTS) for number in range(300)),
    ("qwen", "qwen9-coder-maas", "001", API_ACTIONS),
    ("hf-someone", "anything", "001", WEIGHTS),
)
ENDPOINTS = (  # id, labels, has a deployed model
    ("1234567890", {}, True),
    (f"{dedicated_hosts.DEDICATED}77", {}, True),
    ("2222222222", {"google-vertex-llm-tuning-base-model-id": "gemini-2.0-flash-001"}, True),
    ("3333333333", {}, False),
    *((f"99{number:04}", {}, False) for number in range(150)),
    ("mg-endpoint-4444", {}, True),
)


def publisher_models(publisher: str, query: Mapping[str, str]) -> Response:
    """List Model Garden's models, of one publisher or all."""
    model_filter = query.get("filter", "")
    if model_filter not in {"", NOT_HUGGING_FACE}:
        raise google_errors.invalid_argument(f"Invalid filter: {model_filter}")
    models = [
        {
            "name": f"publishers/{owner}/models/{name}",
            "versionId": version,
            "openSourceCategory": "PROPRIETARY",
            "supportedActions": actions,
            "launchStage": "GA",
        }
        for owner, name, version, actions in GARDEN
        if publisher in {"*", "-", owner} and not (model_filter and owner.startswith("hf-"))
    ]
    return _page("publisherModels", models, query)


def endpoints(location: str, query: Mapping[str, str]) -> Response:
    """List the endpoints of a location; all are in us-central1."""
    parent = f"projects/{PROJECT_NUMBER}/locations/{location}"
    resources = [
        {"name": f"{parent}/endpoints/{number}", "displayName": f"endpoint {number}", "labels": labels}
        | ({"deployedModels": [{"id": "1", "model": f"{parent}/models/{number}"}]} if deployed else {})
        | dedicated_hosts.endpoint_fields(location, number)
        for number, labels, deployed in ENDPOINTS
        if location == "us-central1"
    ]
    return _page("endpoints", resources, query)


def _page(kind: str, entries: Sequence[JSON], query: Mapping[str, str]) -> Response:
    """Return one page; the last has no token, and an empty list is omitted."""
    size = query.get("pageSize", "0")
    if not size.isdecimal():
        raise google_errors.invalid_argument(f"Invalid value at 'page_size' (TYPE_INT32), \"{size}\"")
    begin = _page_offset(query.get("pageToken", ""))
    end = begin + min(int(size) or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    token = base64.urlsafe_b64encode(f"after {end}".encode()).decode()
    page: JSON = {kind: list(entries[begin:end])} if entries[begin:end] else {}
    return pretty_json_response(page | ({"nextPageToken": token} if end < len(entries) else {}))


def _page_offset(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("after "))
    except (binascii.Error, ValueError):
        raise google_errors.invalid_argument("The page token is not valid.") from None
