"""Images in the answers of chats, by `image_generation`: OpenAI's hosted tool.

https://platform.openai.com/docs/guides/tools-image-generation. Gemini's image models draw by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from vertex_compat import errors
from vertex_compat.publishers.google import image_config
from vertex_compat.types import ClientRequest

if TYPE_CHECKING:
    from vertex_compat.publishers.google import request_types as wire

PARAM: Final = "image_generation"

MASK: Final = "input_image_mask"

OPTIONS: Final = frozenset(
    {"background", "output_compression", "output_format", "partial_images", "quality", "size", "type"}
)


class ImageOutput(NamedTuple):
    """Fields of `generationConfig`, and how many drafts of each image the client gets."""

    config: wire.GenerationConfig
    drafts: int = 0


def read(client_request: ClientRequest) -> ImageOutput:
    """Return the form of the images that the client requests; raises `BadRequest`."""
    body, model = client_request.body, client_request.model
    if PARAM not in body:
        return ImageOutput({})
    if "images" not in model.profile.operations:
        client_request.ignore(PARAM)
        return ImageOutput({})
    tool = ClientRequest(body[PARAM], model)
    image_config.check(tool.body, f"{PARAM}.")
    if MASK in tool.body:
        raise errors.BadRequest(
            "Gemini has no masks in conversations: use /v1/images/edits, or send the mask as an image of the "
            "input and say what it is.",
            param=f"{PARAM}.{MASK}",
            code="unsupported_parameter",
        )
    config: wire.GenerationConfig = {}
    if image := image_config.gemini(tool):
        config["imageConfig"] = image
    if "modalities" not in body:
        config["responseModalities"] = ["TEXT", "IMAGE"]
    drafts: int = tool.body["partial_images"] if image_config.with_drafts(client_request, tool) else 0
    ignored = [*tool.ignored, *sorted(tool.body.keys() - OPTIONS)]
    client_request.ignore(*(f"{PARAM}.{name}" for name in ignored))
    return ImageOutput(config, drafts)
