"""`/videos` by Veo, with and without a bucket."""

import base64
import io
import json
import warnings

import httpx
import openai
import pytest
from helpers.fixtures import post
from helpers.server import app_with_emulator

from vertex_compat.emulator.google_models.videos import MP4

BUCKET = "emulated-bucket"
VEO = "veo-3.1-generate-preview"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()


@pytest.fixture
def stored(emulator, storage):  # noqa: ARG001  (an empty one)
    """The function in this process, with a bucket."""
    return app_with_emulator(emulator, STORAGE_EMULATOR_HOST=emulator.host, GCS_BUCKET_NAME=BUCKET)


def create(app, prompt="A cat", model=VEO, **params):
    return post(app, {"model": model, "prompt": prompt, **params}, "/v1/videos")


def wait(app, video):
    """The video after two looks: the first shows it running."""
    assert app.get(f"/v1/videos/{video['id']}").json["status"] == "in_progress"
    return app.get(f"/v1/videos/{video['id']}").json


@pytest.mark.parametrize("env", [{}, {"GCS_BUCKET_NAME": BUCKET}])
def test_openai_s_client_makes_a_video(serve, storage, emulator, env):  # noqa: ARG001  (an empty one)
    with serve(**env).client() as client, warnings.catch_warnings(action="ignore"):
        video = client.videos.create_and_poll(
            model="sora-2", prompt="A cat", seconds="8", size="1280x720", poll_interval_ms=10
        )
        content = client.videos.download_content(video.id).read()
    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "8", "1280x720")
    assert content == MP4
    (started,) = [call for call in emulator.calls if call.path.endswith(":predictLongRunning")]
    parameters = started.json["parameters"]
    assert parameters | {"durationSeconds": 8, "aspectRatio": "16:9", "resolution": "720p"} == parameters
    assert ("storageUri" in parameters) == bool(env)


@pytest.mark.parametrize(
    ("size", "ratio", "resolution"),
    [("720x1280", "9:16", "720p"), ("1792x1024", "16:9", "1080p"), ("3840x2160", "16:9", "4k")],
)
def test_a_size_is_a_ratio_and_a_resolution(app, emulator, size, ratio, resolution):
    assert create(app, size=size).status_code == 200
    parameters = emulator.calls[-1].json["parameters"]
    assert (parameters["aspectRatio"], parameters["resolution"]) == (ratio, resolution)


def test_an_older_model_has_its_own_defaults(app, emulator):
    answer = create(app, model="veo-2.0-generate-exp", size="1920x1080")
    assert answer.headers["x-vertex-compat-ignored"] == "size"
    assert answer.json["seconds"] == "8"
    assert "resolution" not in emulator.calls[-1].json["parameters"]


def test_a_video_starts_from_a_picture(app, emulator, serve):
    url = f"data:image/png;base64,{PNG}"
    assert create(app, input_reference={"image_url": url}).status_code == 200
    image = {"bytesBase64Encoded": PNG, "mimeType": "image/png"}
    assert emulator.calls[-1].json["instances"][0]["image"] == image
    with serve().client() as client, warnings.catch_warnings(action="ignore"):
        client.videos.create(model=VEO, prompt="A cat", input_reference=("a.png", base64.b64decode(PNG)))
    assert emulator.calls[-1].json["instances"][0]["image"] == image


def test_a_stored_file_can_be_the_picture(stored, emulator):
    file = stored.post("/v1/files", data={"purpose": "vision", "file": (io.BytesIO(b"x"), "a.png")}).json
    assert create(stored, input_reference={"file_id": file["id"]}).status_code == 200
    (started,) = [call for call in emulator.calls if call.path.endswith(":predictLongRunning")]
    image = started.json["instances"][0]["image"]
    assert (image["mimeType"], image["gcsUri"].startswith(f"gs://{BUCKET}/")) == ("image/png", True)


def test_videos_in_the_bucket_are_listed_and_deleted(stored, storage):
    first, second = create(stored, "First").json, create(stored, "Second").json
    wait(stored, first)
    listed = stored.get("/v1/videos").json["data"]
    assert {(video["id"], video["prompt"], video["status"]) for video in listed} == {
        (second["id"], "Second", "in_progress"),
        (first["id"], "First", "completed"),
    }
    page = stored.get("/v1/videos?limit=1&order=asc").json
    assert page["has_more"]
    assert len(stored.get(f"/v1/videos?order=asc&after={page['last_id']}").json["data"]) == 1
    assert stored.delete(f"/v1/videos/{first['id']}").json["deleted"]
    path = f"/v1/videos/{first['id']}"
    for answer in (stored.get(path), stored.get(f"{path}/content"), stored.delete(path)):
        assert answer.json["error"] | {"param": "video_id", "code": None} == answer.json["error"]
        assert answer.json["error"]["message"].startswith("No such video: video_")
    assert [video["id"] for video in stored.get("/v1/videos").json["data"]] == [second["id"]]
    assert len([name for name in storage.names(BUCKET) if "/videos/" in name]) == 2


def test_a_video_outlives_its_operation(stored, emulator):
    video = create(stored).json
    wait(stored, video)
    emulator.app.cloud.videos.forget()
    assert stored.get(f"/v1/videos/{video['id']}").json["status"] == "completed"
    assert stored.get(f"/v1/videos/{video['id']}/content").data == MP4


@pytest.mark.parametrize(
    ("prompt", "model", "code"),
    [
        ("Something unsafe", VEO, "content_policy_violation"),
        ("A cat", "veo-3.1-emulator-job-failed", "video_generation_failed"),
    ],
)
def test_a_failed_video_has_its_error(app, prompt, model, code):
    video = wait(app, create(app, prompt, model).json)
    assert (video["status"], video["error"]["code"]) == ("failed", code)
    assert app.get(f"/v1/videos/{video['id']}/content").status_code == 409


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"size": "big"}, "size"),
        ({"seconds": "long"}, "seconds"),
        ({"input_reference": {"image_url": "http://a"}}, "input_reference"),
        ({"input_reference": {"image_url": "data:image/png;base64,YQ==", "file_id": "a"}}, "input_reference"),
        ({"input_reference": {"image_url": "data:video/mp4;base64,YQ=="}}, "input_reference"),
        ({"input_reference": {"file_id": "file-x"}}, None),
    ],
)
def test_wrong_requests_are_refused(app, params, param):
    error = create(app, **params).json["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_missing_resource_is_not_found(app):
    assert app.get("/v1/videos/video_x").status_code == 404
    video = create(app).json
    assert app.get(f"/v1/videos/{video['id'][:-2]}AA").status_code == 404
    assert app.post("/v1/videos/video_x/remix", json={"prompt": "A dog"}).status_code == 404
    assert app.get(f"/v1/videos/{video['id']}/content?variant=thumbnail").status_code == 400
    for answer in (app.get("/v1/videos"), app.delete(f"/v1/videos/{video['id']}")):
        assert answer.json["error"]["code"] == "bucket_not_set"


@pytest.mark.parametrize("env", [{}, {"GCS_BUCKET_NAME": BUCKET}])
def test_a_player_reads_a_video_in_parts(serve, storage, env):  # noqa: ARG001  (an empty one)
    with serve(**env).client() as client, warnings.catch_warnings(action="ignore"):
        video = client.videos.create_and_poll(model=VEO, prompt="A cat", poll_interval_ms=10)
        size = len(MP4)
        for header, part, content_range in (
            ("bytes=0-3", MP4[:4], f"bytes 0-3/{size}"),
            ("bytes=4-", MP4[4:], f"bytes 4-{size - 1}/{size}"),
            ("bytes=-4", MP4[-4:], f"bytes {size - 4}-{size - 1}/{size}"),
            (f"bytes=4-{size * 2}", MP4[4:], f"bytes 4-{size - 1}/{size}"),
        ):
            answer = client.videos.download_content(video.id, extra_headers={"Range": header})
            assert answer.response.status_code == 206, header
            assert answer.response.headers["content-range"] == content_range
            assert answer.read() == part
        for header in ("bytes=0-1,4-5", "bytes=3-2", "bytes=-", "lines=1-2", "bytes=a-b"):
            answer = client.videos.download_content(video.id, extra_headers={"Range": header})
            assert (answer.response.status_code, answer.read()) == (200, MP4), header
            assert answer.response.headers["accept-ranges"] == "bytes"
        with pytest.raises(openai.APIStatusError) as caught:
            client.videos.download_content(video.id, extra_headers={"Range": f"bytes={size}-"})
    assert (caught.value.status_code, caught.value.code) == (416, "range_not_satisfiable")


def test_remix_error_names_the_alternative(serve):
    with serve().client() as client, warnings.catch_warnings(action="ignore"):
        video = client.videos.create_and_poll(model=VEO, prompt="A cat", poll_interval_ms=10)
        with pytest.raises(openai.BadRequestError, match="input_reference"):
            client.videos.remix(video.id, prompt="A dog")


@pytest.mark.parametrize("env", [{}, {"GCS_BUCKET_NAME": BUCKET}])
def test_a_video_is_continued(serve, storage, emulator, env):  # noqa: ARG001  (an empty one)
    with serve(**env).client() as client, warnings.catch_warnings(action="ignore"):
        first = client.videos.create_and_poll(
            model=VEO, prompt="A cat", seconds="8", size="1280x720", poll_interval_ms=10
        )
        body = {"video": {"id": first.id}, "prompt": "It sleeps", "seconds": "8"}
        raw = client.post("/videos/extensions", body=body, cast_to=httpx.Response)
        assert raw.headers["x-vertex-compat-ignored"] == "seconds"
        second = client.videos.poll(raw.json()["id"], poll_interval_ms=10)
        assert client.videos.download_content(second.id).read() == MP4
        third = client.videos.extend(prompt="It wakes up", seconds="7", video=("a.mp4", MP4))
    assert (second.seconds, second.size, second.model, second.status) == ("15", "1280x720", VEO, "completed")
    assert (third.seconds, third.size, third.model) == ("11", "1280x720", "sora-2")
    _, of_id, of_file = [call.json for call in emulator.calls if call.path.endswith(":predictLongRunning")]
    for started, prompt in ((of_id, "It sleeps"), (of_file, "It wakes up")):
        assert started["instances"][0]["prompt"] == prompt
        assert started["instances"][0]["video"]["mimeType"] == "video/mp4"
        expected = {"durationSeconds": 7, "aspectRatio": "16:9", "resolution": "720p"}
        assert started["parameters"] | expected == started["parameters"]
    inline = base64.b64encode(MP4).decode()
    assert of_file["instances"][0]["video"]["bytesBase64Encoded"] == inline
    if env:
        assert of_id["instances"][0]["video"]["gcsUri"].endswith("/sample_0.mp4")
    else:
        assert of_id["instances"][0]["video"]["bytesBase64Encoded"] == inline


def test_a_form_can_name_the_video_to_continue(app, emulator):
    video = create(app).json
    wait(app, video)
    form = {"video[id]": video["id"], "prompt": "It sleeps", "seconds": "4"}
    answer = app.post("/v1/videos/extensions", data=form, content_type="multipart/form-data")
    assert (answer.status_code, answer.json["seconds"]) == (200, "11")
    assert emulator.calls[-1].json["parameters"]["durationSeconds"] == 7


def test_an_extension_costs_its_own_seconds(app, capfd):
    video = create(app, seconds="8").json
    wait(app, video)
    capfd.readouterr()
    answer = post(app, {"video": {"id": video["id"]}, "prompt": "It sleeps"}, "/v1/videos/extensions")
    answer.get_data()
    answer.close()  # the log is written now
    assert "units={'seconds': 7}" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("params", "status", "param"),
    [
        ({}, 400, "video"),
        ({"video": "video_x"}, 400, "video"),
        ({"video": {}}, 400, "video.id"),
        ({"video": {"id": "video_x"}}, 404, "video.id"),
        ({"video": {"id": "video_x"}, "prompt": ""}, 400, "prompt"),
        ({"video": {"id": "video_x"}, "seconds": "long"}, 400, "seconds"),
    ],
)
def test_a_wrong_extension_is_refused(app, params, status, param):
    answer = post(app, {"prompt": "It sleeps", **params}, "/v1/videos/extensions")
    assert (answer.status_code, answer.json["error"]["param"]) == (status, param)


def test_only_a_finished_mp4_is_continued(app):
    body = {"prompt": "It sleeps", "video": {"id": create(app).json["id"]}}
    answer = post(app, body, "/v1/videos/extensions")
    assert (answer.status_code, answer.json["error"]["param"]) == (409, "video.id")
    for data in (b"", b"x" * 99, MP4[:40], b"\0\0\0\x08moov" * 9):
        form = {"prompt": "It sleeps", "video": (io.BytesIO(data), "a.mp4")}
        answer = app.post("/v1/videos/extensions", data=form)
        assert (answer.status_code, answer.json["error"]["param"]) == (400, "video")


def test_a_video_of_another_key_is_not_continued(emulator):
    app = app_with_emulator(emulator, VERTEX_COMPAT_API_KEYS="alice:sk-alice-00000000,bob:sk-bob-0000000000")
    alice, bob = ({"Authorization": f"Bearer sk-{key}"} for key in ("alice-00000000", "bob-0000000000"))
    video = app.post("/v1/videos", json={"model": VEO, "prompt": "A cat"}, headers=alice).json
    body = {"prompt": "It sleeps", "video": {"id": video["id"]}}
    assert app.post("/v1/videos/extensions", json=body, headers=bob).status_code == 404
    assert app.post("/v1/videos/extensions", json=body, headers=alice).status_code == 409


def test_video_operation_without_a_bucket_is_an_error(app, emulator):
    video = create(app).json
    error = {"code": 3, "message": "Generated video is large, an output storage uri is required."}
    emulator.script(json.dumps({"name": "a", "done": True, "error": error}).encode())
    message = app.get(f"/v1/videos/{video['id']}").json["error"]["message"]
    assert message.endswith("required. Set GCS_BUCKET_NAME.")


@pytest.mark.parametrize(("size", "ignored"), [("1024x1024", "size"), ("1024x1792", None)])
def test_a_ratio_that_no_video_has_is_named(app, size, ignored):
    assert create(app, size=size).headers.get("x-vertex-compat-ignored") == ignored


def test_unsupported_video_request_names_the_alternative(serve):
    with serve().client() as client, warnings.catch_warnings(action="ignore"):
        with pytest.raises(openai.BadRequestError, match="extensions"):
            client.videos.edit(prompt="A dog", video=("a.mp4", MP4))
        with pytest.raises(openai.BadRequestError, match="input_reference"):
            client.videos.create_character(name="Ann", video=("a.mp4", MP4))
        with pytest.raises(openai.NotFoundError, match="char_1"):
            client.videos.get_character("char_1")


def test_a_model_that_makes_no_videos_is_refused(app):
    assert create(app, model="gemini-3.8-flash").json["error"]["code"] == "model_not_found"


def test_a_dry_run_starts_nothing(app, emulator):
    body = {"model": VEO, "prompt": "A cat"}
    answer = app.post("/v1/videos", json=body, headers={"x-vertex-compat-debug": "request"})
    assert answer.json["url"].endswith(f"{VEO}:predictLongRunning")
    assert not emulator.calls


def test_the_client_raises_the_video_s_error(serve):
    ignored, refused = warnings.catch_warnings(action="ignore"), pytest.raises(openai.NotFoundError)
    with serve().client() as client, ignored, refused:
        client.videos.retrieve("video_unknown")
