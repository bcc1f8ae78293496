"""Images in the bucket, with URLs that everyone can open for an hour."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from vertex_compat import errors
from vertex_compat.ids import new_token
from vertex_compat.operations import model_calls
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.services import signed_urls
from vertex_compat.types import GeneratedImage, ResourceTarget

FOLDER: Final = "images/"

SECONDS: Final = 3600
"""Validity of a URL, the same as OpenAI's."""

TARGET: Final = ResourceTarget("iamcredentials", ("global",))


def are_available(context: RequestContext) -> bool:
    """Return whether images can be stored and their URLs signed."""
    return bool(context.settings.bucket and context.settings.signing_account)


def store(images: Sequence[GeneratedImage], context: RequestContext) -> list[str]:
    """Store images in the caller's folder; return their URLs."""
    with ThreadPoolExecutor(min(len(images), model_calls.MAX_PARALLEL_CALLS)) as pool:
        return list(pool.map(lambda image: _store(image, context), images))


def _store(image: GeneratedImage, context: RequestContext) -> str:
    bucket, account = Bucket(context), context.settings.signing_account or ""
    name = f"{FOLDER}{new_token()}.{image.mime.removeprefix('image/')}"
    try:
        data = base64.b64decode(image.data)
    except binascii.Error:
        raise errors.UpstreamFault("Vertex AI's image is not valid base64.") from None
    with bucket.upload(name, image.mime) as upload:
        upload.write(data)
        upload.finish()
    url = signed_urls.build_url(bucket.target(name), account, time.time(), SECONDS)
    try:
        answer = model_calls.get_json(signed_urls.sign(url, account), TARGET, context)
    except errors.Forbidden as error:
        raise errors.Forbidden(
            f"Signing URLs needs the role roles/iam.serviceAccountTokenCreator on {account}, and the API "
            f"iamcredentials.googleapis.com. Google says: {error.message}"
        ) from None
    return signed_urls.with_signature(url, answer)
