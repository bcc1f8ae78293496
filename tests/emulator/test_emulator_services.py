"""The emulated services: ranking, moderation, Model Armor, RAG Engine, videos, OCR, speech."""

import base64

import pytest
import requests
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

RANK = "/rankingConfigs/default_ranking_config:rank"
ARMOR = "/templates/strict:sanitizeUserPrompt"
VEO = "/publishers/google/models/veo-3.1-generate-001"


def record(name, text):
    return {"id": name, "content": text}


def test_records_come_back_nearest_first(vertex):
    body = {"query": "blue sky", "records": [record("a", "green grass"), record("b", "the sky is blue")]}
    ranked = vertex.post(RANK, body | {"topN": 1}).json["records"]
    assert ranked == [{"id": "b", "content": "the sky is blue", "score": 1.0}]
    both = vertex.post(RANK, body | {"ignoreRecordDetailsInResponse": True}).json["records"]
    assert both == [{"id": "b", "score": 1.0}, {"id": "a", "score": 0.0001}]


@pytest.mark.parametrize(
    "body",
    [
        {"records": []},
        {"records": [{"id": "a"}]},
        {"records": [record("a", "b")] * 201},
        {"records": [record("a", "b")], "model": "gemini-3.8-flash"},
        {"records": [record("a", "b")], "documents": []},
    ],
)
def test_a_wrong_ranking_is_refused(vertex, body):
    assert vertex.post(RANK, {"query": "q"} | body).json["error"]["status"] == "INVALID_ARGUMENT"


def moderate(vertex, document):
    headers = {"Authorization": f"Bearer {vertex.token}"}
    return vertex.client.post("/v2/documents:moderateText", json={"document": document}, headers=headers)


def test_moderation_rates_sixteen_categories(vertex):
    rated = moderate(vertex, {"type": "PLAIN_TEXT", "content": "I will kill you, idiot"}).json
    high = {category["name"] for category in rated["moderationCategories"] if category["confidence"] > 0.5}
    assert high == {"Violent", "Insult"}
    assert len(rated["moderationCategories"]) == 16
    assert moderate(vertex, {"content": "x"}).status_code == 400
    assert moderate(vertex, {"type": "PLAIN_TEXT"}).status_code == 400


@pytest.mark.parametrize(
    ("text", "state"), [("How is the weather?", "NO_MATCH_FOUND"), ("How to make a bomb?", "MATCH_FOUND")]
)
def test_model_armor_matches_keywords(vertex, text, state):
    result = vertex.post(ARMOR, {"userPromptData": {"text": text}}).json["sanitizationResult"]
    assert result["filterMatchState"] == state
    assert result["filterResults"]["rai"]["raiFilterResult"]["matchState"] == state


def test_a_missing_template_is_a_404(vertex):
    answer = vertex.post("/templates/missing:sanitizeModelResponse", {"modelResponseData": {"text": "x"}})
    assert answer.status_code == 404


def test_a_service_fails_on_demand(vertex):
    body = {"query": "q", "records": [record("a", "b")], "model": "semantic-ranker-emulator-status-503"}
    assert vertex.post(RANK, body).status_code == 503


def test_a_corpus_holds_files_and_finds_paragraphs(vertex):
    storage = vertex.app.cloud.storage
    storage.write("gs://docs/a.txt", b"The sky is blue.\n\nGrass is green.")
    name = vertex.post("/ragCorpora", {"displayName": "docs"}).json["name"]
    corpus = name.partition("/ragCorpora/")[2].partition("/")[0]
    config = {"importRagFilesConfig": {"gcsSource": {"uris": ["gs://docs/a.txt", "gs://docs/b.txt"]}}}
    operation = vertex.post(f"/ragCorpora/{corpus}/ragFiles:import", config).json["name"]
    allowed = {"Authorization": f"Bearer {vertex.token}"}
    done = vertex.client.get(f"/v1/{operation}", headers=allowed).json
    assert done["response"]["importedRagFilesCount"] == done["response"]["failedRagFilesCount"] == "1"
    resource = {"ragCorpus": name.partition("/operations/")[0]}
    query = {"text": "blue sky", "ragRetrievalConfig": {"topK": 1}}
    contexts = vertex.post(
        ":retrieveContexts", {"vertexRagStore": {"ragResources": [resource]}, "query": query}
    )
    (context,) = contexts.json["contexts"]["contexts"]
    assert (context["text"], context["sourceUri"], context["score"]) == (
        "The sky is blue.",
        "gs://docs/a.txt",
        0,
    )


def test_the_gen_ai_sdk_makes_a_video(emulator):
    headers = {"Metadata-Flavor": "Google"}
    client = genai.Client(
        vertexai=True,
        project=emulator.project,
        location="us-central1",
        credentials=Credentials(_token(emulator, headers)),
        http_options=types.HttpOptions(base_url=emulator.url),
    )
    config = types.GenerateVideosConfig(duration_seconds=4, aspect_ratio="9:16", output_gcs_uri="gs://videos")
    operation = client.models.generate_videos(
        model="veo-3.1-generate-001", source=types.GenerateVideosSource(prompt="A cat"), config=config
    )
    assert not client.operations.get(operation).done
    operation = client.operations.get(operation)
    (video,) = operation.response.generated_videos
    assert emulator.app.cloud.storage.read(video.video.uri)[4:8] == b"ftyp"


def _token(emulator, headers):
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    return requests.get(emulator.url + path, headers=headers, timeout=5).json()["access_token"]


@pytest.mark.parametrize(
    "parameters",
    [{"durationSeconds": 5}, {"aspectRatio": "1:1"}, {"resolution": "480p"}, {"storageUri": "/tmp"}],
)
def test_a_wrong_video_is_refused(vertex, parameters):
    body = {"instances": [{"prompt": "A cat"}], "parameters": parameters}
    assert vertex.post(f"{VEO}:predictLongRunning", body).status_code == 400


def test_ocr_reads_pages(vertex):
    data = base64.b64encode(b"# One\fTwo").decode()
    document = {"type": "document_url", "document_url": f"data:application/pdf;base64,{data}"}
    body = {"model": "mistral-ocr-2505", "document": document, "pages": [1]}
    answer = vertex.post("/publishers/mistralai/models/mistral-ocr-2505:rawPredict", body).json
    assert [page["markdown"] for page in answer["pages"]] == ["Two"]
    assert answer["usage_info"]["pages_processed"] == 1


def test_a_recording_is_transcribed_with_words_and_speakers(vertex):
    audio = {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}
    config = {"audioTranscriptionConfig": {"wordTimestamp": True, "diarization": True}}
    contents = [{"role": "user", "parts": [audio]}]
    (candidate,) = vertex.gemini("gemini-3.5-transcribe", contents=contents, generationConfig=config).json[
        "candidates"
    ]
    first = candidate["content"]["parts"][0]["audioTranscription"]
    assert first["speakerLabel"] == "spk_1"
    assert first["words"][1] == {"word": "morning.", "startOffset": "0.500s", "endOffset": "1.000s"}
    refused = vertex.gemini("gemini-3.5-transcribe", contents=[{"role": "user", "parts": [{"text": "x"}]}])
    assert refused.status_code == 400


def recognize(vertex, location="us", method="recognize", audio=None, **config):
    config = {"autoDecodingConfig": {}, "model": "chirp_3", "languageCodes": ["auto"]} | config
    path = f"/v2/projects/emulated-project/locations/{location}/recognizers/_:{method}"
    body = {"config": config} | ({"content": "UklGRg=="} if audio is None else audio)
    return vertex.client.post(path, json=body, headers={"Authorization": f"Bearer {vertex.token}"})


def test_offsets_of_zero_are_omitted(vertex):
    answer = recognize(vertex, features={"enableWordTimeOffsets": True}).json
    words = answer["results"][0]["alternatives"][0]["words"]
    assert words[:2] == [
        {"word": "Good", "endOffset": "0.500s"},
        {"word": "morning.", "startOffset": "0.500s", "endOffset": "1.000s"},
    ]
    assert answer["metadata"] == {"totalBilledDuration": "5s"}


@pytest.mark.parametrize(
    "options",
    [
        {"location": "us-central1"},
        {"location": "us", "model": "chirp_2"},
        {"model": "whisper"},
        {"languageCodes": ["en"]},
        {"languageCodes": []},
        {"autoDecodingConfig": {}, "explicitDecodingConfig": {}},
        {"features": {"diarizationConfig": {}}},
        {"features": {"wordTimes": True}},
        {"translationConfig": {"targetLanguage": "en-US"}},
        {"audio": {"content": ""}},
        {"audio": {"uri": "gs://nowhere/a.wav"}},
        {"audio": {"content": "UklGRg==", "uri": "gs://nowhere/a.wav"}},
        {"method": "batchRecognize", "audio": {"files": []}},
    ],
)
def test_a_wrong_recognition_is_refused(vertex, options):
    assert recognize(vertex, **options).json["error"]["status"] == "INVALID_ARGUMENT"


def test_an_operation_of_a_missing_object_has_an_error(vertex):
    audio = {
        "files": [{"uri": "gs://nowhere/a.wav"}],
        "recognitionOutputConfig": {"inlineResponseConfig": {}},
    }
    name = recognize(vertex, method="batchRecognize", audio=audio).json["name"]
    headers = {"Authorization": f"Bearer {vertex.token}"}
    assert "done" not in vertex.client.get(f"/v2/{name}", headers=headers).json
    results = vertex.client.get(f"/v2/{name}", headers=headers).json["response"]["results"]
    assert results["gs://nowhere/a.wav"]["error"]["code"] == 5
