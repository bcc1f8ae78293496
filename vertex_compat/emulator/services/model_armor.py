"""Model Armor: `sanitizeUserPrompt` and `sanitizeModelResponse` of a template.

Source: google/cloud/modelarmor/v1/service.proto. A text matches a filter if it contains one of the filter's
keywords. A template whose name contains `missing` does not exist. With `partial` in its name, one filter is
skipped. Filters are also skipped for a text that exceeds their limit:
https://docs.cloud.google.com/model-armor/quotas.
"""

from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import BoolField, BytesField, Message, StringField
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response

RAI = {
    "dangerous": ("bomb",),
    "hate_speech": ("subhuman",),
    "harassment": ("idiot",),
    "sexually_explicit": ("explicit",),
}
JAILBREAK = ("ignore all previous instructions", "jailbreak")
MALICIOUS_URI = ("testsafebrowsing.appspot.com",)
SENSITIVE = {"US_SOCIAL_SECURITY_NUMBER": "078-05-1120", "CREDIT_CARD_NUMBER": "4111 1111 1111 1111"}

MAX_CHARACTERS = 262_144
"""65,536 tokens, as the vendor counts them."""

DATA = Message(
    "DataItem",
    {
        "text": StringField(),
        "byteItem": Message("ByteDataItem", {"byteDataType": StringField(), "byteData": BytesField()}),
    },
    one_of=("text", "byteItem"),
)
_LANGUAGE = Message(
    "MultiLanguageDetectionMetadata",
    {"sourceLanguage": StringField(), "enableMultiLanguageDetection": BoolField()},
)
PROMPT = Message(
    "SanitizeUserPromptRequest", {"userPromptData": DATA, "multiLanguageDetectionMetadata": _LANGUAGE}
)
RESPONSE = Message(
    "SanitizeModelResponseRequest",
    {"modelResponseData": DATA, "userPrompt": StringField(), "multiLanguageDetectionMetadata": _LANGUAGE},
)


def sanitize(request: ModelRequest) -> Response:
    """Answer one of the two methods."""
    if "missing" in request.model:
        name = f"{request.resource}/templates/{request.model}"
        raise google_errors.refused(404, f"Template {name} not found.")
    if request.verb == "sanitizeUserPrompt":
        data = proto_json.read(PROMPT, request.body).get("userPromptData", {})
    else:
        data = proto_json.read(RESPONSE, request.body).get("modelResponseData", {})
    if not data.get("text"):
        raise google_errors.invalid_argument("The data item must have text.")
    return pretty_json_response({"sanitizationResult": _result(data["text"].lower(), request.model)})


def matches(text: str) -> bool:
    """Return whether a filter matches a text."""
    return bool(_result(text.lower(), "")["filterMatchState"] == "MATCH_FOUND")


def _result(text: str, template: str) -> JSON:
    rai = {name: _rai_result(matched=_any(text, words)) for name, words in RAI.items()}
    rai_matches = any(result["matchState"] == "MATCH_FOUND" for result in rai.values())
    findings = [name for name, value in SENSITIVE.items() if value in text]
    filters: JSON = {
        "csam": {"csamFilterFilterResult": _filter_result(matched=False)},
        "malicious_uris": {"maliciousUriFilterResult": _filter_result(matched=_any(text, MALICIOUS_URI))},
        "rai": {"raiFilterResult": _filter_result(matched=rai_matches) | {"raiFilterTypeResults": rai}},
        "pi_and_jailbreak": {"piAndJailbreakFilterResult": _filter_result(matched=_any(text, JAILBREAK))},
        "sdp": {
            "sdpFilterResult": {
                "inspectResult": _filter_result(matched=bool(findings))
                | ({"findings": [{"infoType": name} for name in findings]} if findings else {})
            }
        },
    }
    matched = "MATCH_FOUND" in str(filters).replace("NO_MATCH_FOUND", "")
    if len(text) > MAX_CHARACTERS:
        filters["pi_and_jailbreak"] = {"piAndJailbreakFilterResult": {"executionState": "EXECUTION_SKIPPED"}}
    if "partial" in template:
        filters["sdp"] = {"sdpFilterResult": {"inspectResult": {"executionState": "EXECUTION_SKIPPED"}}}
    return {
        "filterMatchState": "MATCH_FOUND" if matched else "NO_MATCH_FOUND",
        "invocationResult": "PARTIAL" if "EXECUTION_SKIPPED" in str(filters) else "SUCCESS",
        "filterResults": filters,
        "sanitizationMetadata": {},
    }


def _any(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)


def _rai_result(*, matched: bool) -> JSON:
    if matched:
        return {"matchState": "MATCH_FOUND", "confidenceLevel": "HIGH"}
    return {"matchState": "NO_MATCH_FOUND"}


def _filter_result(*, matched: bool) -> JSON:
    return {
        "executionState": "EXECUTION_SUCCESS",
        "matchState": "MATCH_FOUND" if matched else "NO_MATCH_FOUND",
    }
