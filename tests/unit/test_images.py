"""`/images/generations` and `/images/edits`."""

import base64
import io
import json

import openai
import pytest
from helpers.server import app_with_emulator

from vertex_compat.operations.images.image_sizes import dimensions

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

PIXEL_DATA = base64.b64encode(PIXEL).decode()
DRAFT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC"


def generate(app, model="gemini-3.1-flash-image", prompt="A cat", **more):
    return app.post("/v1/images/generations", json={"model": model, "prompt": prompt, **more})


def image_config(emulator):
    return emulator.calls[-1].json["generationConfig"].get("imageConfig")


@pytest.mark.parametrize("model", ["gemini-3.1-flash-image", "gemini-3-pro-image", "imagen-3.0-generate-001"])
@pytest.mark.parametrize("expected", [1, 6])
def test_images_are_made(client, model, expected):
    answer = client.images.generate(model=model, prompt="A cat", n=expected)
    assert [base64.b64decode(image.b64_json) for image in answer.data] == [PIXEL] * expected
    assert (answer.output_format, answer.size, answer.background) == ("png", "1x1", "opaque")


def test_gemini_image_request_and_counts(client, emulator):
    answer = client.images.generate(model="gemini-3.1-flash-image", prompt="A cat", n=2)
    assert len(emulator.calls) == 2
    assert emulator.calls[0].json == {
        "contents": [{"role": "user", "parts": [{"text": "A cat"}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]},
    }
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_imagen_makes_four_a_call_and_says_its_prompt(app, emulator):
    answer = generate(
        app, "imagegeneration@006", n=6, size="1024x1792", seed=3, add_watermark=False, style="vivid"
    )
    two, four = sorted(
        (call.json["parameters"] for call in emulator.calls), key=lambda parameters: parameters["sampleCount"]
    )
    assert four["sampleCount"] == 4
    assert two == {
        "sampleCount": 2,
        "aspectRatio": "9:16",
        "includeRaiReason": True,
        "seed": 3,
        "addWatermark": False,
    }
    assert answer.json["data"][0]["revised_prompt"] == "A cat, in detail"
    assert answer.headers["x-vertex-compat-ignored"] == "style"


@pytest.mark.parametrize(
    ("params", "config"),
    [
        ({}, None),
        ({"size": "auto"}, None),
        ({"size": "1024x1024"}, {"aspectRatio": "1:1"}),
        ({"size": "256x256"}, {"aspectRatio": "1:1"}),
        ({"size": "1536x1024"}, {"aspectRatio": "3:2"}),
        ({"size": "1024x1536"}, {"aspectRatio": "2:3"}),
        ({"size": "1792x1024"}, {"aspectRatio": "16:9"}),
        ({"size": "1024x1792"}, {"aspectRatio": "9:16"}),
        ({"size": "1280x960"}, {"aspectRatio": "4:3"}),
        ({"size": "2048x2048"}, {"aspectRatio": "1:1", "imageSize": "2K"}),
        ({"size": "3840x2160"}, {"aspectRatio": "16:9", "imageSize": "4K"}),
        ({"aspect_ratio": "21:9", "image_size": "4K"}, {"aspectRatio": "21:9", "imageSize": "4K"}),
        ({"quality": "high"}, {"imageSize": "2K"}),
        ({"quality": "low"}, None),
        (
            {"output_format": "png", "output_compression": 50},
            {"imageOutputOptions": {"mimeType": "image/png"}},
        ),
        (
            {"output_format": "jpeg", "output_compression": 0},
            {"imageOutputOptions": {"mimeType": "image/jpeg", "compressionQuality": 0}},
        ),
    ],
)
def test_sizes_become_ratios_and_resolutions(app, emulator, params, config):
    assert generate(app, "gemini-3-pro-image", **params).status_code == 200
    assert image_config(emulator) == config


@pytest.mark.parametrize("model", ["gemini-3.1-flash-image", "gemini-nano-banana-2.1"])
@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ("512x2048", "1:4"),
        ("2048x512", "4:1"),
        ("512x4096", "1:8"),
        ("2000x250", "8:1"),
        ("512x1024", "9:16"),
    ],
)
def test_long_sizes_are_kept_by_models_that_have_them(app, emulator, model, size, ratio):
    assert generate(app, model, size=size).status_code == 200
    assert image_config(emulator)["aspectRatio"] == ratio
    assert generate(app, "gemini-3-pro-image", size=size).status_code == 200
    assert image_config(emulator)["aspectRatio"] in {"9:16", "21:9"}


@pytest.mark.parametrize(
    ("model", "params", "ignored"),
    [
        ("gemini-2.5-flash-image", {"quality": "high"}, "quality"),
        ("gemini-2.5-flash-image", {"size": "2048x2048"}, "size"),
        ("gemini-3.1-flash-lite-image", {"image_size": "4K"}, "image_size"),
        ("gemini-3-pro-image", {"quality": "high", "size": "1024x1024"}, "quality"),
        ("gemini-3-pro-image", {"response_format": "url"}, "response_format"),
        ("gemini-3-pro-image", {"moderation": "low", "user": "me"}, "moderation, user"),
        ("gemini-3-pro-image", {"response_format": "b64_json"}, None),
        (
            "gemini-3-pro-image",
            {"output_format": "png", "output_compression": 9},
            "output_compression",
        ),
        ("gemini-2.5-flash-image", {"complexity": "high"}, "complexity"),
        ("gemini-3.1-flash-image", {"complexity": "low"}, "complexity"),
        ("gemini-3.1-flash-image", {"complexity": "high", "image_size": "512", "seed": 2**40}, None),
    ],
)
def test_ignored_parameters_are_listed(app, model, params, ignored):
    answer = generate(app, model, **params)
    assert answer.json["data"][0]["b64_json"]
    assert answer.headers.get("x-vertex-compat-ignored") == ignored


def test_google_s_own_parameters_are_sent(app, emulator):
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    config = {
        "image_config": {"person_generation": "ALLOW_NONE"},
        "thinking_config": {"thinking_level": "high"},
    }
    answer = generate(app, "gemini-3-pro-image", size="1024x1024", safety_settings=safety, google=config)
    assert "x-vertex-compat-ignored" not in answer.headers
    assert emulator.calls[-1].json["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "HIGH"}
    assert emulator.calls[-1].json["safetySettings"] == safety
    assert image_config(emulator) == {"aspectRatio": "1:1", "personGeneration": "ALLOW_NONE"}


def test_chat_takes_the_options_of_its_pictures(app, emulator):
    body = {"messages": [{"role": "user", "content": "A cat"}], "image_generation": {"size": "2048x2048"}}
    answer = app.post("/v1/chat/completions", json={"model": "gemini-3-pro-image", **body})
    assert answer.json["choices"][0]["message"]["images"]
    assert image_config(emulator) == {"aspectRatio": "1:1", "imageSize": "2K"}
    answer = app.post("/v1/chat/completions", json={"model": "gemini-3.8-flash", **body})
    assert answer.headers["x-vertex-compat-ignored"] == "image_generation"


@pytest.mark.parametrize(("complexity", "level"), [("low", "MINIMAL"), ("medium", "HIGH"), ("high", "HIGH")])
def test_complexity_is_the_level_of_thinking(app, emulator, complexity, level):
    assert generate(app, complexity=complexity).status_code == 200
    assert emulator.calls[-1].json["generationConfig"]["thinkingConfig"] == {"thinkingLevel": level}
    assert generate(app, complexity=complexity, partial_images=1, stream=True).status_code == 200
    config = emulator.calls[-1].json["generationConfig"]["thinkingConfig"]
    assert config == {"thinkingLevel": level, "includeThoughts": True}


def test_an_edit_sends_images_mask_and_prompt(client, emulator):
    answer = client.images.edit(
        model="gemini-3.1-flash-image",
        image=[("a.png", PIXEL), ("b.png", PIXEL)],
        mask=("m.png", PIXEL),
        prompt="Add a hat",
        n=1,
        size="1536x1024",
    )
    assert base64.b64decode(answer.data[0].b64_json) == PIXEL
    parts = emulator.calls[-1].json["contents"][0]["parts"]
    image = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PIXEL).decode()}}
    assert parts[:3] == [image] * 3
    assert "mask" in parts[3]["text"]
    assert parts[4] == {"text": "Add a hat"}
    assert image_config(emulator) == {"aspectRatio": "3:2"}


def streamed(client, kind="generation", model="gemini-3.1-flash-image", **more):
    params = {"model": model, "prompt": "A cat", "stream": True, **more}
    if kind == "edit":
        with client.images.edit(**params, image=("a.png", PIXEL)) as stream:
            return list(stream)
    with client.images.generate(**params) as stream:
        return list(stream)


@pytest.mark.parametrize("kind", ["generation", "edit"])
@pytest.mark.parametrize(("count", "drafts"), [(0, 0), (1, 1), (2, 2), (3, 2)])
def test_partial_images_come_before_the_image(client, emulator, kind, count, drafts):
    events = streamed(client, kind, "gemini-3-pro-image", partial_images=count, quality="high")
    assert [event.type for event in events] == [f"image_{kind}.partial_image"] * drafts + [
        f"image_{kind}.completed"
    ]
    assert [event.partial_image_index for event in events[:-1]] == list(range(drafts))
    assert [event.b64_json for event in events[:-1]] == [DRAFT, PIXEL_DATA][:drafts]
    assert events[-1].b64_json == PIXEL_DATA
    assert {(event.size, event.background, event.quality) for event in events} == {("1x1", "opaque", "high")}
    assert events[-1].usage.total_tokens > 0
    config = emulator.calls[-1].json["generationConfig"]
    assert config.get("thinkingConfig") == ({"includeThoughts": True} if count else None)


@pytest.mark.parametrize("model", ["gemini-2.5-flash-image", "imagen-3.0-generate-001"])
def test_a_model_without_drafts_streams_only_images(app, client, model):
    events = streamed(client, model=model, partial_images=3, n=2)
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    answer = generate(app, model, stream=True, partial_images=3)
    assert answer.headers["x-vertex-compat-ignored"] == "partial_images"
    assert generate(app, partial_images=3).headers["x-vertex-compat-ignored"] == "partial_images"


@pytest.mark.parametrize("path", ["images/generations", "responses"])
def test_a_model_that_refuses_drafts_draws_without(emulator, path):
    app = app_with_emulator(emulator)
    body = {"model": "gemini-3-pro-image", "stream": True}
    body |= (
        {"input": "A cat", "tools": [{"type": "image_generation", "partial_images": 2}]}
        if path == "responses"
        else {"prompt": "A cat", "partial_images": 2}
    )
    error = {"error": {"code": 400, "message": "Thoughts are not supported.", "status": "INVALID_ARGUMENT"}}
    emulator.script(json.dumps(error).encode(), status=400)
    for calls in (2, 3):  # the second request does not try again
        answer = app.post(f"/v1/{path}", json=body)
        assert answer.status_code == 200
        assert "completed" in answer.text
        assert 'partial_image"' not in answer.text
        assert answer.headers["x-vertex-compat-ignored"].endswith("partial_images")
        assert len(emulator.calls) == calls


def test_the_events_of_one_image_come_together(client):
    events = streamed(client, partial_images=2, n=3)
    types = ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event.type for event in events] == types * 3


def gemini_events(*candidates, usage=None):
    chunks = [{"candidates": [candidate]} for candidate in candidates]
    if usage:
        chunks.append({"usageMetadata": usage})
    return [b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks]


@pytest.mark.parametrize("model", ["gemini-3-pro-image", "imagen-3.0-generate-001"])
def test_a_stream_is_logged_as_a_whole_answer(emulator, capfd, model):
    app = app_with_emulator(
        emulator, K_SERVICE="vertex-compat", VERTEX_COMPAT_API_KEYS="me:sk-test-0123456789"
    )
    headers = {"Authorization": "Bearer sk-test-0123456789"}
    for stream in (False, True):
        body = {"model": model, "prompt": "A cat", "n": 2, "stream": stream, "user": "me"}
        answer = app.post("/v1/images/generations", json=body, headers=headers)
        assert answer.data
        answer.close()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    names = ("model", "served", "prompt_tokens", "completion_tokens", "cost_usd", "units", "ignored", "key")
    whole, streamed = ({name: line.get(name) for name in names} for line in lines)
    assert whole == streamed
    assert whole["units"] == ({"images": 2} if "imagen" in model else None)
    assert whole["ignored"] == "user"


def test_counts_after_the_end_belong_to_the_image(client, emulator):
    part = {"inlineData": {"mimeType": "image/jpeg", "data": PIXEL_DATA}}
    counts = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
    candidate = {"content": {"parts": [part, part]}, "finishReason": "STOP"}
    emulator.script(gemini_events(candidate, usage=counts))
    events = streamed(client)
    assert [event.usage.total_tokens for event in events] == [0, 7]
    assert {event.output_format for event in events} == {"jpeg"}


def test_a_retry_does_not_add_to_the_images_of_a_broken_stream(emulator):
    app = app_with_emulator(emulator, VERTEX_COMPAT_RETRIES="1")
    part = {"inlineData": {"mimeType": "image/png", "data": PIXEL_DATA}}
    error = {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}
    events = [
        *gemini_events({"content": {"parts": [part]}}),
        b"data: %s\n\n" % json.dumps(error).encode(),
    ]
    emulator.script(events, pause=0.05)
    answer = generate(app, stream=True)
    assert answer.text.count("event: image_generation.completed") == (answer.status_code == 200)


def test_an_image_of_which_the_end_is_missing_is_an_error(client, emulator):
    part = {"inlineData": {"mimeType": "image/png", "data": PIXEL_DATA}, "thought": True}
    emulator.script(gemini_events({"content": {"parts": [part]}}))
    with pytest.raises(openai.APIError, match="before the image was complete"):
        streamed(client, model="gemini-3-pro-image", partial_images=1)
    assert len(emulator.calls) == 1


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(10) + b"\xff\xdb\x00\x43" + bytes(65)
FRAME = b"\x00\x11\x08\x02\x00\x03\x00\x03" + bytes(9)  # 768 x 512


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (PIXEL, "1x1"),
        (JPEG + b"\xff\xc0" + FRAME, "768x512"),
        (JPEG + b"\xff\xc2" + FRAME, "768x512"),
        (JPEG + b"\xff\xc4\x00\x04\x00\x00\xff\xc1" + FRAME, "768x512"),
        (JPEG, None),
        (JPEG + b"\xff\xc0\x00", None),
        (PIXEL[:20], None),
        (b"RIFF....WEBP", None),
        (b"", None),
    ],
)
def test_the_size_of_an_image_is_read_from_its_file(data, size):
    assert dimensions(base64.b64encode(data).decode()) == size
    assert dimensions("?") is None


REFUSALS = [
    {"candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "Not this."}]},
    {"candidates": [{"content": {"parts": [{"text": "No."}]}, "finishReason": "PROHIBITED_CONTENT"}]},
    {"promptFeedback": {"blockReason": "SAFETY"}},
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("reply", REFUSALS)
def test_a_refusal_is_a_content_policy_violation(client, emulator, reply, stream):
    content = json.dumps(reply).encode()
    emulator.script([b"data: %s\n\n" % content] if stream else content)
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(model="gemini-3.1-flash-image", prompt="A cat", stream=stream)
    assert refused.value.code == "content_policy_violation"


@pytest.mark.parametrize("reply", [b"{}", b'{"predictions":[{"raiFilteredReason":"No."}]}'])
def test_imagen_s_filter_is_one_too(app, emulator, reply):
    emulator.script(reply)
    assert generate(app, "imagen-3.0-generate-001").json["error"]["code"] == "content_policy_violation"


def test_a_model_that_only_talks_is_quoted(app, emulator):
    reply = {"candidates": [{"content": {"parts": [{"text": "Which cat?"}]}, "finishReason": "STOP"}]}
    emulator.script(json.dumps(reply).encode())
    answer = generate(app)
    assert answer.status_code == 400
    assert "Which cat?" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("params", "status", "param"),
    [
        ({"prompt": ""}, 400, "prompt"),
        ({"n": 11}, 400, "n"),
        ({"image": "data:image/png;base64,aGk="}, 400, "image"),
        ({"size": "huge"}, 400, "size"),
        ({"size": "0x0"}, 400, "size"),
        ({"output_format": "webp"}, 400, "output_format"),
        ({"background": "transparent"}, 400, "background"),
        ({"quality": "best"}, 400, "quality"),
        ({"complexity": "extreme"}, 400, "complexity"),
        ({"markup": "data:image/png;base64,aGk="}, 400, "markup"),
        ({"response_format": "png"}, 400, "response_format"),
        ({"model": "gemini-3.8-flash"}, 404, "model"),
        ({"model": "claude-sonnet-5-5"}, 404, "model"),
    ],
)
def test_invalid_parameter_is_named(app, params, status, param):
    answer = generate(app, **params)
    assert (answer.status_code, answer.json["error"]["param"]) == (status, param), answer.text


def edit(app, files, **fields):
    params = {"model": "gemini-3.1-flash-image", "prompt": "A hat", **fields, **files}
    return app.post("/v1/images/edits", data=params, content_type="multipart/form-data")


def test_an_edit_needs_an_image(app):

    assert edit(app, {}).json["error"]["code"] == "missing_required_parameter"
    assert edit(app, {"image": (io.BytesIO(b"GIF"), "a.png")}).json["error"]["code"] == "invalid_image_format"
    wrong = edit(app, {"image": (io.BytesIO(PIXEL), "a.png")}, n="many")
    assert wrong.json["error"]["param"] == "n"
    imagen = edit(app, {"image": (io.BytesIO(PIXEL), "a.png")}, model="imagen-3.0-generate-001")
    assert imagen.json["error"]["param"] == "image"


def png():
    return (io.BytesIO(PIXEL), "a.png")


def test_the_marks_on_an_image_are_sent_with_an_instruction(client, emulator):
    answer = client.images.edit(
        model="gemini-3.1-flash-image",
        image=("a.png", PIXEL),
        prompt="Add a hat",
        markup=("m.png", PIXEL),
    )
    assert answer.data
    parts = emulator.calls[-1].json["contents"][0]["parts"]
    assert ["inlineData" in part for part in parts] == [True, True, False, False]
    assert "marks" in parts[2]["text"]


@pytest.mark.parametrize(
    ("files", "fields", "param"),
    [
        ({"mask": [png(), png()]}, {}, "mask"),
        ({}, {"mask": "AAAA"}, "mask"),
        ({"size": png()}, {}, "size"),
        ({"mask": png(), "markup": png()}, {}, "markup"),
    ],
)
def test_parts_of_the_wrong_kind_are_named(app, files, fields, param):
    answer = edit(app, {"image": png(), **files}, **fields)
    assert (answer.status_code, answer.json["error"]["param"]) == (400, param)


def test_an_empty_field_in_place_of_a_mask_is_none(app, emulator):
    assert edit(app, {"image": png()}, mask="").status_code == 200
    assert len(emulator.calls[-1].json["contents"][0]["parts"]) == 2
    answer = edit_json(app, images=[{"image_url": PIXEL_URL}], mask={})
    assert (answer.status_code, answer.json["error"]["param"]) == (400, "mask")


def test_files_that_an_edit_does_not_take_are_listed(app):
    answer = edit(app, {"image[]": [png(), png()], "style_image": png()})
    assert (answer.status_code, answer.headers["x-vertex-compat-ignored"]) == (200, "style_image")


PIXEL_URL = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"


def edit_json(app, **fields):
    body = {"model": "gemini-3.1-flash-image", "prompt": "A hat", **fields}
    return app.post("/v1/images/edits", json=body)


def test_an_edit_in_json_sends_its_images(app, emulator):
    images = [{"image_url": PIXEL_URL}, {"image_url": "gs://bucket/b.webp"}]
    answer = edit_json(app, images=images, mask={"image_url": PIXEL_URL}, size="1536x1024")
    assert base64.b64decode(answer.json["data"][0]["b64_json"]) == PIXEL
    parts = emulator.calls[-1].json["contents"][0]["parts"]
    inline = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PIXEL).decode()}}
    linked = {"fileData": {"mimeType": "image/webp", "fileUri": "gs://bucket/b.webp"}}
    assert parts[:3] == [inline, linked, inline]
    assert parts[4] == {"text": "A hat"}
    assert image_config(emulator) == {"aspectRatio": "3:2"}


@pytest.mark.parametrize(
    ("images", "param"),
    [
        (None, "images"),
        ([], "images"),
        ([{"image_url": PIXEL_URL}] * 17, "images"),
        ([{"image_url": PIXEL_URL}, {"image_url": "data:image/png;base64,?"}], "images[1]"),
        ([{"image_url": "data:image/png;base64,AAAA"}], "images[0]"),
        ([{"image_url": "ftp://example.com/a.png"}], "images[0]"),
        ([{}], "images[0]"),
        ([{"image_url": PIXEL_URL, "file_id": "file-x"}], "images[0]"),
        ([{"image_url": 3}], "images[0].image_url"),
    ],
)
def test_a_wrong_image_in_json_is_named(app, images, param):
    answer = edit_json(app, **({} if images is None else {"images": images}))
    assert answer.status_code == 400
    assert answer.json["error"]["param"] == param


def test_variations_are_not_found(app):
    varied = app.post("/v1/images/variations", data={"image": (io.BytesIO(PIXEL), "a.png")})
    assert varied.status_code == 404
    assert "no variations" in varied.json["error"]["message"]
