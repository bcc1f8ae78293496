"""Images that an edit starts from: files of a form, or URLs and file ids in a JSON body.

https://platform.openai.com/docs/api-reference/images/createEdit: `images` and `mask` of a JSON body hold
`{"image_url"}` or `{"file_id"}`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from vertex_compat import errors
from vertex_compat.operations.context import RequestContext
from vertex_compat.operations.files.bucket import Bucket
from vertex_compat.operations.request import multipart, object_types
from vertex_compat.publishers import media_types
from vertex_compat.types import JSON

FORMATS: Final = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})


def of_upload(upload: multipart.UploadedFile, param: str) -> JSON:
    """Return the media type and base64 of an uploaded image; raises `BadRequest`."""
    return _inline(upload.data, param)


def of_reference(reference: JSON, param: str, context: RequestContext) -> JSON:
    """Return the image that a JSON body refers to, or its `gs://` URI; raises `BadRequest`."""
    url, file_id = reference.get("image_url") or "", reference.get("file_id")
    if url and file_id:
        raise errors.BadRequest(
            "An image has a 'file_id' or an 'image_url', not both.", param=param, code="invalid_value"
        )
    if file_id:
        try:
            url = Bucket(context).resolve(file_id).uri
        except errors.NotFound as error:
            raise errors.BadRequest(error.message, param=param, code="invalid_value") from None
    if url.startswith("gs://"):
        return {"mime": _object_type(url, param, context), "uri": url}
    if url.startswith("data:"):
        return _inline(_decode(url, param), param)
    if url[:8].lower() == "https://" and context.fetch_url:
        return _inline(context.fetch_url(url, param).data, param)
    raise errors.BadRequest(
        "An image has a 'file_id' or an 'image_url': a data URI, a gs:// URI or, unless the settings forbid "
        "to fetch files, an https:// URL.",
        param=param,
        code="invalid_value",
    )


def _object_type(uri: str, param: str, context: RequestContext) -> str:
    context.resources.check_url(uri, context.read)
    if mime := media_types.of_name(uri) or object_types.media_type(uri, param, context):
        return mime
    raise errors.BadRequest(
        "The media type of this image is not known: store it with its Content-Type, or under a name with an "
        "extension.",
        param=param,
        code="invalid_value",
    )


def _decode(url: str, param: str) -> bytes:
    try:
        return base64.b64decode(url.partition(",")[2], validate=True)
    except binascii.Error:
        raise errors.BadRequest(
            "The image is not valid base64.", param=param, code="invalid_base64"
        ) from None


def _inline(data: bytes, param: str) -> JSON:
    """Return an image by its bytes: clients often declare `application/octet-stream`."""
    mime = media_types.of_bytes(data)
    if mime not in FORMATS:
        raise errors.BadRequest(
            f"{param!r} must be an image in PNG, JPEG, WebP or GIF.", param=param, code="invalid_image_format"
        )
    return {"mime": mime, "data": base64.b64encode(data).decode()}
