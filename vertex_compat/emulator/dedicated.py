"""Endpoints with a host of their own, which no other host serves, and which serves nothing else.

All hosts are this one here, so the `Host` header says which one is meant. An endpoint whose id begins with
5300 is such a one. The words of the refusal are those that users have reported.
"""

from vertex_compat.emulator import google
from vertex_compat.emulator.answers import JSON
from vertex_compat.emulator.metadata import PROJECT_NUMBER

DEDICATED = "5300"
DOMAIN = "prediction.vertexai.goog"


def host(location: str, endpoint: str) -> str:
    """Give the host of an endpoint; `""` for one that all hosts serve."""
    dedicated = endpoint.startswith(DEDICATED)
    return f"{endpoint}.{location}-{PROJECT_NUMBER}.{DOMAIN}" if dedicated else ""


def shown(location: str, endpoint: str) -> JSON:
    """Give what the endpoint's resource says of it."""
    dns = host(location, endpoint)
    return {"dedicatedEndpointEnabled": True, "dedicatedEndpointDns": dns} if dns else {}


def check(asked_host: str, location: str, endpoint: str) -> None:
    """Refuse a call that came to another host than the endpoint's."""
    dns, here = host(location, endpoint), asked_host.partition(":")[0]
    if here == dns:
        return
    if here.endswith(DOMAIN):
        raise google.refused(404, f"{here} does not serve the endpoint {endpoint or 'of another kind'}.")
    if dns:
        raise google.not_as_it_is(
            f"Dedicated Endpoint cannot be accessed through the shared Vertex AI domain {here}. "
            f"Please access the endpoint using its dedicated domain name '{dns}'"
        )
