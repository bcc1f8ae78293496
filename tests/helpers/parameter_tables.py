"""The publishers' parameter tables."""

import typing

from openai.types.chat import completion_create_params as openai_params

from vertex_compat.publishers.anthropic.chat import chat as anthropic
from vertex_compat.publishers.google.chat import chat as google
from vertex_compat.publishers.mistral import mistral
from vertex_compat.publishers.openai_compat import ai21, maas

TABLES = {
    "google": google.PARAMETERS,
    "anthropic": anthropic.PARAMETERS,
    "mistralai": mistral.PARAMETERS,
    "ai21": ai21.PARAMETERS,
    "openapi": maas.PARAMETERS,
    "endpoints": maas.PARAMETERS,
}


OPENAI_PARAMETERS = set(typing.get_type_hints(openai_params.CompletionCreateParamsBase)) | {"stream"}
"""Parameters of OpenAI's own SDK."""
