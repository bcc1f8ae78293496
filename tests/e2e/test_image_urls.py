"""Images as signed URLs in the bucket."""

import base64
import hashlib
import re
import time
from urllib.parse import parse_qsl, urlsplit

import pytest
from helpers.fixtures import post
from helpers.server import app_with_emulator

from vertex_compat.emulator.resources.metadata_server import EMAIL
from vertex_compat.services import signed_urls
from vertex_compat.services.storage import StorageObject

BUCKET = "emulated-bucket"
MODEL = "gemini-3-pro-image"


@pytest.fixture
def start(emulator, storage):  # noqa: ARG001  (an empty one)
    """`start(account)` is the function in this process, with a bucket, signing for an account."""

    def started(account=EMAIL):
        more = {"VERTEX_COMPAT_SIGNING_ACCOUNT": account} if account else {}
        return app_with_emulator(
            emulator, GCS_BUCKET_NAME=BUCKET, STORAGE_EMULATOR_HOST=emulator.host, **more
        )

    return started


def generate(app, **params):
    body = {"model": MODEL, "prompt": "A cat", "response_format": "url", **params}
    return post(app, body, "/v1/images/generations")


def test_an_image_is_a_url_of_the_stored_object(start, storage, emulator):
    answer = generate(start(), n=2)
    assert "x-vertex-compat-ignored" not in answer.headers
    urls = [urlsplit(image["url"]) for image in answer.json["data"]]
    names = storage.names(BUCKET)
    assert sorted(url.path.removeprefix(f"/{BUCKET}/") for url in urls) == sorted(names)
    assert len(names) == 2
    assert all(url.netloc == "storage.googleapis.com" for url in urls)
    query = dict(parse_qsl(urls[0].query))
    assert query["X-Goog-Credential"].startswith(f"{EMAIL}/")
    assert query["X-Goog-Expires"] == "3600"
    signed = [
        base64.b64decode(call.json["payload"]) for call in emulator.calls if call.path.endswith(":signBlob")
    ]
    assert query["X-Goog-Signature"] in {hashlib.sha256(text).hexdigest() for text in signed}


def test_signed_string_has_google_s_format():
    target = StorageObject("example-bucket", "cat pics/tabby.jpeg")
    now = time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, 0)) - time.timezone
    signed_url = signed_urls.build_url(target, "a@b.iam.gserviceaccount.com", now, 60)
    path = "/example-bucket/cat%20pics/tabby.jpeg"
    query = (
        "X-Goog-Algorithm=GOOG4-RSA-SHA256"
        "&X-Goog-Credential=a%40b.iam.gserviceaccount.com%2F20260102%2Fauto%2Fstorage%2Fgoog4_request"
        "&X-Goog-Date=20260102T030405Z&X-Goog-Expires=60&X-Goog-SignedHeaders=host"
    )
    assert signed_url.url == f"https://storage.googleapis.com{path}?{query}"
    request = f"GET\n{path}\n{query}\nhost:storage.googleapis.com\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    assert signed_url.string_to_sign == (
        f"GOOG4-RSA-SHA256\n20260102T030405Z\n20260102/auto/storage/goog4_request\n{digest}"
    )


def test_without_an_account_images_are_base64(start):
    answer = generate(start(account=None))
    assert answer.headers["x-vertex-compat-ignored"] == "response_format"
    assert "b64_json" in answer.json["data"][0]


def test_an_account_that_may_not_sign_is_explained(start):
    answer = generate(start("other@example.iam.gserviceaccount.com"))
    assert re.search("serviceAccountTokenCreator", answer.json["error"]["message"])
