"""The playground in a headless Chromium, in front of the real function.

Needs Debian's package `chromium` and `pip install -r tests/browser/requirements.txt`. Without them the tests
are skipped, but not in CI.
"""

import json
import os
import re
import shutil
import time

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def missing(name):
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing, and CI looks at the playground in a browser")
    pytest.skip(f"{name} is missing")


@pytest.fixture(scope="package")
def chromium():
    """The browser, for this folder only: while Playwright runs, no test can run an event loop."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  (not everybody has it)
    except ImportError:
        missing("playwright")
    if not CHROMIUM:
        missing("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


class Playground:
    """The page as a person uses it: by what is written on it."""

    def __init__(self, page, emulator):
        self.page = page
        self.emulator = emulator
        self.requests = []
        self.troubles = []
        page.set_default_timeout(4_000)
        page.on("request", self._saw)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", self._note)
        page.on("dialog", lambda dialog: self.troubles.append(f"dialog: {dialog.message}"))

    def _saw(self, request):
        self.requests.append(request)

    def _note(self, message):
        """Failed requests are the browser's own note, and what many tests are about."""
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.troubles.append(message.text)

    def open(self, url):
        self.page.goto(url)
        self.until("document.getElementById('model').textContent != 'Loading models…'")
        return self

    def until(self, expression, seconds=5):
        """Wait for something in the page. Playwright's own way is an `eval`, which the page forbids."""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, expression
            self.page.wait_for_timeout(20)

    def button(self, name, **more):
        return self.page.get_by_role("button", name=name, **more)

    @property
    def draft(self):
        return self.page.get_by_label("Message", exact=True)

    @property
    def answers(self):
        return self.page.locator(".assistant")

    @property
    def status(self):
        return self.page.locator("#status").inner_text()

    def choose(self, model):
        """A model of the list, or any other by its name."""
        chooser = self.page.get_by_role("combobox", name="Model", exact=True)
        if chooser.locator(f"option[value='{model}']").count():
            chooser.select_option(model)
        else:
            chooser.select_option("")
            self.page.get_by_label("Model name").fill(model)

    def say(self, text, model=None):
        if model:
            self.choose(model)
        self.draft.fill(text)
        self.draft.press("Enter")

    def ask(self, text, model=None):
        """Say it and wait until the answer has come to its end, whatever that is."""
        before = self.answers.count()
        self.say(text, model)
        return self.ended(before)

    def ended(self, number):
        answer = self.answers.nth(number)
        answer.locator(".meta").wait_for(state="attached")
        return answer

    def upstream(self):
        """The bodies of what Vertex was asked for."""
        return [call.json for call in self.emulator.calls]

    def code(self, language):
        """Return the text that the dialog copies."""
        self.button("Code").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label(language, exact=True).check()
        dialog.get_by_role("button", name="Copy").click()
        dialog.get_by_role("button", name="Copied").wait_for()
        copied = self.page.evaluate("navigator.clipboard.readText()")
        self.page.keyboard.press("Escape")
        return copied


@pytest.fixture
def look(chromium, emulator):
    """`look()` is a fresh page, `look(viewport=…, …)` a special one. No page may have troubles."""
    opened = []

    def start(**options):
        context = chromium.new_context(
            **{
                "viewport": {"width": 1280, "height": 800},
                "permissions": ["clipboard-read", "clipboard-write"],
            }
            | options
        )
        opened.append(Playground(context.new_page(), emulator))
        return opened[-1]

    yield start
    for playground in opened:
        troubles = list(playground.troubles)
        urls = [request.url for request in playground.requests]
        playground.page.context.close()
        assert troubles == []
        assert [url for url in urls if not re.match(r"http://127\.0\.0\.1:|data:", url)] == []


@pytest.fixture
def playground(look, front_door):
    """The page of a deployment that asks for no key."""
    return look().open(front_door.url)


def openai_stream(*deltas, finish="stop", usage=None):
    """The events of a model that speaks OpenAI's wire."""

    def event(delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return b"data: " + json.dumps({"id": "1", "choices": [choice]}).encode() + b"\n\n"

    counted = {"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46} | (usage or {})
    last = b"data: " + json.dumps({"id": "1", "choices": [], "usage": counted}).encode() + b"\n\n"
    return [*map(event, deltas), event({}, finish), last, b"data: [DONE]\n\n"]


@pytest.fixture
def plays(emulator):
    """`plays(delta, …)` queues an answer of Llama's, `plays.model` is its name."""

    def play(*deltas, pause=0, **more):
        emulator.script(openai_stream(*deltas, **more), pause=pause)

    play.model = "xai/grok-4.7"
    return play
