"""The playground at work: what a person sees, and what Vertex is asked for."""

import base64
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GEMINI, CLAUDE = "gemini-3.8-flash", "claude-sonnet-5-5"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
KEY = "sk-a-key-of-the-tests"


def texts(body):
    """All strings of a request's body."""
    return re.sub(r"\\u[0-9a-f]{4}", "?", json.dumps(body))


def replace_response(playground, path, **answer):
    """Something else than the function answers."""
    playground.page.route(path, lambda route: route.fulfill(**answer))


# Asking and answering


@pytest.mark.parametrize("model", [GEMINI, CLAUDE, "mistral-medium-3", "xai/grok-4.1-fast-reasoning"])
def test_a_model_is_chosen_and_its_answer_is_shown(playground, model):
    answer = playground.ask("Hello, wörld", model)
    assert "You said: Hello, wörld" in answer.locator(".text").inner_text()
    assert answer.locator(".who").inner_text() == model
    meta = answer.locator(".meta").inner_text()
    assert re.search(r"[\d.]+ s to first token", meta)
    assert re.search(r"[\d,]+ tokens/s", meta)
    assert re.search(r"\d+ in", meta)
    assert re.search(r"\d+ out", meta)
    assert re.search(r"\$0\.000", meta)


def test_the_text_is_shown_as_it_comes(playground, emulator):
    emulator.pace = 0.15
    playground.say("Hello", GEMINI)
    text = playground.answers.locator(".text")
    playground.until("document.querySelector('.assistant .text').innerText.length > 8")
    assert playground.answers.get_attribute("aria-busy") == "true"
    early = text.inner_text()
    playground.until(f"document.querySelector('.assistant .text').innerText.length > {len(early)}")
    assert text.inner_text().startswith(early.rstrip())
    playground.page.keyboard.press("Escape")
    playground.ended(0)


def test_the_reasoning_is_shown_and_counted(playground):
    playground.page.get_by_label("Reasoning effort").select_option("low")
    answer = playground.ask("Hello", CLAUDE)
    answer.get_by_text("Reasoning", exact=True).click()
    assert "The last words were" in answer.get_by_role("group", name="Reasoning").inner_text()
    assert re.search(r"\d+ reasoning", answer.locator(".meta").inner_text())
    assert playground.upstream()[0]["thinking"]["type"] == "adaptive"


def test_a_name_that_is_not_listed_is_taken(playground):
    playground.ask("Hello", "gemini-9-preview-from-tomorrow")
    assert playground.emulator.calls[0].path.endswith("gemini-9-preview-from-tomorrow:streamGenerateContent")


def test_the_options_reach_the_model(playground):
    page = playground.page
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Max tokens").fill("77")
    page.get_by_label("Web search").check()
    page.get_by_label("Answer in JSON").check()
    page.get_by_label("JSON schema of the answer").fill(
        '{"type": "object", "properties": {"sky": {"type": "string"}}}'
    )
    playground.ask("Hello", "gemini-3.5-flash")  # newer ones take no temperature
    (body,) = playground.upstream()
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert body["generationConfig"]["temperature"] == 0.5
    assert body["generationConfig"]["maxOutputTokens"] == 77
    assert "sky" in texts(body["generationConfig"])
    assert "googleSearch" in texts(body["tools"])


def test_options_that_are_wrong_are_shown_and_nothing_is_sent(playground):
    page = playground.page
    page.get_by_label("Tools", exact=True).check()
    page.get_by_label("Tools, as JSON").fill("[{]")
    playground.say("Hello")
    assert "Not JSON" in page.locator("#tools-wrong").inner_text()
    assert page.evaluate("document.activeElement.id") == "tools"
    page.get_by_label("Tools, as JSON").fill("{}")
    assert "list" in page.locator("#tools-wrong").inner_text()
    assert playground.upstream() == []
    page.get_by_label("Tools", exact=True).uncheck()  # what is not used may be wrong
    playground.ask("Hello")
    assert len(playground.upstream()) == 1


def test_ignored_parameters_and_answering_model_are_shown(playground):
    playground.page.get_by_label("Reasoning effort").select_option("low")
    answer = playground.ask("Hello", "mistral-medium-3")
    assert "This model ignores: reasoning_effort" in answer.inner_text()
    details = answer.get_by_role("button", name="Details")
    details.click()
    assert "mistralai/mistral-medium-3; location=" in answer.inner_text()
    assert "req_" in answer.inner_text()
    assert details.get_attribute("aria-expanded") == "true"


def test_links_to_sources_send_no_referrer(playground):
    playground.page.get_by_label("Web search").check()
    answer = playground.ask("Hello", GEMINI)
    source = answer.get_by_role("list", name="Sources").get_by_role("link")
    assert source.get_attribute("href") == "https://example.com/a"
    assert {"noopener", "noreferrer"} <= set(source.get_attribute("rel").split())
    assert "Searched: emulated search" in answer.inner_text()


def test_cached_tokens_are_shown(playground, plays):
    plays(
        {"content": "Hello"}, usage={"prompt_tokens": 1234, "prompt_tokens_details": {"cached_tokens": 1000}}
    )
    meta = playground.ask("Hello", plays.model).locator(".meta").inner_text()
    assert "1,234 in (1,000 cached)" in meta


def test_only_image_data_urls_are_shown(playground, plays):
    picture = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    urls = [picture, "https://example.com/spy.png", "data:text/html,<script>pwned=1</script>"]
    plays({"content": "Here", "images": [{"type": "image_url", "image_url": {"url": url}} for url in urls]})
    answer = playground.ask("Draw", plays.model)
    images = answer.locator(".pictures img")
    assert images.count() == 1
    assert images.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1


# The conversation


def test_earlier_messages_are_sent_again(playground):
    playground.ask("First", GEMINI)
    playground.ask("Second", CLAUDE)
    roles = [(turn["role"], texts(turn["content"])) for turn in playground.upstream()[1]["messages"]]
    assert [role for role, _ in roles] == ["user", "assistant", "user"]
    assert "You said: First" in roles[1][1]
    playground.button("New").click()
    assert playground.answers.count() == 0
    playground.ask("Third", CLAUDE)
    assert "First" not in texts(playground.upstream()[2])


def test_editing_a_message_removes_the_following_ones(playground):
    playground.ask("First", GEMINI)
    playground.ask("Second")
    playground.button("Edit").first.click()
    assert playground.draft.input_value() == "First"
    playground.page.keyboard.press("Escape")
    assert playground.draft.input_value() == ""
    assert playground.answers.count() == 2
    playground.button("Edit").first.click()
    playground.draft.fill("Better")
    playground.draft.press("Enter")
    playground.ended(0)
    playground.until("document.querySelectorAll('.assistant').length == 1")
    assert texts(playground.upstream()[2]["contents"]).count('"text"') == 1
    assert "Better" in texts(playground.upstream()[2])


def test_an_answer_can_be_regenerated(playground):
    playground.ask("Hello", GEMINI)
    playground.button("Try again").click()
    playground.emulator.wait_for(lambda calls: len(calls) == 2)
    playground.ended(0)
    first, second = playground.upstream()
    assert first == second
    assert playground.answers.count() == 1


# Tools


@pytest.mark.parametrize("model", [GEMINI, "gemini-3-pro-preview", CLAUDE, "mistral-medium-3"])
def test_a_tool_result_continues_the_conversation(playground, model):
    playground.page.get_by_label("Tools", exact=True).check()
    playground.page.get_by_label("Reasoning effort").select_option("low")
    answer = playground.ask("Use get_weather", model)
    assert "get_weather" in answer.locator(".call h3").inner_text()
    playground.page.get_by_label("Result of get_weather").fill("It is green.")
    playground.button("Send result").click()
    assert "It is green." in playground.ended(1).locator(".text").inner_text()
    last = playground.ask("And again without?")
    assert "You said: And again without?" in last.locator(".text").inner_text()
    assert [call.status for call in playground.emulator.calls] == [200, 200, 200]
    if model in {GEMINI, "gemini-3-pro-preview"}:
        assert "thoughtSignature" in texts(playground.upstream()[1]["contents"])
    if model == CLAUDE:
        kinds = [part["type"] for part in playground.upstream()[1]["messages"][1]["content"]]
        assert kinds[0] == "thinking"
        assert kinds[-1] == "tool_use"


def test_several_calls_are_answered_at_once(playground):
    playground.page.get_by_label("Tools", exact=True).check()
    playground.ask("Use get_weather in parallel", GEMINI)
    fields = playground.page.get_by_label("Result of get_weather")
    assert fields.count() == 2
    fields.nth(0).fill("one")
    fields.nth(1).fill("two")
    playground.button("Send results").click()
    text = playground.ended(1).locator(".text").inner_text()
    assert "one" in text
    assert "two" in text


def test_all_fields_of_a_call_are_sent_back(playground, plays):
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "look", "arguments": '{"a'},
        "extra_content": {"google": {"thought_signature": "AAAA"}},
    }
    more = {"index": 0, "function": {"arguments": '": 1}'}}
    plays(
        {"reasoning_content": "Hm"},
        {"reasoning_content": "m."},
        {"tool_calls": [call]},
        {"tool_calls": [more]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hmm.", "signature": "s"}]},
        finish="tool_calls",
    )
    playground.ask("Look", plays.model)
    playground.page.get_by_label("Result of look").fill("seen")
    with playground.page.expect_request("**/chat/completions") as request:
        playground.button("Send result").click()
    playground.ended(1)
    _, assistant, tool = request.value.post_data_json["messages"]
    assert assistant == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Hmm.",
        "thinking_blocks": [{"type": "thinking", "thinking": "Hmm.", "signature": "s"}],
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "look", "arguments": '{"a": 1}'},
                "extra_content": {"google": {"thought_signature": "AAAA"}},
            }
        ],
    }
    assert tool == {"role": "tool", "tool_call_id": "call_1", "content": "seen"}


# Images


def picked(playground, path):
    with playground.page.expect_file_chooser() as chooser:
        playground.button("Attach").click()
    chooser.value.set_files(path)


def insert_image(playground, event):
    """An image that comes with a paste or a drop."""
    playground.page.evaluate(
        """([kind, base64]) => {
            const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "pixel.png", {type: "image/png"}));
            const happening = kind === "paste"
                ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})
                : new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
            document.getElementById("draft").dispatchEvent(happening);
        }""",
        [event, base64.b64encode(PIXEL).decode()],
    )


@pytest.mark.parametrize("way", ["picker", "paste", "drop"])
def test_an_image_reaches_the_model(playground, tmp_path, way):
    if way == "picker":
        (tmp_path / "pixel.png").write_bytes(PIXEL)
        picked(playground, tmp_path / "pixel.png")
    else:
        insert_image(playground, way)
    playground.page.get_by_role("list", name="Attached").get_by_text("pixel.png").wait_for()
    playground.ask("What is this?", GEMINI)
    (body,) = playground.upstream()
    image, words = body["contents"][0]["parts"]
    assert base64.b64decode(image["inlineData"]["data"]) == PIXEL
    assert words == {"text": "What is this?"}
    assert playground.page.get_by_role("img", name="pixel.png").count() == 1
    assert playground.page.get_by_role("list", name="Attached").count() == 0


def test_attachment_can_be_removed_and_others_are_refused(playground, tmp_path):
    insert_image(playground, "paste")
    playground.button("Remove pixel.png").click()
    (tmp_path / "program.exe").write_bytes(b"MZ")
    picked(playground, tmp_path / "program.exe")
    playground.until("document.getElementById('status').innerText.includes('program.exe')")
    playground.ask("Hello", GEMINI)
    assert len(playground.upstream()[0]["contents"][0]["parts"]) == 1


# Stopping and failing


@pytest.mark.parametrize("way", ["Escape", "button"])
def test_stopping_ends_the_call_to_the_model(playground, way):
    playground.say("Hello", "gemini-emulator-pause-60")
    playground.until("document.querySelector('.assistant .text').innerText")
    if way == "Escape":
        playground.page.keyboard.press("Escape")
    else:
        playground.button("Stop").click()
    answer = playground.ended(0)
    assert "stopped" in answer.locator(".meta").inner_text()
    assert answer.locator(".error").count() == 0
    playground.emulator.wait_for(lambda calls: calls[0].ended == "client_left")
    playground.ask("And now?", GEMINI)
    assert [turn["role"] for turn in playground.upstream()[1]["contents"]] == ["user", "model", "user"]


def test_stop_before_first_word_adds_no_history(playground):
    playground.say("Hello", "gemini-emulator-silent")
    playground.emulator.wait_for(lambda calls: calls)
    playground.button("Stop").click()
    playground.ended(0)
    playground.emulator.wait_for(lambda calls: calls[0].ended == "client_left")
    playground.ask("Again", GEMINI)
    assert {turn["role"] for turn in playground.upstream()[1]["contents"]} == {"user"}


def test_error_is_shown_with_its_status_and_message(playground):
    answer = playground.ask("Hello", "gemini-emulator-status-429")
    error = answer.locator(".error").inner_text()
    assert "429 rate_limit_exceeded" in error
    assert "Status 429 was requested." in error
    assert "req_" in error
    assert "Status 429" in playground.status
    playground.choose(GEMINI)
    playground.button("Try again").click()
    playground.until("document.querySelector('.assistant .text').innerText.includes('You said: Hello')")
    playground.ended(0)


def test_mid_stream_error_is_shown_after_text(playground, emulator):
    emulator.pace = 0.05
    answer = playground.ask("Hello", "gemini-emulator-error-event-2")
    assert answer.locator(".text").inner_text()
    assert "overloaded" in answer.locator(".error").inner_text()


def test_an_unknown_model_shows_the_error(playground):
    answer = playground.ask("Hello", "no-such-thing")
    assert "404 model_not_found" in answer.locator(".error").inner_text()


def test_a_proxy_s_page_is_shown_as_text(playground):
    page = "<!doctype html><h1>502</h1><script>pwned = 1</script>"
    replace_response(playground, "**/chat/completions", status=502, body=page)
    answer = playground.ask("Hello", GEMINI)
    assert page in answer.locator(".error").inner_text()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('data: {"choices":[{"index":0,"delta":{"content":"Half"}}]}\n\n', "ended before the answer did"),
        ('data: {"choices":[{\n\n', "failed"),
    ],
    ids=["cut", "garbage"],
)
def test_a_stream_that_breaks_is_an_error(playground, body, message):
    replace_response(playground, "**/chat/completions", content_type="text/event-stream", body=body)
    assert message in playground.ask("Hello", GEMINI).locator(".error").inner_text()


def test_a_server_that_is_gone_is_an_error(playground):
    playground.page.route("**/chat/completions", lambda route: route.abort())
    assert "The connection failed" in playground.ask("Hello", GEMINI).locator(".error").inner_text()


# Keys and models


def test_a_key_is_requested_used_and_not_stored(look, serve):
    page = (playground := look().open(serve(VERTEX_COMPAT_API_KEYS=f"team:{KEY}").url)).page
    assert "asks for a key" in page.locator("#note").inner_text()
    assert page.evaluate("document.activeElement.id") == "key"
    page.keyboard.type(KEY)
    page.keyboard.press("Enter")
    playground.until("document.getElementById('model').value")
    playground.ask("Hello", GEMINI)
    chat = next(request for request in playground.requests if request.method == "POST")
    assert chat.header_value("authorization") == f"Bearer {KEY}"
    for language in ("curl", "Python", "JavaScript"):
        assert KEY not in playground.code(language)
    assert not [request.url for request in playground.requests if KEY in request.url]
    storage = page.evaluate(
        """async () => JSON.stringify([
            {...localStorage}, {...sessionStorage}, document.cookie, location.href, history.state, name,
            await indexedDB.databases(), await caches.keys(), document.documentElement.outerHTML,
        ])"""
    )
    assert KEY not in storage
    assert page.context.cookies() == []
    page.reload()
    playground.until("document.activeElement.id == 'key'")
    assert page.evaluate("document.getElementById('key').value") == ""


def test_a_wrong_key_is_refused_in_the_api_s_words(look, serve):
    page = (playground := look().open(serve(VERTEX_COMPAT_API_KEYS=f"team:{KEY}").url)).page
    page.get_by_label("API key").fill("sk-wrong")
    page.keyboard.press("Enter")
    page.get_by_text("Incorrect API key provided.").first.wait_for()
    assert page.get_by_label("API key").get_attribute("aria-invalid") == "true"
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    playground.until("document.getElementById('model').value")
    assert page.get_by_label("API key").get_attribute("aria-invalid") is None


def test_a_key_that_is_refused_later_is_an_error_and_marked(look, serve):
    playground = look().open(serve(VERTEX_COMPAT_API_KEYS=f"team:{KEY}").url)
    playground.page.get_by_label("API key").fill(KEY)
    playground.page.keyboard.press("Enter")
    playground.until("document.getElementById('model').value")
    playground.page.get_by_label("API key").evaluate("field => { field.value = 'sk-old-0123456789' }")
    answer = playground.ask("Hello")
    assert "401 invalid_api_key" in answer.locator(".error").inner_text()
    assert playground.page.get_by_label("API key").get_attribute("aria-invalid") == "true"


def test_without_a_key_nothing_is_sent(look, serve):
    playground = look().open(serve(VERTEX_COMPAT_API_KEYS=f"team:{KEY}").url)
    playground.say("Hello")
    assert playground.answers.count() == 0
    assert playground.page.evaluate("document.activeElement.id") == "key"
    assert playground.draft.input_value() == "Hello"


def test_a_list_without_models_or_without_an_answer_is_no_end(look, front_door):
    for status, body, message in (
        (200, '{"object": "list", "data": []}', "lists no models"),
        (500, '{"error": {"message": "Out of order."}}', "Out of order."),
    ):
        playground = look()
        replace_response(playground, "**/models", status=status, body=body, content_type="application/json")
        playground.open(front_door.url)
        assert message in playground.page.locator("#note").inner_text()
        playground.page.get_by_label("Model name").fill(GEMINI)
        assert "You said: Hello" in playground.ask("Hello").inner_text()


# Under a prefix


@pytest.mark.parametrize("place", ["/vertex-compat", "/vertex-compat/", "/vertex-compat/v1", "/it's/mine"])
def test_page_works_below_a_path_prefix(look, front_door, place):
    playground = look()
    prefix = place.rstrip("/").removesuffix("/v1")
    urls = []

    def strip(route):
        urls.append(route.request.url.removeprefix(front_door.url))
        route.continue_(url=route.request.url.replace(prefix, ""))

    playground.page.route(re.compile(prefix), strip)
    playground.open(front_door.url + place)
    assert "You said: Hello" in playground.ask("Hello", GEMINI).inner_text()
    assert urls == [place, f"{prefix}/v1/models", f"{prefix}/v1/chat/completions"]
    first = playground.code("curl").partition(" \\\n")[0]
    assert shlex.split(first)[-1] == f"{front_door.url}{prefix}/v1/chat/completions"


# Code

NASTY = """It's "quoted" `whoami` $(id) $HOME \\n \\ %s {x} <b>&amp; ' '' EOF
JSON
'''\"\"\" ${x} \u2028 Größe 👩‍👩‍👧‍👦 </script> !! *"""


def nasty(playground):
    """A conversation with everything in it, and a draft."""
    playground.page.get_by_label("System prompt").fill(NASTY)
    playground.page.get_by_label("Temperature").fill("0.5")
    playground.page.get_by_label("Tools", exact=True).check()
    insert_image(playground, "paste")
    playground.ask("What's this?", GEMINI)
    playground.draft.fill(NASTY)
    playground.emulator.forget_calls()


def run(command, **more):
    environment = {**os.environ, "OPENAI_API_KEY": KEY}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, check=False, **more
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def upstream_bodies(playground):
    """Return the requests to Vertex AI of a program, and those of the page itself."""
    playground.draft.press("Enter")
    playground.emulator.wait_for(lambda calls: len(calls) == 2)
    playground.ended(1)
    return playground.upstream()


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_copied_curl_asks_for_the_same(playground, shell):
    if not shutil.which("curl"):
        pytest.skip("curl is missing")
    nasty(playground)
    output = run([shell], input=playground.code("curl"))
    assert output.rstrip().endswith("data: [DONE]")
    by_curl, by_page = upstream_bodies(playground)
    assert by_curl == by_page
    assert by_curl["contents"][-1]["parts"] == [{"text": NASTY}]


def test_the_copied_python_asks_for_the_same(playground, tmp_path):
    nasty(playground)
    (tmp_path / "copied.py").write_text(playground.code("Python"), encoding="utf-8")
    assert "You said" in run([sys.executable, str(tmp_path / "copied.py")])
    by_python, by_page = upstream_bodies(playground)
    assert by_python == by_page


STUB = """
export default class {
  constructor(options) { this.options = options; }
  get chat() { return { completions: { create: async (body) => this.print(body) } }; }
  print(body) { console.log(JSON.stringify([this.options, body])); return (async function* () {})(); }
}
"""


def test_the_copied_javascript_asks_for_the_same(playground, front_door, tmp_path):
    from playwright._impl._driver import compute_driver_executable  # noqa: PLC0415  (comes with a Node)

    nasty(playground)
    package = tmp_path / "node_modules" / "openai"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "openai", "type": "module", "exports": "./index.js"}')
    (package / "index.js").write_text(STUB)
    (tmp_path / "copied.mjs").write_text(playground.code("JavaScript"), encoding="utf-8")
    options, body = json.loads(run([compute_driver_executable()[0], str(tmp_path / "copied.mjs")]))
    assert options == {"baseURL": f"{front_door.url}/v1", "apiKey": KEY}
    with playground.page.expect_request("**/chat/completions") as request:
        playground.draft.press("Enter")
    playground.ended(1)
    assert body == request.value.post_data_json


def test_without_a_draft_the_code_is_of_the_last_request(playground):
    playground.ask("The last words", GEMINI)
    code = playground.code("Python")
    assert "The last words" in code
    assert "You said" not in code


def test_where_the_clipboard_is_closed_the_code_is_selected(look, front_door):
    playground = look(permissions=[]).open(front_door.url)
    playground.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    playground.draft.fill("Hello")
    playground.button("Code").click()
    playground.page.get_by_role("dialog").get_by_role("button", name="Copy").click()
    playground.button("Press Ctrl+C").wait_for()
    assert playground.page.evaluate("getSelection().toString()").startswith("curl")


# Markdown

ANSWER = """# Rainbows

Light **bends** in *drops* of `water`, see [a page](https://example.com/rain) or https://example.com/bare.

1. First
2. Second with `code`
   - inner one
   - inner **two**

   and more

> quoted
> twice

| Colour | nm |
|--------|---:|
| red    | 700 |

```python
def rainbow(drops):
    return [drop.bend() for drop in drops]

print("**not bold**")
```

---
2 * 3 * 4 is snake_case_name, 5 \\* 6
"""


def test_an_answer_is_set_as_text_with_lists_tables_and_code(playground, plays):
    plays({"content": ANSWER})
    text = playground.ask("Explain", plays.model).locator(".text")
    assert text.locator("h3").inner_text() == "Rainbows"
    assert text.locator("strong").all_inner_texts() == ["bends", "two"]
    assert text.locator("em").all_inner_texts() == ["drops"]
    links = [link.get_attribute("href") for link in text.locator("a").all()]
    assert links == ["https://example.com/rain", "https://example.com/bare"]
    assert text.locator("ol > li").count() == 2
    assert text.locator("ol > li > ul > li").count() == 2
    assert text.locator("blockquote").inner_text() == "quoted\ntwice"
    assert text.locator("td").all_inner_texts() == ["red", "700"]
    assert text.locator("pre code").inner_text() == ANSWER.split("```")[1].removeprefix("python\n").rstrip(
        "\n"
    )
    assert "2 * 3 * 4 is snake_case_name, 5 * 6" in text.inner_text()


def test_a_stream_looks_as_its_whole_does(playground, plays):
    plays({"content": ANSWER})
    whole = playground.ask("Explain", plays.model).locator(".text").inner_html()
    plays(*({"content": letter} for letter in ANSWER), pause=0.004)  # so that it is drawn on the way
    assert playground.ask("Explain", plays.model).locator(".text").inner_html() == whole


@pytest.mark.parametrize(
    "text",
    ["*" * 60_000, "`" * 60_000, "[" * 60_000, "> " * 20_000, "**a " * 15_000, "- " * 20_000, "\n" * 50_000,
     "|" * 60_000, "a*b_" * 15_000, "https://" * 8_000, "  " * 30_000, "```\n" * 15_000, "1. a\n" * 5_000,
     "\n".join(" " * depth + "- x" for depth in range(200)), "`` " * 20_000, "![[(" * 10_000],
    ids=lambda text: repr(text[:4]),
)  # fmt: skip
def test_no_text_makes_the_page_slow(playground, plays, text):
    plays(*({"content": text[at : at + 500]} for at in range(0, len(text), 500)))
    answer = playground.ask("Go on", plays.model)
    assert answer.locator(".error").count() == 0


def test_a_long_stream_of_small_events_is_shown(playground):
    answer = playground.ask("Hello", "gemini-emulator-many-5000")
    assert answer.locator(".text").inner_text().count("x") == 5000


# What models say is not to be trusted

HOSTILE = """<script>window.pwned = 1</script>
<img src=x onerror="window.pwned = 1"> <svg onload="window.pwned = 1">
[click](javascript:window.pwned=1) [data](data:text/html,<script>pwned=1</script>) [rel](/v1/models)
[quoted](https://example.com/"onmouseover="window.pwned=1) <javascript:window.pwned=1>
![image](https://example.com/spy.png) <a href="javascript:window.pwned=1">x</a>
`<img src=x onerror=window.pwned=1>`

```html"onclick="window.pwned=1
<script>window.pwned = 1</script></code></pre><script>window.pwned = 1</script>
```
| <img src=x onerror=window.pwned=1> | b |
|---|---|
| javascript:window.pwned=1 | <iframe srcdoc="<script>parent.pwned=1</script>"> |
"""


def harmless(playground):
    page = playground.page
    assert page.evaluate("[window.pwned, ({}).polluted, document.scripts.length]") == [None, None, 1]
    loose = page.evaluate(
        """() => [...document.querySelectorAll("#turns *")].filter((one) =>
            one.matches("script, iframe, svg, object, embed, form, base, style, link, meta, video, audio")
            || [...one.attributes].some(({name}) => /^on|^style$|^srcdoc$/.test(name))
            || (one.tagName === "A" && !/^https?:$/.test(one.protocol))
            || (one.tagName === "IMG" && !one.src.startsWith("data:image/"))).map((one) => one.outerHTML)"""
    )
    assert loose == []


def test_hostile_text_stays_text(playground, plays):
    plays({"reasoning_content": HOSTILE}, {"content": HOSTILE}, *({"content": letter} for letter in HOSTILE))
    answer = playground.ask(HOSTILE, plays.model)
    assert "<script>window.pwned = 1</script>" in answer.locator(".text").inner_text()
    harmless(playground)


def test_hostile_fields_stay_text(playground, plays):
    evil = '<img src=x onerror="window.pwned=1">'
    call = {"index": 0, "id": evil, "type": "function", "function": {"name": evil, "arguments": evil}}
    cited = [
        {"type": "url_citation", "url_citation": {"url": "javascript:window.pwned=1", "title": evil}},
        {"type": "url_citation", "url_citation": {"url": f"https://example.com/{evil}", "title": evil}},
    ]
    plays(
        {"content": "x", "annotations": cited, "citations": ["javascript:window.pwned=1", evil]},
        {"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "refusal": evil},
        {"extra_content": {"__proto__": {"polluted": 1}, "anthropic": {"citations": [{"title": evil}]}}},
        {"extra_content": {"__proto__": {"polluted": 1}}},
        {"__proto__": {"reasoning_content": "inherited", "images": 1}},
        {"tool_calls": [call]},
        finish="tool_calls",
    )
    answer = playground.ask("Hello", plays.model)
    assert evil in answer.locator(".call h3").inner_text()
    assert answer.get_by_role("list", name="Sources").locator("li").count() == 3
    assert "inherited" not in answer.inner_text()
    harmless(playground)


def test_a_hostile_error_and_a_hostile_list_stay_text(look, front_door, emulator):
    evil = '<img src=x onerror="window.pwned=1">'
    playground = look()
    listed = {"data": [{"id": f'gemini-"><script>pwned=1</script>{evil}', "owned_by": evil}]}
    replace_response(playground, "**/models", json=listed)
    playground.open(front_door.url)
    emulator.script(
        json.dumps({"error": {"code": 400, "message": evil, "status": evil}}).encode(), status=400
    )
    playground.page.locator("#model").select_option(index=1)
    playground.page.get_by_label("Model name").fill(GEMINI)
    assert evil in playground.ask("Hello").locator(".error").inner_text()
    playground.page.locator("#model").select_option(index=0)
    playground.ask("Hello")
    harmless(playground)


def test_content_security_policy_blocks_foreign_requests(look, front_door):
    playground = look().open(front_door.url)
    blocked = playground.page.evaluate(
        """async () => {
            const broken = [];
            addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
            const script = document.createElement("script");
            try { script.textContent = "window.pwned = 1"; } catch { broken.push("trusted-types"); }
            try { document.body.innerHTML += "<img src=x>"; } catch { broken.push("trusted-types"); }
            const image = new Image();
            image.src = "http://127.0.0.1:9/spy.png";
            await fetch("http://127.0.0.1:9/").catch(() => {});
            await new Promise((done) => setTimeout(done, 200));
            return broken;
        }"""
    )
    assert {"connect-src", "img-src", "trusted-types"} <= set(blocked)
    assert playground.page.evaluate("window.pwned") is None
    playground.troubles.clear()  # they were the point


# For everybody


def scan(playground):
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415  (not everybody has it)

    result = Axe().run(playground.page)
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in result.response["violations"]
    ]


PHONE = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
    "dark phone": PHONE | {"color_scheme": "dark"},
    "contrast": {"forced_colors": "active"},
}
each_look = pytest.mark.parametrize("options", LOOKS.values(), ids=LOOKS)


def wide(playground):
    """By how much the page is wider than its window."""
    return playground.page.evaluate("document.documentElement.scrollWidth - innerWidth")


@each_look
def test_every_state_is_accessible_and_fits(look, front_door, plays, options):
    playground = look(bypass_csp=True, **options).open(front_door.url)  # axe is no script of ours
    page = playground.page
    assert (scan(playground), wide(playground)) == ([], 0)
    if page.get_by_label("System prompt").is_hidden():
        playground.button("Options").click()
    page.get_by_label("Tools", exact=True).check()
    page.get_by_label("Answer in JSON").check()
    assert (scan(playground), wide(playground)) == ([], 0)
    page.get_by_label("Answer in JSON").uncheck()
    if (done := playground.button("Done")).is_visible():
        done.click()
    insert_image(playground, "paste")
    playground.page.get_by_role("list", name="Attached").wait_for()
    assert scan(playground) == []
    long = "x" * 300
    call = {
        "index": 0,
        "id": "1",
        "type": "function",
        "function": {"name": "f" * 60, "arguments": f'{{"{long}":1}}'},
    }
    plays(
        {"reasoning_content": f"Hm {long}"},
        {"content": f"{ANSWER}\n{long}\n\n| {' | '.join('abcdefghij' * 2)} |\n|{'---|' * 20}\n"},
        {"annotations": [{"type": "url_citation", "url_citation": {"url": f"https://example.com/{long}"}}]},
        {"tool_calls": [call]},
        finish="tool_calls",
    )
    answer = playground.ask(long, plays.model)
    answer.get_by_text("Reasoning", exact=True).click()
    answer.get_by_role("button", name="Details").click()
    assert (scan(playground), wide(playground)) == ([], 0)
    playground.ask("Hello", "gemini-emulator-status-503")
    assert (scan(playground), wide(playground)) == ([], 0)
    playground.button("Code").click()
    assert (scan(playground), wide(playground)) == ([], 0)


def test_page_is_accessible_while_streaming_and_asking_key(look, serve, front_door):
    locked = look(bypass_csp=True).open(serve(VERTEX_COMPAT_API_KEYS=f"team:{KEY}").url)
    assert scan(locked) == []
    playground = look(bypass_csp=True).open(front_door.url)
    playground.say("Hello", "gemini-emulator-pause-60")
    playground.until("document.querySelector('.assistant .text').innerText")
    assert scan(playground) == []
    playground.button("Stop").click()
    playground.ended(0)


def focused(page):
    return page.evaluate(
        "document.activeElement.ariaLabel || document.activeElement.innerText || document.activeElement.id"
    )


def test_everything_can_be_reached_and_seen_by_keyboard_alone(playground):
    page = playground.page
    page.keyboard.type("Use the tool")  # the cursor is in the message when the page opens
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
        assert page.evaluate(
            """() => {
                const one = document.activeElement;
                const style = getComputedStyle(one.id === "draft" ? one.closest("#box") : one);
                return style.outlineStyle !== "none" || style.boxShadow.includes("0px 1px");
            }"""
        ), seen[-1]
    expected = {
        "model",
        "clear",
        "show-code",
        "show-panel",
        "draft",
        "attach",
        "send",
        "system",
        "temperature",
    }
    assert expected | {"limit", "effort", "search", "use-tools", "use-schema"} <= set(seen)
    page.get_by_label("Tools", exact=True).focus()
    page.keyboard.press("Space")
    playground.draft.focus()
    page.keyboard.press("Enter")
    playground.ended(0)
    assert page.evaluate("document.activeElement.id") == "draft"
    page.get_by_label("Result of get_weather").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    playground.ended(1)
    assert page.evaluate("document.activeElement.id") == "draft"  # the button that had it is gone
    page.get_by_role("button", name="Code").focus()
    page.keyboard.press("Enter")
    page.get_by_label("curl", exact=True).focus()
    page.keyboard.press("ArrowRight")
    assert "from openai import OpenAI" in page.locator("#listing").inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "show-code"


def test_shift_enter_breaks_line_and_ime_is_respected(playground):
    playground.draft.focus()
    playground.page.keyboard.type("one")
    playground.page.keyboard.press("Shift+Enter")
    playground.page.keyboard.type("two")
    composing = "{key: 'Enter', isComposing: true, cancelable: true}"
    proceeds = playground.draft.evaluate(
        f"one => one.dispatchEvent(new KeyboardEvent('keydown', {composing}))"
    )
    assert proceeds is True
    assert playground.draft.input_value() == "one\ntwo"
    assert playground.answers.count() == 0
    playground.draft.press("Enter")
    assert "You said: one\ntwo" in playground.ended(0).locator(".text").inner_text()


def test_a_screen_reader_hears_the_answer_once_and_whole(playground):
    playground.page.evaluate(
        """() => {
            window.heard = [];
            const status = document.getElementById("status");
            new MutationObserver(() => heard.push(status.textContent)).observe(status, {childList: true});
        }"""
    )
    playground.ask("Hello", GEMINI)
    announcements = playground.page.evaluate("window.heard")
    assert len(announcements) == 2
    assert announcements[1].startswith("Answer: You said: Hello")
    live = playground.page.locator("[aria-live], [role=alert], [role=log]")
    assert live.count() == 0
    assert playground.page.locator("#turns [role=status]").count() == 0


def test_reduced_motion_stops_the_animation(look, front_door):
    for motion, animation in (("no-preference", "breathe"), ("reduce", "none")):
        playground = look(reduced_motion=motion).open(front_door.url)
        playground.say("Hello", "gemini-emulator-silent")
        playground.page.locator(".wait").wait_for()
        assert (
            playground.page.locator(".wait").evaluate("one => getComputedStyle(one).animationName")
            == animation
        )
        playground.button("Stop").click()
        playground.ended(0)


def test_the_colours_follow_the_system(look, front_door):
    def paper(scheme):
        page = look(color_scheme=scheme).open(front_door.url).page
        colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert paper("light") > 600
    assert paper("dark") < 150


def test_on_a_phone_the_options_are_a_sheet(look, front_door):
    playground = look(**PHONE).open(front_door.url)
    assert playground.page.get_by_label("System prompt").is_hidden()
    playground.button("Options").tap()
    playground.page.get_by_label("System prompt").fill("Be brief.")
    playground.button("Done").tap()
    playground.draft.fill("Hello")
    playground.button("Send").tap()
    playground.ended(0)
    assert "Be brief." in texts(playground.upstream()[0])


def test_new_text_scrolls_unless_the_reader_scrolled_up(playground, plays):
    plays({"content": "word \n\n" * 200})
    playground.ask("Long", plays.model)
    bottom = "innerHeight + scrollY > document.documentElement.scrollHeight - 5"
    playground.until(bottom)
    plays(*({"content": "word \n\n" * 10} for _ in range(20)), pause=0.05)
    playground.say("Longer")
    playground.until("document.querySelectorAll('.assistant')[1]?.innerText.length > 100")
    playground.page.evaluate("scrollTo({top: 300, behavior: 'instant'})")
    playground.ended(1)
    assert playground.page.evaluate("scrollY") == 300


# The picture in the README

SKY = """Air scatters **blue** light far more than red: with the inverse fourth power of the wavelength.

```python
def scattering(nm):
    return (550 / nm) ** 4

scattering(450) / scattering(700)  # 5.9 times as much
```

Violet scatters even more, but sunlight has less of it, and our eyes see less of it."""


def gemini_stream(thought, text, sources, usage):
    """The events of Gemini's wire."""
    first = text.partition("\n")[0].replace("**", "")
    grounding = {
        "groundingChunks": [{"web": {"uri": url, "title": title}} for title, url in sources.items()],
        "groundingSupports": [
            {"segment": {"endIndex": len(first)}, "groundingChunkIndices": [*range(len(sources))]}
        ],
    }
    candidates = [{"content": {"role": "model", "parts": [{"text": thought, "thought": True}]}}]
    candidates += [
        {"content": {"role": "model", "parts": [{"text": word}]}} for word in re.split(r"(?<= )", text)
    ]
    candidates += [{"finishReason": "STOP", "groundingMetadata": grounding}]
    events = [{"candidates": [{"index": 0, **candidate}], "usageMetadata": usage} for candidate in candidates]
    return [b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events]


def test_the_picture_for_the_readme(look, front_door, emulator, tmp_path):
    """`PLAYGROUND_PICTURE=1 pytest tests/browser -k picture` writes it anew."""
    playground = look(viewport={"width": 1120, "height": 740}, device_scale_factor=1.25).open(front_door.url)
    page = playground.page
    page.get_by_label("System prompt").fill("Answer briefly, with an example.")
    page.get_by_label("Temperature").fill("0.2")
    page.get_by_label("Reasoning effort").select_option("low")
    page.get_by_label("Web search").check()
    source = {"Rayleigh scattering": "https://en.wikipedia.org/wiki/Rayleigh_scattering"}
    usage = {"promptTokenCount": 24, "candidatesTokenCount": 112, "thoughtsTokenCount": 31}
    emulator.script(
        gemini_stream("Short wavelengths scatter most.", SKY, source, usage), delay=0.2, pause=0.02
    )
    answer = playground.ask("Why is the sky blue?", GEMINI)
    assert answer.get_by_role("link", name="Rayleigh scattering").is_visible()
    assert "(31 reasoning)" in answer.locator(".meta").inner_text()
    picture = tmp_path / "playground.png"
    page.screenshot(path=picture, animations="disabled", caret="hide")
    assert picture.read_bytes().startswith(b"\x89PNG")
    if os.environ.get("PLAYGROUND_PICTURE"):
        shutil.copy(picture, HERE / "playground.png")
