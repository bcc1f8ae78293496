"""Messages as turns: files of any form, results without ids, and costs that stay linear."""

import base64
import time

import pytest

from vertex_compat import errors
from vertex_compat.publishers import chat_messages, media_types
from vertex_compat.publishers.chat_messages import Media, Result, Text

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(40)).decode()
PDF = base64.b64encode(b"%PDF-1.4\n" + bytes(40)).decode()
WEBM = base64.b64encode(b"\x1aE\xdf\xa3" + bytes(40)).decode()


def media(part):
    (turn,) = chat_messages.read([{"role": "user", "content": [part]}])
    (media_part,) = turn.parts
    assert isinstance(media_part, Media)
    return media_part


def image(url, **more):
    return {"type": "image_url", "image_url": {"url": url} | more}


def file(data, **more):
    return {"type": "file", "file": {"file_data": data} | more}


def call(name, id_=""):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": "{}"}}


def results(messages):
    return [
        (part.call.name, [text.text for text in part.parts])
        for turn in chat_messages.read(messages)
        for part in turn.parts
        if isinstance(part, Result)
    ]


# Media types


@pytest.mark.parametrize(
    ("part", "mime"),
    [
        (image(f"data:image/jpg;base64,{JPEG}"), "image/jpeg"),
        (image(f"data:image/pjpeg;base64,{JPEG}"), "image/jpeg"),
        (image(f"data:image/png;base64,{JPEG}"), "image/jpeg"),
        (image(f"data:IMAGE/PNG;charset=x;base64,{PNG}"), "image/png"),
        (image("gs://bucket/cat.jpg"), "image/jpeg"),
        (image("gs://bucket/cat", format="image/jpg"), "image/jpeg"),
        (file(f"data:application/octet-stream;base64,{PDF}"), "application/pdf"),
        (file(f"data:binary/octet-stream;base64,{PDF}", filename="a.bin"), "application/pdf"),
        (file(f"data:application/x-pdf;base64,{PDF}"), "application/pdf"),
        (file("data:application/octet-stream;base64,AAAA", filename="a.csv"), "text/csv"),
        (file(f"data:audio/webm;base64,{WEBM}", filename="a.webm"), "audio/webm"),
        (file("data:application/octet-stream;base64,AAAA"), None),
    ],
)
def test_media_type_is_normalized_and_checked_by_bytes(part, mime):
    assert media(part).mime == mime


def test_base64_with_line_breaks_is_read():
    broken = "\r\n ".join([PNG[:10], PNG[10:20], PNG[20:]])
    assert media(image(f"data:image/png;base64,{broken}")).data == PNG


@pytest.mark.parametrize("url", ["data:image/png", "https://[x", "data:image/png;base64,a*b="])
def test_malformed_file_is_refused_with_its_param(url):
    with pytest.raises(errors.BadRequest) as caught:
        media(image(url))
    assert caught.value.param == "messages[0].content[0]"


def test_anthropic_document_is_a_file_or_a_text():
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    assert media({"type": "document", "source": source, "title": "T"}).name == "T"
    content = {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    (turn,) = chat_messages.read([{"role": "user", "content": [{"type": "document", "source": content}]}])
    assert [part.text for part in turn.parts if isinstance(part, Text)] == ["a\nb"]


# Results without ids


def test_results_with_empty_ids_are_matched_by_name():
    assert results(
        [
            {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b")]},
            {"role": "tool", "tool_call_id": "", "name": "b", "content": "RB"},
            {"role": "tool", "tool_call_id": "", "name": "a", "content": "RA"},
        ]
    ) == [("a", ["RA"]), ("b", ["RB"])]


def test_results_without_ids_and_names_are_matched_by_order():
    assert results(
        [
            {"role": "assistant", "content": None, "tool_calls": [call("a", "1"), call("a", "2"), call("b")]},
            {"role": "tool", "tool_call_id": "2", "content": "R2"},
            {"role": "tool", "tool_call_id": "", "content": "R1"},
            {"role": "tool", "tool_call_id": "", "content": "RB"},
        ]
    ) == [("a", ["R1"]), ("a", ["R2"]), ("b", ["RB"])]


# Costs


def seconds(function, *args):
    """CPU seconds of a call, the least of three."""
    spent = []
    for _ in range(3):
        begin = time.process_time()
        function(*args)
        spent.append(time.process_time() - begin)
    return min(spent)


def refuse(url):
    with pytest.raises(errors.BadRequest):
        media(image(url))


@pytest.mark.parametrize("filler", ["a", "a;", ";", " ", "a/"])
def test_data_url_without_comma_costs_linear_time(filler):
    assert seconds(refuse, "data:" + filler * (1_000_000 // len(filler))) < 0.5


def test_results_by_name_cost_linear_time():
    calls = [call("f", f"c{number}") for number in range(10_000)]
    messages = [{"role": "assistant", "content": None, "tool_calls": calls}]
    messages += [{"role": "function", "name": "g", "content": "r"}] * 10_000
    assert seconds(chat_messages.read, messages) < 1


def test_messages_of_one_role_cost_linear_time():
    messages = [{"role": "user", "content": "a", f"key{number}": 1} for number in range(10_000)]
    assert seconds(chat_messages.read, messages) < 1


def test_extension_of_a_long_name_is_found():
    assert media_types.of_name("a" * 100_000 + ".webp") == "image/webp"
    assert media_types.of_name("." * 100_000) is None
