"""Selects the emulated service that answers for a Google model."""

from vertex_compat.emulator.google_models import embeddings, gemini, images, music, speech, transcription
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.responses import Response


def answer(request: ModelRequest) -> Response:
    """Answer a request."""
    match request.verb:
        case "predict" if embeddings.is_embedding_model(request.model):
            return embeddings.predict(request)
        case "predict" if request.model.startswith(images.IMAGEN):
            return images.predict(request)
        case "predict" if request.model.startswith(images.TRY_ON):
            return images.try_on(request)
        case "predict" if request.model.startswith(music.FAMILY):
            return music.predict(request)
        case "predict":
            raise google_errors.model_not_found(request.resource, "google", request.model)
        case "generateContent" if request.model.startswith(music.FAMILY):
            return music.generate(request)
        case "embedContent":
            return embeddings.embed_content(request)
        case "generateContent" | "streamGenerateContent" if transcription.is_transcription_model(
            request.model
        ):
            return transcription.transcribe(request)
        case "generateContent" | "streamGenerateContent" if speech.is_speech_model(request.model):
            return speech.speak(request)
        case _:
            response = gemini.answer(request)  # checks the body's types first
            images.check(request)
            return response
