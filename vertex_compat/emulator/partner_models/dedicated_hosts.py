"""Dedicated endpoints: each has its own host name, and no other host serves it.

The emulator serves all hosts, so the `Host` header selects one. Endpoints whose id begins with 5300 are
dedicated. The error message is as users have reported it.
"""

from vertex_compat.emulator.project import PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.responses import JSON

DEDICATED = "5300"
DOMAIN = "prediction.vertexai.goog"


def host(location: str, endpoint: str) -> str:
    """Return the dedicated host of an endpoint, `""` if it has none."""
    dedicated = endpoint.startswith(DEDICATED)
    return f"{endpoint}.{location}-{PROJECT_NUMBER}.{DOMAIN}" if dedicated else ""


def endpoint_fields(location: str, endpoint: str) -> JSON:
    """Return the endpoint resource's fields about its dedicated host."""
    dns = host(location, endpoint)
    return {"dedicatedEndpointEnabled": True, "dedicatedEndpointDns": dns} if dns else {}


def check(requested_host: str, location: str, endpoint: str) -> None:
    """Refuse a request that was sent to the wrong host."""
    dns, here = host(location, endpoint), requested_host.partition(":")[0]
    if here == dns:
        return
    if here.endswith(DOMAIN):
        raise google_errors.refused(
            404, f"{here} does not serve the endpoint {endpoint or 'of another kind'}."
        )
    if dns:
        raise google_errors.failed_precondition(
            f"Dedicated Endpoint cannot be accessed through the shared Vertex AI domain {here}. "
            f"Please access the endpoint using its dedicated domain name '{dns}'"
        )
