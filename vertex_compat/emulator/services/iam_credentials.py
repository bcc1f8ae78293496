"""The IAM API's `signBlob`. A signature is the SHA-256 of what is signed.

Source: google/iam/credentials/v1/iamcredentials.proto.
"""

import base64
import hashlib

from vertex_compat.emulator.protocol import google_errors, proto_json
from vertex_compat.emulator.protocol.model_request import ModelRequest
from vertex_compat.emulator.protocol.proto_json import BytesField, Message, RepeatedField, StringField
from vertex_compat.emulator.protocol.responses import Response, pretty_json_response
from vertex_compat.emulator.resources.metadata_server import EMAIL

SIGN = Message("SignBlobRequest", {"payload": BytesField(), "delegates": RepeatedField(StringField())})


def sign(request: ModelRequest) -> Response:
    """Answer `signBlob`; the account signs only for itself."""
    payload = proto_json.read(SIGN, request.body).get("payload")
    if not payload:
        raise google_errors.invalid_argument("The payload is empty.")
    if request.model != EMAIL:
        raise google_errors.refused(403, "Permission 'iam.serviceAccounts.signBlob' denied on resource.")
    signature = hashlib.sha256(base64.b64decode(payload)).digest()
    return pretty_json_response({"keyId": "1", "signedBlob": base64.b64encode(signature).decode()})
