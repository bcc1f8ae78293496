"""The types of our answers about resources agree with the classes of the vendors' SDKs.

Resources are what OpenAI's clients create and list, and the answers of the smaller operations.
"""

import pytest
from helpers.wire_types import check, typed_dicts
from openai import pagination
from openai import types as openai_sdk
from openai.types import vector_store, vector_stores
from openai.types.vector_stores import vector_store_file

from vertex_compat.operations.vector_stores import answer_types as vector_store_types

VECTOR_STORE_CLASSES = {
    "ExpiresAfter": vector_store.ExpiresAfter,
    "FileContentPage": pagination.SyncPage,
    "FileContentResponse": vector_stores.FileContentResponse,
    "FileCounts": vector_store.FileCounts,
    "LastError": vector_store_file.LastError,
    "SearchResultsPage": pagination.SyncPage,
    "VectorStoreFile": vector_stores.VectorStoreFile,
    "VectorStoreFileBatch": vector_stores.VectorStoreFileBatch,
    "VectorStoreFileDeleted": vector_stores.VectorStoreFileDeleted,
}

CLASSES = {vector_store_types: (openai_sdk, VECTOR_STORE_CLASSES)}
"""Module of types → the SDK's module, and the SDK's classes that have another name or are elsewhere."""

EXTENSIONS = {
    "FileContentPage": {"has_more", "next_page"},
    "SearchResultsPage": {"has_more", "next_page", "search_query"},
    "VectorStore": {"description"},
}
"""Fields of the documented objects that the SDK's classes do not have."""

PARTS: dict[str, set[str]] = {}
"""Types that are part of an object → the required fields that the other parts have."""

TYPES = [(module, name) for module in CLASSES for name in typed_dicts(module)]


@pytest.mark.parametrize(("module", "name"), TYPES, ids=[name for _, name in TYPES])
def test_resources_have_the_fields_of_the_sdk(module, name):
    sdk, classes = CLASSES[module]
    class_ = classes.get(name) or getattr(sdk, name)
    check(typed_dicts(module)[name], class_, EXTENSIONS.get(name, ()), PARTS.get(name, ()))
