"""Schema of OpenAI's `POST /fine_tuning/jobs`, with LiteLLM's `adapter_size`.

https://platform.openai.com/docs/api-reference/fine-tuning/create
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from vertex_compat.operations.batches.batches_schema import Metadata

Auto = Literal["auto"]
Size = Literal[
    1,
    2,
    4,
    8,
    16,
    32,
]
SizeName = Literal[
    "auto",
    "ADAPTER_SIZE_ONE",
    "ADAPTER_SIZE_TWO",
    "ADAPTER_SIZE_FOUR",
    "ADAPTER_SIZE_EIGHT",
    "ADAPTER_SIZE_SIXTEEN",
    "ADAPTER_SIZE_THIRTY_TWO",
]


class Hyperparameters(Struct):
    n_epochs: Auto | Annotated[int, Meta(ge=1, le=100)] | None = None
    batch_size: Auto | int | None = None
    learning_rate_multiplier: Auto | Annotated[float, Meta(gt=0)] | None = None
    adapter_size: Size | SizeName | None = None


class Supervised(Struct):
    hyperparameters: Hyperparameters | None = None


class Method(Struct):
    type: Literal["supervised"]
    supervised: Supervised | None = None


class Create(Struct):
    model: str
    training_file: str
    validation_file: str | None = None
    suffix: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    seed: int | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    integrations: list[Any] | None = None
    metadata: Metadata | None = None


class Example(Struct):
    messages: Annotated[list[dict[str, Any]], Meta(min_length=1)]
