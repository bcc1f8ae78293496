"""The types of the bodies that we send have only names of fields that the vendors' SDKs have."""

import inspect
import re

import pytest
from google.genai import models as google_models
from google.genai import types as google_types

from vertex_compat.publishers.google import request_types as google

GOOGLE_CLASSES = {"SystemInstruction": "Content"}
"""Types of ours → the SDK's class, where it has another name."""


def typed_dicts(module):
    """The types that a module defines."""
    return {
        type_.__name__: set(type_.__annotations__)
        for type_ in vars(module).values()
        if hasattr(type_, "__required_keys__") and type_.__module__ == module.__name__
    }


def vertex_fields(function):
    """The fields that a converter of Google's SDK writes: `setv(to_object, ['topK'], …)`."""
    names = re.findall(r"setv\(\s*\w+,\s*\['(\w+)(?:\[\])?'", inspect.getsource(function))
    assert names
    return set(names)


def google_fields(name):
    if name == "GenerateContentRequest":
        return vertex_fields(google_models._GenerateContentConfig_to_vertex) | vertex_fields(
            google_models._GenerateContentParameters_to_vertex
        )
    fields = getattr(google_types, GOOGLE_CLASSES.get(name, name)).model_fields
    names = {field.alias or key for key, field in fields.items()}
    if name == "GenerationConfig":
        names |= vertex_fields(google_models._GenerateContentConfig_to_vertex)
    return names


@pytest.mark.parametrize("name", typed_dicts(google))
def test_fields_of_gemini_requests_are_google_s(name):
    assert typed_dicts(google)[name] <= google_fields(name)
