"""Lists of models: Model Garden's, and the endpoints of the project. Page by page, as Google's lists are."""

import base64
import binascii
from collections.abc import Mapping, Sequence

from vertex_compat.emulator import dedicated, google
from vertex_compat.emulator.answers import JSON, Answer, pretty_answer
from vertex_compat.emulator.metadata import PROJECT_NUMBER

MOST = 100  # entries of a page, however many are asked for
USUAL = 20
NOT_HUGGING_FACE = "is_hf_wildcard(false)"

STUDIO = {"openGenerationAiStudio": {"title": "Open in Studio"}}
CALLED = {"viewRestApi": {"title": "View the API"}}
WEIGHTS = {"multiDeployVertex": {"multiDeployVertex": [{"modelDisplayName": "weights"}]}}
GARDEN = (
    ("google", "gemini-2.5-pro", "default", STUDIO),
    ("google", "gemini-9-ultra", "default", STUDIO),
    ("google", "gemini-live-9-flash-native-audio", "default", STUDIO),
    ("google", "gemini-embedding-001", "default", STUDIO),
    ("google", "text-embedding-9", "default", CALLED),
    ("google", "bert-base", "001", WEIGHTS),
    ("google", "gemma3", "gemma-3-27b-it", WEIGHTS),
    ("google", "gemma-4-26b-a4b-it-maas", "001", CALLED),
    ("google", "text-bison", "002", CALLED),
    ("anthropic", "claude-opus-9", "default", CALLED),
    ("anthropic", "claude-3-haiku", "20240307", CALLED),
    ("mistralai", "mistral-medium-9", "001", CALLED),
    ("mistralai", "mistral-ocr-2505", "001", CALLED),
    ("mistralai", "mixtral", "mixtral-8x7b-001", WEIGHTS),
    ("mistralai", "mistral-7b", "001", WEIGHTS),
    ("meta", "llama-9-scout-instruct-maas", "001", CALLED),
    ("meta", "llama3-3", "llama-3.3-70b-instruct", WEIGHTS),
    ("deepseek-ai", "deepseek-v9-maas", "001", CALLED),
    ("xai", "grok-9-fast", "001", CALLED),
    *(("stability-ai", f"picture-{number}", "001", WEIGHTS) for number in range(300)),
    ("qwen", "qwen9-coder-maas", "001", CALLED),
    ("hf-someone", "anything", "001", WEIGHTS),
)
ENDPOINTS = (  # id, labels, whether a model is deployed
    ("1234567890", {}, True),
    (f"{dedicated.DEDICATED}77", {}, True),
    ("2222222222", {"google-vertex-llm-tuning-base-model-id": "gemini-2.0-flash-001"}, True),
    ("3333333333", {}, False),
    *((f"99{number:04}", {}, False) for number in range(150)),
    ("mg-endpoint-4444", {}, True),
)


def publisher_models(publisher: str, query: Mapping[str, str]) -> Answer:
    """List what is in the garden, of one publisher or of all."""
    chosen = query.get("filter", "")
    if chosen not in {"", NOT_HUGGING_FACE}:
        raise google.invalid(f"Invalid filter: {chosen}")
    shown = [
        {
            "name": f"publishers/{owner}/models/{name}",
            "versionId": version,
            "openSourceCategory": "PROPRIETARY",
            "supportedActions": actions,
            "launchStage": "GA",
        }
        for owner, name, version, actions in GARDEN
        if publisher in {"*", "-", owner} and not (chosen and owner.startswith("hf-"))
    ]
    return _page("publisherModels", shown, query)


def endpoints(location: str, query: Mapping[str, str]) -> Answer:
    """List the endpoints of a location; all are in one."""
    place = f"projects/{PROJECT_NUMBER}/locations/{location}"
    shown = [
        {"name": f"{place}/endpoints/{number}", "displayName": f"endpoint {number}", "labels": labels}
        | ({"deployedModels": [{"id": "1", "model": f"{place}/models/{number}"}]} if deployed else {})
        | dedicated.shown(location, number)
        for number, labels, deployed in ENDPOINTS
        if location == "us-central1"
    ]
    return _page("endpoints", shown, query)


def _page(kind: str, entries: Sequence[JSON], query: Mapping[str, str]) -> Answer:
    """Give one page; the last has no token, and no list is empty."""
    size = query.get("pageSize", "0")
    if not size.isdecimal():
        raise google.invalid(f"Invalid value at 'page_size' (TYPE_INT32), \"{size}\"")
    begin = _place(query.get("pageToken", ""))
    end = begin + min(int(size) or USUAL, MOST)
    token = base64.urlsafe_b64encode(f"after {end}".encode()).decode()
    shown: JSON = {kind: list(entries[begin:end])} if entries[begin:end] else {}
    return pretty_answer(shown | ({"nextPageToken": token} if end < len(entries) else {}))


def _place(token: str) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token).decode().removeprefix("after "))
    except (binascii.Error, ValueError):
        raise google.invalid("The page token is not valid.") from None
