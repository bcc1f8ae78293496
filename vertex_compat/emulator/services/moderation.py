"""Natural Language's text moderation: `documents:moderateText`.

Source: google/cloud/language/v2/language_service.proto, and
https://cloud.google.com/natural-language/docs/moderating-text for the categories. A text that contains a
category's keyword has a high confidence in it.
"""

from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import EnumField, Message, StringField
from vertex_compat.emulator.protocol.responses import Response, pretty_json_response

CATEGORIES = {  # category → keyword
    "Toxic": "toxic",
    "Insult": "idiot",
    "Profanity": "damn",
    "Derogatory": "subhuman",
    "Sexual": "sexual",
    "Death, Harm & Tragedy": "died",
    "Violent": "kill",
    "Firearms & Weapons": "rifle",
    "Public Safety": "police",
    "Health": "medicine",
    "Religion & Belief": "church",
    "Illicit Drugs": "cocaine",
    "War & Conflict": "war",
    "Politics": "election",
    "Finance": "bank",
    "Legal": "court",
}
HIGH, LOW = 0.91, 0.0125

MODERATE = Message(
    "ModerateTextRequest",
    {
        "document": Message(
            "Document",
            {
                "type": EnumField("Document.Type", ("TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML")),
                "content": StringField(),
                "gcsContentUri": StringField(),
                "languageCode": StringField(),
            },
            one_of=("content", "gcsContentUri"),
        )
    },
)


def moderate(request: ModelRequest) -> Response:
    """Answer `moderateText`."""
    document = proto_json.read(MODERATE, request.body).get("document", {})
    if document.get("type", "TYPE_UNSPECIFIED") == "TYPE_UNSPECIFIED":
        raise google_errors.invalid_argument("The document type must be set.")
    if not document.get("content"):
        raise google_errors.invalid_argument("The document is empty.")
    words = document["content"].lower()
    categories = [
        {"name": name, "confidence": HIGH if keyword in words else LOW}
        for name, keyword in CATEGORIES.items()
    ]
    return pretty_json_response(
        {
            "moderationCategories": sorted(categories, key=lambda row: -float(str(row["confidence"]))),
            "languageCode": "en",
            "languageSupported": True,
        }
    )
