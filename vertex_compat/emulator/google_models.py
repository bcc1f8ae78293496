"""Google's own models: which room of the emulator answers which of them."""

from vertex_compat.emulator import embeddings, gemini, google, images, speech
from vertex_compat.emulator.answers import Answer
from vertex_compat.emulator.asked import Asked


def answer(asked: Asked) -> Answer:
    """Answer a call."""
    match asked.verb:
        case "predict" if embeddings.embeds(asked.model):
            return embeddings.predicted(asked)
        case "predict" if asked.model.startswith(images.IMAGEN):
            return images.predicted(asked)
        case "predict":
            raise google.no_such_model(asked.resource, "google", asked.model)
        case "embedContent":
            return embeddings.embedded(asked)
        case "generateContent" if speech.speaks(asked.model):
            return speech.spoken(asked)
        case _:
            answered = gemini.answer(asked)  # which refuses what has not even the right types
            images.check(asked)
            return answered
