"""Discovery Engine's ranking: `rankingConfigs/default_ranking_config:rank`.

Source: google/cloud/discoveryengine/v1/rank_service.proto. A record's score is the share of the query's words
that it contains.
"""

import re

from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import (
    BoolField,
    IntegerField,
    MapField,
    Message,
    NumberField,
    RepeatedField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response

MAX_RECORDS = 200
MODELS = "semantic-ranker-"
CONFIG = "default_ranking_config"
MIN_SCORE = 0.0001

RECORD = Message(
    "RankingRecord",
    {"id": StringField(), "title": StringField(), "content": StringField(), "score": NumberField()},
)
RANK = Message(
    "RankRequest",
    {
        "model": StringField(),
        "query": StringField(),
        "topN": IntegerField(),
        "records": RepeatedField(RECORD),
        "ignoreRecordDetailsInResponse": BoolField(),
        "userLabels": MapField(StringField()),
    },
)


def rank(request: ModelRequest) -> Response:
    """Answer `rank`."""
    if request.model != CONFIG:
        raise google_errors.refused(404, f"RankingConfig {request.model} not found.")
    body = proto_json.read(RANK, request.body)
    records = body.get("records", [])
    if not body.get("model", MODELS).startswith(MODELS):
        raise google_errors.invalid_argument(f"Unsupported ranking model: {body['model']}.")
    if not records or len(records) > MAX_RECORDS:
        raise google_errors.invalid_argument(
            f"The number of records must be between 1 and {MAX_RECORDS}, but is {len(records)}."
        )
    if not all(record.get("title") or record.get("content") for record in records):
        raise google_errors.invalid_argument("At least one of title or content must be set in each record.")
    ranked = sorted((_score(record, body) for record in records), key=lambda record: -record["score"])
    count = body.get("topN", 0)
    return pretty_json_response({"records": ranked[:count] if count > 0 else ranked})


def _score(record: JSON, body: JSON) -> JSON:
    query = _words(body.get("query", ""))
    common = query & _words(f"{record.get('title', '')} {record.get('content', '')}")
    score = round(len(common) / len(query), 2) if query else 0
    details = {} if body.get("ignoreRecordDetailsInResponse") else record
    return {"id": record.get("id", ""), **details, "score": score or MIN_SCORE}


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
