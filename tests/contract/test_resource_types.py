"""The types of our answers about resources agree with the classes of the vendors' SDKs.

Resources are what OpenAI's clients create and list, and the answers of the smaller operations.
"""

import cohere as cohere_sdk
import pytest
from helpers.wire_types import check, typed_dicts
from mistralai.client import models as mistral_sdk
from openai import pagination
from openai import types as openai_sdk
from openai.types import audio, batch, conversations, fine_tuning, moderation, vector_store, vector_stores
from openai.types.audio import transcription
from openai.types.fine_tuning import fine_tuning_job
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint, fine_tuning_job_checkpoint
from openai.types.vector_stores import vector_store_file

from vertex_compat.operations.audio import answer_types as audio_types
from vertex_compat.operations.conversations import answer_types as conversation_types
from vertex_compat.operations.fine_tuning import answer_types as fine_tuning_types
from vertex_compat.operations.rerank import answer_types as rerank_types
from vertex_compat.operations.vector_stores import answer_types as vector_store_types
from vertex_compat.operations.videos import answer_types as video_types
from vertex_compat.publishers import answer_types as publisher_types
from vertex_compat.services import answer_types as service_types
from vertex_compat.services import natural_language

SDKS = {
    audio_types: audio,
    conversation_types: conversations,
    fine_tuning_types: fine_tuning,
    publisher_types: mistral_sdk,
    rerank_types: cohere_sdk,
    service_types: openai_sdk,
    vector_store_types: openai_sdk,
    video_types: openai_sdk,
}
"""Module of types → the SDK's module with the classes of the same names."""

CLASSES = {
    "InputTokenDetails": transcription.UsageTokensInputTokenDetails,
    "SpeechAudioDeltaEvent": {"audio", "type"},
    "SpeechAudioDoneEvent": {"type", "usage"},
    "SpeechUsage": {"input_tokens", "output_tokens", "total_tokens"},
    "UsageDuration": transcription.UsageDuration,
    "UsageTokens": transcription.UsageTokens,
    "BatchErrors": batch.Errors,
    "BatchProgress": openai_sdk.Batch,
    "ExpiresAfter": vector_store.ExpiresAfter,
    "FileContentPage": pagination.SyncPage,
    "FileContentResponse": vector_stores.FileContentResponse,
    "FileCounts": vector_store.FileCounts,
    "FineTuningError": fine_tuning_job.Error,
    "FineTuningJobCheckpoint": FineTuningJobCheckpoint,
    "FineTuningJobEvent": fine_tuning.FineTuningJobEvent,
    "FineTuningProgress": fine_tuning.FineTuningJob,
    "Hyperparameters": fine_tuning_job.Hyperparameters,
    "LastError": vector_store_file.LastError,
    "Method": fine_tuning_job.Method,
    "Metrics": fine_tuning_job_checkpoint.Metrics,
    "SearchResultsPage": pagination.SyncPage,
    "StoredParams": fine_tuning.FineTuningJob,
    "SupervisedMethod": fine_tuning.SupervisedMethod,
    "VectorStoreFile": vector_stores.VectorStoreFile,
    "VectorStoreFileBatch": vector_stores.VectorStoreFileBatch,
    "VectorStoreFileDeleted": vector_stores.VectorStoreFileDeleted,
}
"""Our types → the SDK's class, where it has another name or is elsewhere; else the documented fields."""

EXTENSIONS = {
    "TranscriptionVerbose": {"task"},
    "FileContentPage": {"has_more", "next_page"},
    "Hyperparameters": {"adapter_size"},
    "Moderation": {"google_categories"},
    "RerankResponse": {"model", "object"},
    "SearchResultsPage": {"has_more", "next_page", "search_query"},
    "VectorStore": {"description"},
}
"""Fields of the documented objects that the SDK's classes do not have."""

REQUIRED_OF_A_JOB = {
    name for name, field in fine_tuning.FineTuningJob.model_fields.items() if field.is_required()
}

PARTS = {
    "BatchProgress": {"completion_window", "created_at", "endpoint", "id", "input_file_id", "object"},
    "FineTuningProgress": {"id", "object", "organization_id", "result_files", "seed"},
    "OCRResponse": {"model"},
    "StoredParams": REQUIRED_OF_A_JOB,
}
"""Types that are part of an object → the required fields that the other parts have."""

TYPES = [(module, name) for module in SDKS for name in typed_dicts(module)]


@pytest.mark.parametrize(("module", "name"), TYPES, ids=[name for _, name in TYPES])
def test_resources_have_the_fields_of_the_sdk(module, name):
    class_ = CLASSES.get(name) or getattr(SDKS[module], name)
    check(typed_dicts(module)[name], class_, EXTENSIONS.get(name, ()), PARTS.get(name, ()))


def test_moderations_have_openai_s_categories():
    names = {field.alias or name for name, field in moderation.Categories.model_fields.items()}
    assert set(natural_language.COUNTERPARTS) == names
