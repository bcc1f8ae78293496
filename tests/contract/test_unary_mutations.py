"""Operations that do not stream: changed responses give a result or a clear error.

The results have the types of OpenAI's and Anthropic's SDKs.
"""

import io
import json

import pytest
from anthropic.types import MessageTokensCount
from anthropic.types.messages import MessageBatch
from helpers.fixtures import function
from helpers.mutations import mutations
from helpers.replay import RecordingEmulator, Replay
from mistralai.client.models import OCRResponse
from openai import types
from openai.pagination import SyncCursorPage, SyncPage
from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from openai.types.responses import Response
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch
from pydantic import TypeAdapter

BUCKET = "emulated-bucket"
ENV = {"GCS_BUCKET_NAME": BUCKET, "VERTEX_COMPAT_SECRET": "a secret of sixteen characters"}
ENV |= {"VERTEX_COMPAT_RETRIES": "0", "VERTEX_COMPAT_DISCOVER": "on"}
EXPECTED = {200, 400, 404, 409, 502}
REPLACEMENTS = (None, "NEW_VALUE", 5.5, 2**70, True, ["q"], [None], {"q": 1}, -1, "")
ONE_IN, MOST = 3, 30
"""Of so many changes one is made, and not more than the second number for a response."""

PNG = b"\x89PNG\r\n\x1a\n0000"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "
PICTURE = {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0KGgo="}
PDF = {"type": "document_url", "document_url": "data:application/pdf;base64,Rmlyc3QgcGFnZSAhW2ltZ10M"}


class Client:
    """Sends requests to a function: `body` is JSON, `form` has values and (content, file name)."""

    def __init__(self, transport, emulator):
        places = {name: value for name, value in emulator.env.items() if not name.startswith("GCE_")}
        self._app = function(transport, **places, **ENV)

    def send(self, method, path, body=None, form=None):
        if form is None:
            options = {"json": body} if body is not None else {}
        else:
            fields = {
                name: (io.BytesIO(value[0]), value[1]) if isinstance(value, tuple) else value
                for name, value in form.items()
            }
            options = {"data": fields, "content_type": "multipart/form-data"}
        with self._app.open(path, method=method, **options) as answer:
            return answer.status_code, answer.get_data()

    def json(self, *request, **options):
        status, content = self.send(*request, **options)
        assert status == 200, content
        return json.loads(content)


# Requests. Those that need a file, a batch or the like make it first.


def upload(client, content=b"x", name="a.txt", purpose="user_data"):
    return client.json("POST", "/v1/files", form={"purpose": purpose, "file": (content, name)})["id"]


def wait(client, path, field="status", ends=("completed", "failed", "succeeded", "ended")):
    while (resource := client.json("GET", path))[field] not in ends:
        pass
    return resource


def batch_request(client, model="gemini-3.8-flash"):
    rows = [
        {"custom_id": text, "method": "POST", "url": "/v1/chat/completions"}
        | {"body": {"model": model, "messages": [{"role": "user", "content": text}]}}
        for text in ("Hello", "emulator-status-429")
    ]
    file = upload(client, "\n".join(map(json.dumps, rows)).encode(), "a.jsonl", "batch")
    return {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}


def batch(client, *, ended=False, **options):
    path = f"/v1/batches/{client.json('POST', '/v1/batches', batch_request(client, **options))['id']}"
    return wait(client, path) if ended else path


def batch_file(kind, **options):
    """The request for the content of a file that a batch has."""
    return lambda client: ("GET", f"/v1/files/{batch(client, ended=True, **options)[kind]}/content")


def message_batch(client):
    params = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    body = {"requests": [{"custom_id": "a", "params": params}]}
    return f"/v1/messages/batches/{client.json('POST', '/v1/messages/batches', body)['id']}"


def message_batch_results(client):
    path = message_batch(client)
    wait(client, path, "processing_status")
    return "GET", f"{path}/results"


def tuning_request(client):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]
    file = upload(client, json.dumps({"messages": messages}).encode(), "a.jsonl", "fine-tune")
    return {"model": "gemini-3.8-flash", "training_file": file}


def tuning_job(client, *, ended=False):
    path = f"/v1/fine_tuning/jobs/{client.json('POST', '/v1/fine_tuning/jobs', tuning_request(client))['id']}"
    if ended:
        wait(client, path)
    return path


VIDEO = {"model": "veo-3.1-generate-preview", "prompt": "A cat"}


def video(client, *, ended=False):
    path = f"/v1/videos/{client.json('POST', '/v1/videos', VIDEO)['id']}"
    if ended:
        wait(client, path)
    return path


def store(client):
    """The path of a store with a file that is in it."""
    body = {"file_ids": [upload(client, b"The sky is blue.")]}
    path = f"/v1/vector_stores/{client.json('POST', '/v1/vector_stores', body)['id']}"
    client.json("GET", path)
    return path


def stored_file(client):
    path = store(client)
    return f"{path}/files/{client.json('GET', f'{path}/files')['data'][0]['id']}"


def after(make, request):
    """A request that is sent when `make` has made something."""

    def prepare(client):
        make(client)
        return request

    return prepare


def research(client):
    body = {"model": "deep-research-pro-preview-12-2025", "input": "a", "background": True, "store": True}
    return f"/v1/responses/{client.json('POST', '/v1/responses', body)['id']}"


def embedding(model):
    return "POST", "/v1/embeddings", {"model": model, "input": "a", "dimensions": 2}


def image(path, **form):
    body = {"model": "gemini-3.1-flash-image", "prompt": "a"}
    return ("POST", path, None, body | form) if form else ("POST", path, body)


def speech(model, **params):
    return "POST", "/v1/audio/speech", {"model": model, "input": "a", "voice": "alloy", **params}


def transcription(response_format, model="gemini-3.8-flash"):
    form = {"model": model, "response_format": response_format, "file": (WAV, "a.wav")}
    return "POST", "/v1/audio/transcriptions", None, form


MESSAGES = [{"role": "user", "content": "Hi"}]
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}

OPERATIONS = {
    "embeddings": (embedding("text-embedding-005"), types.CreateEmbeddingResponse),
    "embeddings by embedContent": (embedding("gemini-embedding-2"), types.CreateEmbeddingResponse),
    "images": (image("/v1/images/generations"), types.ImagesResponse),
    "image edits": (image("/v1/images/edits", image=(PNG, "a.png")), types.ImagesResponse),
    "speech": (speech("gemini-3.8-flash-tts", response_format="wav"), None),
    "speech of Text-to-Speech": (speech("vertex_ai/"), None),
    "music": (speech("lyria-002"), None),
    "music of Lyria 3": (speech("lyria-3-clip-preview"), None),
    "transcriptions": (transcription("json"), types.audio.Transcription),
    "transcriptions with times": (transcription("verbose_json"), TranscriptionVerbose),
    "transcriptions with speakers": (transcription("diarized_json"), TranscriptionDiarized),
    "subtitles": (transcription("srt"), None),
    "transcriptions of Chirp": (transcription("json", "chirp_3"), types.audio.Transcription),
    "times of Chirp": (transcription("verbose_json", "chirp_3"), TranscriptionVerbose),
    "subtitles of Chirp": (transcription("srt", "chirp_3"), None),
    "moderations": (("POST", "/v1/moderations", {"input": "a"}), types.ModerationCreateResponse),
    "rerank": (("POST", "/v1/rerank", {"model": "rerank-v3.5", "query": "a", "documents": ["b", "c"]}), None),
    "ocr": (("POST", "/v1/ocr", {"model": "mistral-ocr-2505", "document": PDF}), None),
    "ocr of Gemini": (("POST", "/v1/ocr", {"model": "gemini-3.8-flash", "document": PDF}), OCRResponse),
    "ocr of Claude": (("POST", "/v1/ocr", {"model": "claude-sonnet-5-5", "document": PDF}), OCRResponse),
    "ocr of Mistral's chat models": (
        ("POST", "/v1/ocr", {"model": "mistral-medium-3", "document": PICTURE}),
        OCRResponse,
    ),
    "ocr of Grok": (("POST", "/v1/ocr", {"model": "xai/grok-4.7", "document": PICTURE}), OCRResponse),
    "ocr of DeepSeek": (
        ("POST", "/v1/ocr", {"model": "deepseek-ai/deepseek-ocr-maas", "document": PICTURE}),
        OCRResponse,
    ),
    "compaction": (("POST", "/v1/responses/compact", {"model": "gemini-3.8-flash", "input": "a"}), None),
    "predict": (
        ("POST", "/v1beta/models/imagen-4.0-generate-001:predict", {"instances": [{"prompt": "a"}]}),
        None,
    ),
    "models": (("GET", "/v1/models"), SyncPage[types.Model]),
    "tokens of messages": (
        ("POST", "/v1/messages/count_tokens", {"model": "claude-sonnet-5-5", "messages": MESSAGES}),
        MessageTokensCount,
    ),
    "tokens of contents": (("POST", "/v1beta/models/gemini-3.8-flash:countTokens", CONTENTS), None),
    "file": (lambda client: ("GET", f"/v1/files/{upload(client)}"), types.FileObject),
    "files": (after(upload, ("GET", "/v1/files")), SyncCursorPage[types.FileObject]),
    "upload": (("POST", "/v1/files", None, {"purpose": "batch", "file": (b"x", "a.txt")}), types.FileObject),
    "new batch": (lambda client: ("POST", "/v1/batches", batch_request(client)), types.Batch),
    "batch": (lambda client: ("GET", batch(client)), types.Batch),
    "batches": (after(batch, ("GET", "/v1/batches")), SyncCursorPage[types.Batch]),
    "cancelled batch": (lambda client: ("POST", f"{batch(client)}/cancel", {}), types.Batch),
    "output of a batch": (batch_file("output_file_id"), None),
    "errors of a batch": (batch_file("error_file_id"), None),
    "output of Claude's batch": (batch_file("output_file_id", model="claude-sonnet-5-5"), None),
    "message batch": (lambda client: ("GET", message_batch(client)), MessageBatch),
    "results of a message batch": (message_batch_results, None),
    "new job": (lambda client: ("POST", "/v1/fine_tuning/jobs", tuning_request(client)), FineTuningJob),
    "job": (lambda client: ("GET", tuning_job(client, ended=True)), FineTuningJob),
    "jobs": (after(tuning_job, ("GET", "/v1/fine_tuning/jobs")), SyncCursorPage[FineTuningJob]),
    "events": (lambda client: ("GET", f"{tuning_job(client)}/events"), SyncCursorPage[FineTuningJobEvent]),
    "checkpoints": (
        lambda client: ("GET", f"{tuning_job(client, ended=True)}/checkpoints"),
        SyncCursorPage[FineTuningJobCheckpoint],
    ),
    "new video": (("POST", "/v1/videos", VIDEO), types.Video),
    "video": (lambda client: ("GET", video(client, ended=True)), types.Video),
    "content of a video": (lambda client: ("GET", f"{video(client, ended=True)}/content"), None),
    "new store": (("POST", "/v1/vector_stores", {"name": "a"}), types.VectorStore),
    "store": (lambda client: ("GET", store(client)), types.VectorStore),
    "stores": (after(store, ("GET", "/v1/vector_stores")), SyncCursorPage[types.VectorStore]),
    "search": (
        lambda client: ("POST", f"{store(client)}/search", {"query": "sky"}),
        SyncPage[types.VectorStoreSearchResponse],
    ),
    "file of a store": (lambda client: ("GET", stored_file(client)), VectorStoreFile),
    "files of a store": (lambda client: ("GET", f"{store(client)}/files"), SyncCursorPage[VectorStoreFile]),
    "batch of a store": (
        lambda client: ("POST", f"{store(client)}/file_batches", {"file_ids": [upload(client)]}),
        VectorStoreFileBatch,
    ),
    "research": (lambda client: ("GET", research(client)), Response),
}
"""Name → the request, or what prepares it, and the type of the result."""


def changes(content):
    """The JSON value, or the lines of JSON, with one place changed; long lists are cut before."""
    texts = [content] if is_json(content) else content.splitlines()
    if not all(map(is_json, texts)):  # a file
        return
    lines = [shortened(json.loads(text)) for text in texts]
    for number, line in enumerate(lines):
        for path, mutated in mutations(line, REPLACEMENTS):
            changed = [*lines[:number], mutated, *lines[number + 1 :]]
            yield path, "\n".join(map(json.dumps, changed)).encode()
    for value in (None, [], "x", {}):
        yield "the whole", json.dumps(value).encode()


def is_json(content):
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def shortened(value):
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    return [shortened(item) for item in value[:2]] if isinstance(value, list) else value


@pytest.mark.parametrize("name", OPERATIONS)
def test_changed_response_is_a_result_or_an_error(name, emulator, storage):  # noqa: ARG001  (an empty one)
    prepare, kind = OPERATIONS[name]
    result = kind and TypeAdapter(kind)
    recorders = []

    def recording(settings):
        recorders.append(RecordingEmulator(settings, emulator))
        return recorders[0]

    client = Client(recording, emulator)
    request = prepare(client) if callable(prepare) else prepare
    recorders[0].responses.clear()
    assert client.send(*request)[0] == 200
    responses = list(recorders[0].responses)
    assert any(is_json(response.content) for response in responses)
    for number, response in enumerate(responses):
        if response.own:
            continue
        variants = list(changes(response.content))
        for path, content in variants[number % ONE_IN :: max(ONE_IN, len(variants) // MOST)]:
            changed = [*responses[:number], response.but(content), *responses[number + 1 :]]
            status, answer = Client(Replay(changed, emulator.project), emulator).send(*request)
            detail = f"response {number} {path}: {status} {answer[:300]}"
            assert status in EXPECTED, detail
            if status != 200:
                assert json.loads(answer)["error"]["message"], detail
            elif result:
                result.validate_json(answer, strict=True)
