"""Agents' conversations with Mistral, MaaS and deployed models, by OpenAI's SDK."""

import json

import pytest

MODELS = [
    "mistral-medium-3",
    "meta/llama-4-maverick-17b-128e-instruct-maas",
    "deepseek-ai/deepseek-v4.1-flash-maas",
    "openai/gpt-oss-120b-maas",
    "openai/1234567890",
]
PNG = "data:image/png;base64,iVBORw0KGgo="
READ_FILE = {
    "type": "function",
    "function": {
        "name": "read_file",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    },
}


@pytest.mark.parametrize("model", MODELS)
def test_conversation_goes_on_after_an_image_of_a_tool(client, model):
    messages = [
        {"role": "system", "content": "Help."},
        {"role": "user", "content": "Use the tool read_file."},
    ]
    for _ in range(2):
        answer = client.chat.completions.create(model=model, messages=messages, tools=[READ_FILE])
        message = answer.choices[0].message
        assert message.tool_calls
        messages.append(message.model_dump(exclude_none=True))
        result = [{"type": "text", "text": "read"}, {"type": "image_url", "image_url": {"url": PNG}}]
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": result} for call in message.tool_calls
        ]
        answer = client.chat.completions.create(model=model, messages=messages, tools=[READ_FILE])
        assert answer.choices[0].finish_reason in {"stop", "tool_calls"}
        messages += [
            {"role": "assistant", "content": "I have seen it."},
            {"role": "system", "content": "Be brief from now on."},
            {"role": "user", "content": "Use the tool read_file again."},
        ]


@pytest.mark.parametrize("model", MODELS)
def test_client_run_tools_of_responses_complete_a_round(client, model):
    items = [{"role": "user", "content": "Use the tool apply_patch."}]
    tools = [{"type": "apply_patch"}, {"type": "custom", "name": "note"}]
    response = client.responses.create(model=model, input=items, tools=tools)
    calls = [item for item in response.output if item.type in {"apply_patch_call", "function_call"}]
    assert calls
    for call in calls:
        items.append(call.model_dump(exclude_none=True))
        kind = "apply_patch_call_output" if call.type == "apply_patch_call" else "function_call_output"
        done = {"type": kind, "call_id": call.call_id, "status": "completed", "output": "done"}
        items.append(done)
    response = client.responses.create(model=model, input=items, tools=tools)
    assert response.output_text


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_custom_tool_of_chat_makes_a_round_trip(plain, emulator, model, stream):
    tools = [{"type": "custom", "custom": {"name": "note", "description": "Take a note."}}]
    messages = [{"role": "user", "content": "Use the tool note."}]
    answer = plain.chat.completions.create(model=model, messages=messages, tools=tools, stream=stream)
    if stream:
        deltas = [
            call for chunk in answer for choice in chunk.choices for call in choice.delta.tool_calls or ()
        ]
        parts = [delta.model_dump()["custom"] for delta in deltas]
        custom_call = {"id": deltas[0].id, "type": "custom"}
        custom_call["custom"] = {"name": parts[0]["name"], "input": "".join(part["input"] for part in parts)}
    else:
        (call,) = answer.choices[0].message.tool_calls
        custom_call = call.model_dump()
    assert (custom_call["type"], custom_call["custom"]["name"]) == ("custom", "note")
    assert custom_call["custom"]["input"]
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [custom_call]},
        {"role": "tool", "tool_call_id": custom_call["id"], "content": "noted"},
    ]
    assert (
        plain.chat.completions.create(model=model, messages=messages, tools=tools).choices[0].message.content
    )
    upstream_body = emulator.calls[-1].json["messages"]
    arguments = next(message for message in upstream_body if message.get("tool_calls"))["tool_calls"][0][
        "function"
    ]["arguments"]
    assert json.loads(arguments) == {"input": custom_call["custom"]["input"]}
