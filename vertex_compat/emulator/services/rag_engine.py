"""RAG Engine: corpora, files imported from Cloud Storage, and the retrieval of contexts.

Source: google/cloud/aiplatform/v1/vertex_rag_data_service.proto and vertex_rag_service.proto. Long-running
operations are complete when they are read for the first time. A file is one chunk per paragraph; its distance
from a query is the share of the query's words that it lacks.
"""

import itertools
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from vertex_compat.emulator.project import PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.proto_json import (
    AnyField,
    IntegerField,
    Message,
    NumberField,
    RepeatedField,
    StringField,
)
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response
from vertex_compat.emulator.resources.jobs import now
from vertex_compat.emulator.resources.storage import Storage

DEFAULT_TOP_K = 10
MAX_URIS = 25
OPERATION_TYPE = "type.googleapis.com/google.cloud.aiplatform.v1."

CORPUS = Message(
    "RagCorpus",
    {
        "displayName": StringField(),
        "description": StringField(),
        "vectorDbConfig": AnyField(),
        "corpusTypeConfig": AnyField(),
    },
)
_CHUNKING = Message("FixedLengthChunking", {"chunkSize": IntegerField(), "chunkOverlap": IntegerField()})
IMPORT = Message(
    "ImportRagFilesRequest",
    {
        "importRagFilesConfig": Message(
            "ImportRagFilesConfig",
            {
                "gcsSource": Message("GcsSource", {"uris": RepeatedField(StringField())}),
                "ragFileTransformationConfig": Message(
                    "RagFileTransformationConfig",
                    {
                        "ragFileChunkingConfig": Message(
                            "RagFileChunkingConfig", {"fixedLengthChunking": _CHUNKING}
                        )
                    },
                ),
                "maxEmbeddingRequestsPerMin": IntegerField(),
            },
        )
    },
)
RETRIEVE = Message(
    "RetrieveContextsRequest",
    {
        "vertexRagStore": Message(
            "VertexRagStore",
            {
                "ragResources": RepeatedField(
                    Message(
                        "RagResource",
                        {"ragCorpus": StringField(), "ragFileIds": RepeatedField(StringField())},
                    )
                )
            },
        ),
        "query": Message(
            "RagQuery",
            {
                "text": StringField(),
                "ragRetrievalConfig": Message(
                    "RagRetrievalConfig",
                    {
                        "topK": IntegerField(),
                        "filter": Message(
                            "Filter",
                            {
                                "vectorDistanceThreshold": NumberField("TYPE_DOUBLE"),
                                "vectorSimilarityThreshold": NumberField("TYPE_DOUBLE"),
                                "metadataFilter": StringField(),
                            },
                        ),
                        "ranking": AnyField(),
                    },
                ),
            },
        ),
    },
)


@dataclass(slots=True)
class Corpus:
    """A corpus: its resource and its files by number."""

    resource: JSON
    files: dict[str, JSON] = field(default_factory=dict)


class RagEngine:
    """The corpora of the project, and the operations that changed them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._corpora: dict[tuple[str, str], Corpus] = {}
        self._operations: dict[str, JSON] = {}
        self._numbers = itertools.count(4_000_000_000_000_000_001)
        self._lock = threading.Lock()

    def create(self, location: str, body: JSON) -> Response:
        """Create a corpus."""
        read = proto_json.read(CORPUS, body)
        if not read.get("displayName"):
            raise google_errors.invalid_argument("Required field is not set: rag_corpus.display_name")
        with self._lock:
            number = str(next(self._numbers))
            name = f"projects/{PROJECT_NUMBER}/locations/{location}/ragCorpora/{number}"
            times = {"createTime": now(), "updateTime": now()}
            resource = {"name": name, **read, **times, "corpusStatus": {"state": "ACTIVE"}}
            self._corpora[location, number] = Corpus(resource)
            return self._operation(name, {"@type": f"{OPERATION_TYPE}RagCorpus", **resource})

    def corpus(self, location: str, number: str) -> Corpus:
        """Return a corpus.

        Raises:
            RequestRefused: 404 if it does not exist.

        """
        if (location, number) not in self._corpora:
            raise google_errors.refused(404, f"RagCorpus {number} is not found.")
        return self._corpora[location, number]

    def get(self, location: str, number: str) -> Response:
        """Return the corpus resource."""
        return pretty_json_response(self.corpus(location, number).resource)

    def list_corpora(self, location: str, query: Mapping[str, str]) -> Response:
        """List the corpora of a location, oldest first."""
        corpora = [corpus.resource for key, corpus in self._corpora.items() if key[0] == location]
        return _page("ragCorpora", corpora, query)

    def update(self, location: str, number: str, body: JSON) -> Response:
        """Change a corpus's name and description."""
        read = proto_json.read(CORPUS, {key: value for key, value in body.items() if key != "name"})
        corpus = self.corpus(location, number)
        corpus.resource |= read | {"updateTime": now()}
        return self._operation(
            corpus.resource["name"], {"@type": f"{OPERATION_TYPE}RagCorpus", **corpus.resource}
        )

    def delete(self, location: str, number: str, query: Mapping[str, str]) -> Response:
        """Delete a corpus; one with files only by `force`."""
        corpus = self.corpus(location, number)
        if corpus.files and query.get("force") != "true":
            raise google_errors.failed_precondition(f"RagCorpus {number} is not empty.")
        del self._corpora[location, number]
        return self._operation(
            corpus.resource["name"], {"@type": "type.googleapis.com/google.protobuf.Empty"}
        )

    def import_files(self, location: str, number: str, body: JSON) -> Response:
        """Import files from Cloud Storage; a missing object makes the operation's count of failures."""
        config = proto_json.read(IMPORT, body).get("importRagFilesConfig", {})
        uris = config.get("gcsSource", {}).get("uris", [])
        if not uris or len(uris) > MAX_URIS:
            raise google_errors.invalid_argument(f"The number of URIs must be between 1 and {MAX_URIS}.")
        corpus = self.corpus(location, number)
        failed = 0
        for uri in uris:
            data = self._storage.read(uri)
            if data is None or b"emulator-unreadable" in data:
                failed += 1
                continue
            file_number = str(next(self._numbers))
            corpus.files[file_number] = {
                "name": f"{corpus.resource['name']}/ragFiles/{file_number}",
                "displayName": uri.rpartition("/")[2],
                "sizeBytes": str(len(data)),
                "gcsSource": {"uris": [uri]},
                "createTime": now(),
                "updateTime": now(),
                "fileStatus": {"state": "ACTIVE"},
            }
        counts = {"importedRagFilesCount": str(len(uris) - failed), "failedRagFilesCount": str(failed)}
        done = {key: value for key, value in counts.items() if value != "0"}
        return self._operation(
            corpus.resource["name"], {"@type": f"{OPERATION_TYPE}ImportRagFilesResponse", **done}
        )

    def list_files(self, location: str, number: str, query: Mapping[str, str]) -> Response:
        """List the files of a corpus."""
        return _page("ragFiles", list(self.corpus(location, number).files.values()), query)

    def file(self, location: str, number: str, file: str) -> Response:
        """Return a file resource."""
        return pretty_json_response(self._file(location, number, file))

    def delete_file(self, location: str, number: str, file: str) -> Response:
        """Delete a file from its corpus."""
        name = self._file(location, number, file)["name"]
        del self.corpus(location, number).files[file]
        return self._operation(name, {"@type": "type.googleapis.com/google.protobuf.Empty"})

    def _file(self, location: str, number: str, file: str) -> JSON:
        files = self.corpus(location, number).files
        if file not in files:
            raise google_errors.refused(404, f"RagFile {file} is not found.")
        return files[file]

    def retrieve(self, location: str, body: JSON) -> Response:
        """Answer `retrieveContexts`."""
        read = proto_json.read(RETRIEVE, body)
        resources = read.get("vertexRagStore", {}).get("ragResources", [])
        query = read.get("query", {})
        if len(resources) != 1:
            raise google_errors.invalid_argument("Exactly one rag_resource is supported.")
        if not query.get("text"):
            raise google_errors.invalid_argument("The query must have text.")
        number = resources[0].get("ragCorpus", "").rpartition("/")[2]
        corpus = self.corpus(location, number)
        config = query.get("ragRetrievalConfig", {})
        threshold = config.get("filter", {}).get("vectorDistanceThreshold", 2)
        ids = resources[0].get("ragFileIds", [])
        contexts = [
            context
            for file_number, file in corpus.files.items()
            if not ids or file_number in ids
            for context in self._contexts(file, query["text"])
            if context["score"] < threshold
        ]
        contexts.sort(key=lambda context: float(context["score"]))
        nearest = contexts[: config.get("topK", DEFAULT_TOP_K)]
        return pretty_json_response({"contexts": {"contexts": nearest} if nearest else {}})

    def _contexts(self, file: JSON, query: str) -> list[JSON]:
        (uri,) = file["gcsSource"]["uris"]
        words = _words(query)
        paragraphs = (self._storage.read(uri) or b"").decode(errors="replace").split("\n\n")
        return [
            {
                "sourceUri": uri,
                "sourceDisplayName": file["displayName"],
                "text": text.strip(),
                "score": round(1 - len(words & _words(text)) / max(len(words), 1), 4),
                "chunk": {"text": text.strip()},
            }
            for text in paragraphs
            if text.strip()
        ]

    def operation(self, location: str, number: str, operation: str) -> Response:
        """Return a long-running operation, complete by now."""
        name = f"projects/{PROJECT_NUMBER}/locations/{location}/ragCorpora/{number}/operations/{operation}"
        for stored_operation in self._operations.values():
            if stored_operation["name"].endswith(f"/operations/{operation}"):
                return pretty_json_response(stored_operation)
        raise google_errors.refused(404, f"Operation {name} is not found.")

    def _operation(self, parent: str, response: JSON) -> Response:
        number = str(next(self._numbers))
        name = f"{parent}/operations/{number}"
        self._operations[number] = {"name": name, "done": True, "response": response}
        return pretty_json_response({"name": name, "metadata": {"genericMetadata": {"createTime": now()}}})


def _page(kind: str, items: list[JSON], query: Mapping[str, str]) -> Response:
    size, start = int(query.get("pageSize") or 50), int(query.get("pageToken") or 0)
    page: JSON = {kind: items[start : start + size]} if items[start : start + size] else {}
    return pretty_json_response(
        page | ({"nextPageToken": str(start + size)} if items[start + size :] else {})
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
