"""The requests of the Gemini API: types and ranges, for `body.validate`.

https://ai.google.dev/api. That of `generateContent` is for models of other publishers: a request to Gemini
goes to Vertex AI as it came.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

MAX_CONTENTS = 10_000
Many = Meta(max_length=2_000)


class Blob(Struct, rename="camel"):
    data: str
    mime_type: str


class FileData(Struct, rename="camel"):
    file_uri: str
    mime_type: str | None = None


class FunctionCall(Struct, rename="camel"):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class FunctionResponse(Struct, rename="camel"):
    name: str
    response: dict[str, Any] | None = None
    id: str | None = None
    parts: list[Part] | None = None


class Code(Struct, rename="camel"):
    code: str | None = None
    language: str | None = None


class CodeResult(Struct, rename="camel"):
    output: str | None = None


class Part(Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: Code | None = None
    code_execution_result: CodeResult | None = None


class Content(Struct, rename="camel"):
    parts: Annotated[list[Part], Many] | None = None
    role: str | None = None


class ThinkingConfig(Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(Struct, rename="camel"):
    candidate_count: Annotated[int, Meta(ge=1, le=128)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    response_json_schema: Any = None
    response_logprobs: bool | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    seed: int | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    thinking_config: ThinkingConfig | None = None
    top_k: float | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None


class FunctionCallingConfig(Struct, rename="camel"):
    allowed_function_names: list[str] | None = None
    mode: str | None = None


class ToolConfig(Struct, rename="camel"):
    function_calling_config: FunctionCallingConfig | None = None


class FunctionDeclaration(Struct, rename="camel"):
    name: Annotated[str, Meta(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class Tool(Struct, rename="camel"):
    function_declarations: Annotated[list[FunctionDeclaration], Many] | None = None


class GenerateContent(Struct, rename="camel"):
    contents: Annotated[list[Content], Meta(min_length=1, max_length=MAX_CONTENTS)]
    cached_content: str | None = None
    generation_config: GenerationConfig | None = None
    safety_settings: list[dict[str, Any]] | None = None
    system_instruction: Content | None = None
    tool_config: ToolConfig | None = None
    tools: Annotated[list[Tool], Many] | None = None


class CountTokens(Struct, rename="camel"):
    generate_content_request: GenerateContent


class EmbedContent(Struct, rename="camel"):
    content: Content
    output_dimensionality: int | None = None
    task_type: str | None = None
    title: str | None = None


class BatchEmbedContents(Struct):
    requests: list[EmbedContent]


class OutputOptions(Struct, rename="camel"):
    compression_quality: Annotated[int, Meta(ge=0, le=100)] | None = None
    mime_type: Literal["image/png", "image/jpeg"] | None = None


class ImageInstance(Struct):
    prompt: Annotated[str, Meta(min_length=1)]


class ImageParameters(Struct, rename="camel"):
    aspect_ratio: Annotated[str, Meta(pattern=r"^\d{1,2}:\d{1,2}$")] | None = None
    image_size: Literal["1K", "2K", "4K"] | None = None
    output_options: OutputOptions | None = None
    sample_count: Annotated[int, Meta(ge=1, le=10)] | None = None
    sample_image_size: Literal["1K", "2K", "4K"] | None = None
    seed: int | None = None


class Predict(Struct):
    instances: Annotated[list[ImageInstance], Meta(min_length=1, max_length=1)]
    parameters: ImageParameters | None = None
