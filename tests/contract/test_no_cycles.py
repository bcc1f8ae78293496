"""A request leaves no cycle of references, which would keep its body in memory."""

import gc
import json

import pytest

MODELS = ["gemini-3.8-flash", "claude-sonnet-5-5", "mistral-medium-3", "deepseek-ai/deepseek-v4.1-flash-maas"]
QUESTION = [{"role": "user", "content": "Hello"}]

REQUESTS = {
    "chat": ("/v1/chat/completions", {"messages": QUESTION}),
    "chat, several": ("/v1/chat/completions", {"messages": QUESTION, "n": 2}),
    "responses": ("/v1/responses", {"input": "Hello"}),
    "messages": ("/v1/messages", {"messages": QUESTION, "max_tokens": 2000}),
    "completions": ("/v1/completions", {"prompt": "Hello"}),
    "generate_content": (
        "/v1beta/models/{model}:generateContent",
        {"contents": [{"parts": [{"text": "Hello"}]}]},
    ),
    "stream_generate_content": (
        "/v1beta/models/{model}:streamGenerateContent?alt=sse",
        {"contents": [{"parts": [{"text": "Hello"}]}]},
    ),
}


def garbage(work):
    """The objects of the product that only the garbage collector frees after `work`."""
    gc.freeze()  # the collector then looks at what `work` leaves, not at all that a long test run has loaded
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        work()
        gc.collect()
        return [kind for kind in map(type, gc.garbage) if kind.__module__.startswith("vertex_compat.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_leaves_no_cycle(app, name, model, stream):
    path, body = REQUESTS[name]
    fields = {} if "{model}" in path else {"model": model} | ({"stream": True} if stream else {})

    def ask():
        content = json.dumps(body | fields)
        answer = app.post(path.format(model=model), data=content, content_type="application/json")
        assert answer.status_code == 200
        assert answer.get_data()
        answer.close()

    ask()  # what is loaded and kept for all requests
    objects = garbage(ask)
    assert not objects, sorted({kind.__qualname__ for kind in objects})
