"""`/ocr`, as Mistral's client calls it."""

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from benchmark import certificates
from helpers.connect_proxy import ConnectProxy
from helpers.fixtures import ScriptedTransport, function, post
from helpers.server import app_with_emulator
from helpers.tls_front import TlsFront
from mistralai.client import Mistral

PAGES = base64.b64encode(b"First page ![img]\fSecond page").decode()
PUBLIC_ADDRESS = "93.184.215.14"
DOCUMENT = {"type": "document_url", "document_url": f"data:application/pdf;base64,{PAGES}"}


def ocr(app, document=DOCUMENT, **params):
    return post(app, {"model": "mistral-ocr-2505", "document": document, **params}, "/v1/ocr")


def test_mistral_s_client_reads_a_document(front_door):
    with httpx.Client() as http:
        client = Mistral(api_key="sk-test", server_url=front_door.url, client=http)
        read = client.ocr.process(model="mistral-ocr-latest", document=DOCUMENT, include_image_base64=True)
    assert [page.markdown for page in read.pages] == ["First page ![img]", "Second page"]
    assert read.pages[0].images[0].image_base64.startswith("data:image/png;base64,")
    assert (read.model, read.usage_info.pages_processed) == ("mistral-ocr-2505", 2)


def test_fields_after_a_model_are_not_sent_to_it(app, emulator):
    answer = ocr(app, table_format="html", include_blocks=True, pages=[1])
    assert answer.headers["x-vertex-compat-ignored"] == "table_format, include_blocks"
    assert [page["markdown"] for page in answer.json["pages"]] == ["Second page"]
    assert ocr(app, model="mistral-ocr-2512", table_format="html").status_code == 200
    assert emulator.calls[-1].json["table_format"] == "html"


@pytest.mark.parametrize(
    ("pages", "indexes"), [([0, 1], [0, 1]), ("1", [1]), ("0-1", [0, 1]), ("0, 1-9", [0, 1]), ([7], [])]
)
def test_pages_are_numbers_and_ranges(app, pages, indexes):
    answer = ocr(app, pages=pages).json
    assert [page["index"] for page in answer["pages"]] == indexes
    assert answer["usage_info"]["pages_processed"] == len(indexes)


def test_pages_without_a_number_are_refused(app):
    answer = ocr(app, pages="first")
    assert (answer.status_code, "Invalid pages" in answer.text) == (400, True)


def test_images_are_read_in_every_form(app, emulator):
    url = f"data:image/png;base64,{PAGES}"
    for picture in (url, {"url": url}):
        assert ocr(app, {"image_url": picture}).status_code == 200
        assert emulator.calls[-1].json["document"] == {"type": "image_url", "image_url": url}


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"type": "document_url"}, "document.document_url"),
        ({"type": "file"}, "document.file_id"),
        ({"type": "file", "file_id": "a"}, "document"),
        ({"type": "file", "file_id": "file-a"}, None),
        ({"type": "document_url", "document_url": "http://example.com/a.pdf"}, "document"),
        ({"type": "audio_url"}, "document.type"),
        ({"type": "document_url", "document_url": "data:text/plain,a"}, None),
    ],
)
def test_other_documents_are_refused(app, document, param):
    error = ocr(app, document).json["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


class LinkedDocument(BaseHTTPRequestHandler):
    """A web site with one document."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/pdf")
        self.end_headers()
        self.wfile.write(f"The document at {self.path}".encode())

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture
def web_site(tmp_path):
    """An https site, and the proxy and the authority that lead to it from a public address."""
    authority = certificates.make(tmp_path, PUBLIC_ADDRESS)
    with ThreadingHTTPServer(("127.0.0.1", 0), LinkedDocument) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with TlsFront(server.server_port, authority) as front:
            host, port = front.host.split(":")
            with ConnectProxy({PUBLIC_ADDRESS: (host, int(port))}) as proxy:
                yield {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(authority.authority)}
        server.shutdown()


def test_linked_documents_are_fetched(emulator, web_site, monkeypatch):
    for name, value in web_site.items():
        monkeypatch.setenv(name, value)
    document = {"type": "document_url", "document_url": f"https://{PUBLIC_ADDRESS}/a.pdf"}
    answer = ocr(app_with_emulator(emulator, **web_site), document)
    assert answer.json["pages"][0]["markdown"] == "The document at /a.pdf"


def test_files_of_the_bucket_are_read(emulator, storage):  # noqa: ARG001  (an empty one)
    env = {"GCS_BUCKET_NAME": "emulated-bucket", "STORAGE_EMULATOR_HOST": emulator.host}
    app = app_with_emulator(emulator, **env)
    form = {"purpose": "user_data", "file": (io.BytesIO(b"Read me"), "a.pdf")}
    file = app.post("/v1/files", data=form).json["id"]
    for document in ({"type": "file", "file_id": file}, {"type": "document_url", "document_url": file}):
        assert ocr(app, document).json["pages"][0]["markdown"] == "Read me"
    assert emulator.calls[-1].json["document"]["document_url"].startswith("data:application/pdf;base64,")
    unknown = ocr(app, {"type": "file", "file_id": "file-x"})
    assert (unknown.status_code, unknown.json["error"]["param"]) == (400, "document")


def test_a_dry_run_shows_the_call(app):
    headers = {"x-vertex-compat-debug": "request"}
    answer = app.post("/v1/ocr", json={"model": "mistral-ocr-2505", "document": DOCUMENT}, headers=headers)
    assert answer.json["url"].endswith("/mistral-ocr-2505:rawPredict")


CHAT_MODELS = ["gemini-3.8-flash", "claude-sonnet-5-5"]
PICTURE_MODELS = [
    "mistral-medium-3",
    "meta/llama-4-maverick-17b-128e-instruct-maas",
    "xai/grok-4.7",
    "openai/30721",
]
PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.4").decode()
TITLE = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


@pytest.mark.parametrize(
    ("model", "url"),
    [*((model, PDF) for model in CHAT_MODELS), *((model, PICTURE) for model in CHAT_MODELS + PICTURE_MODELS)],
)
def test_chat_models_read_documents_for_mistral_s_client(front_door, model, url):
    with httpx.Client() as http:
        client = Mistral(api_key="sk-test", server_url=front_door.url, client=http)
        read = client.ocr.process(
            model=model,
            document={"type": "document_url", "document_url": url},
            document_annotation_format={
                "type": "json_schema",
                "json_schema": {"name": "title", "schema": TITLE},
            },
        )
    assert [page.markdown for page in read.pages] == ["markdown 1"]
    assert json.loads(read.document_annotation) == {"title": "title 1"}
    assert (read.model, read.usage_info.pages_processed) == (model, 1)


def test_chat_model_hears_of_pages_and_tables(app, emulator):
    document = {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"}
    answer = ocr(
        app, document, model="gemini-3.8-flash", pages="0-2", table_format="html", include_image_base64=True
    )
    assert answer.headers["x-vertex-compat-ignored"] == "include_image_base64"
    assert float(answer.headers["x-vertex-compat-cost-usd"]) > 0
    file, instruction = emulator.calls[-1].json["contents"][0]["parts"]
    assert file == {"inlineData": {"mimeType": "application/pdf", "data": PDF.partition(",")[2]}}
    assert "counted from 0: 0-2." in instruction["text"]
    assert "tables in HTML" in instruction["text"]


@pytest.mark.parametrize(
    "model", ["codestral-2", "deepseek-ai/deepseek-v4.1-flash-maas", "openai/gpt-oss-120b-maas"]
)
def test_models_that_read_no_documents_are_named(app, model):
    error = ocr(app, model=model).json["error"]
    assert (error["param"], error["code"]) == ("model", "model_not_found")


@pytest.mark.parametrize("model", [*PICTURE_MODELS, "deepseek-ai/deepseek-ocr-maas"])
def test_models_for_images_refuse_other_documents(app, emulator, model):
    error = ocr(app, model=model).json["error"]
    assert (error["param"], error["code"]) == ("document", "unsupported_value")
    assert not emulator.calls


def test_deepseek_ocr_gets_its_prompt_and_answers_text(app, emulator):
    answer = ocr(
        app, {"image_url": PICTURE}, model="deepseek-ai/deepseek-ocr-maas", pages=[0], temperature=0, id="a"
    )
    assert answer.headers["x-vertex-compat-ignored"] == "id, pages"
    (call,) = emulator.calls
    (message,) = call.json["messages"]
    picture, prompt = message["content"]
    assert (picture["image_url"]["url"], prompt["text"]) == (PICTURE, "Free OCR.")
    assert "response_format" not in call.json
    (page,) = answer.json["pages"]
    assert (page["index"], bool(page["markdown"])) == (0, True)
    assert float(answer.headers["x-vertex-compat-cost-usd"]) > 0


@pytest.mark.parametrize(
    ("parts", "finish", "status", "param"),
    [
        (['{"pages": [{"index": 0, "mark'], "MAX_TOKENS", 400, "pages"),
        ([], "SAFETY", 400, "document"),
        (["I see a cat."], "STOP", 502, None),
        (['{"pages": null}'], "STOP", 502, None),
    ],
)
def test_answers_that_are_no_document_are_errors(parts, finish, status, param):
    content = {"role": "model", "parts": [{"text": part} for part in parts]}
    body = {"candidates": [{"content": content, "finishReason": finish}]}
    answer = ocr(function(ScriptedTransport(body)), model="gemini-3.8-flash")
    assert (answer.status_code, answer.json["error"]["param"]) == (status, param)


def test_fields_of_another_type_cost_no_page():
    pages = [{"index": "x", "markdown": "One"}, {"markdown": "Two"}, {"index": 2, "markdown": 7}, None]
    text = json.dumps({"pages": pages})
    content = {"role": "model", "parts": [{"text": text}]}
    body = {"candidates": [{"content": content, "finishReason": "STOP"}]}
    answer = ocr(function(ScriptedTransport(body)), model="gemini-3.8-flash")
    assert [(page["index"], page["markdown"]) for page in answer.json["pages"]] == [(0, "One"), (1, "Two")]


def test_errors_of_a_chat_name_the_document(app):
    document = {"type": "document_url", "document_url": "data:application/pdf;base64,%%%"}
    error = ocr(app, document, model="claude-sonnet-5-5").json["error"]
    assert error["param"] == "document"
    assert "messages" not in error["message"]
