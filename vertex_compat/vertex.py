"""URLs of Vertex AI and other Google services: hosts by location, versions, resource paths.

Sources: https://cloud.google.com/vertex-ai/docs/general/locations;
for the hosts of the multi-regions `us` and `eu`, the Google Gen AI SDK.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote

from vertex_compat.types import Model, Service, UpstreamCall

DEDICATED: Final = "prediction.vertexai.goog"
"""Domain of the dedicated endpoints' hosts."""

MODEL_ARMOR_TEMPLATE: Final = re.compile(
    r"projects/[a-z0-9][a-z0-9.:-]{3,60}/locations/(?P<location>[a-z]{2,20}(?:-[a-z]{2,20}[0-9]{1,2})?)"
    r"/templates/[A-Za-z0-9_-]{1,63}"
)
"""The resource name of a Model Armor template."""

MULTI_REGIONS: Final = frozenset({"us", "eu"})

PROJECT_SERVICES: Final = frozenset({"aiplatform", "discoveryengine", "speech"})
"""Services to whose paths this module adds the project and the location."""

ROLES: Final = {
    "aiplatform": "roles/aiplatform.user",
    "discoveryengine": "roles/discoveryengine.viewer",
    "language": "roles/serviceusage.serviceUsageConsumer",
    "modelarmor": "roles/modelarmor.user",
    "speech": "roles/speech.client",
    "storage": "roles/storage.objectAdmin",
    "texttospeech": "roles/serviceusage.serviceUsageConsumer",
}
"""Service → the role that calls need."""

_LOCATION: Final = re.compile(r"global|us|eu|[a-z]{2,20}-[a-z]{2,20}[0-9]{1,2}")
_PROJECT: Final = re.compile(
    r"[a-z][a-z0-9-]{4,28}[a-z0-9]|[a-z0-9.-]{3,60}:[a-z][a-z0-9-]{4,28}|[0-9]{4,20}"
)
_RESOURCE: Final = re.compile(r"projects/[^/]+/locations/(?P<location>[a-z0-9-]+)/")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS: Final = re.compile(
    rf"{_LABEL}\.(?P<region>[a-z]{{2,20}}-[a-z]{{2,20}}[0-9]{{1,2}})-{_LABEL}\.{re.escape(DEDICATED)}"
)


def is_location(name: str) -> bool:
    """Return True for `global`, a multi-region, or a name in the form of a region."""
    return _LOCATION.fullmatch(name) is not None


def is_project(name: str) -> bool:
    """Return whether a name has the form of a project id (also domain-scoped) or number."""
    return _PROJECT.fullmatch(name) is not None


def region_of(dns: str) -> str | None:
    """Return the region of a dedicated endpoint's host name; None for any other host.

    https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints
    """
    match = _DNS.fullmatch(dns)
    return match["region"] if match else None


def base_url(location: str) -> str:
    """Return the base URL of Vertex AI in `location`."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def url(call: UpstreamCall, project: str, location: str, bases: Mapping[str, str]) -> str:
    """Return the URL of `call`. `bases` has the base URLs of services that are not at Google's."""
    base = (
        bases.get("dedicated") or f"https://{call.endpoint_host}"
        if call.endpoint_host
        else bases.get(call.service)
    )
    if call.service == "model_garden":
        return f"{bases.get('aiplatform') or base_url(location)}/{call.version}/{call.path}"
    resource = _RESOURCE.match(call.path) if call.service == "speech" else None
    base = base or _base_url_of(call.service, resource["location"] if resource else location)
    if resource or call.service not in PROJECT_SERVICES:
        return f"{base}/{call.version}/{call.path}"
    if call.service == "discoveryengine":
        location = multi_region(location) or location
    parent = f"projects/{quote(project, safe=':')}/locations/{location}"
    separator = "" if call.path.startswith(":") else "/"
    return f"{base}/{call.version}/{parent}{separator}{call.path}"


def multi_region(location: str) -> str | None:
    """Return `global`, or the multi-region that contains a location; None if there is none."""
    if location == "global" or location in MULTI_REGIONS:
        return location
    return {"us": "us", "europe": "eu"}.get(location.partition("-")[0])


def _base_url_of(service: Service, location: str) -> str:
    """Return the host of a service that has hosts of its own for locations, as `https://host`."""
    if service == "aiplatform":
        return base_url(location)
    if service == "modelarmor":
        return f"https://modelarmor.{location}.rep.googleapis.com"
    if service == "discoveryengine":
        location = multi_region(location) or location
    if service not in {"discoveryengine", "speech", "texttospeech"} or location == "global":
        return f"https://{service}.googleapis.com"
    if service == "speech":
        return f"https://{location}-speech.googleapis.com"
    return f"https://{'us' if location.startswith('us-') else location}-{service}.googleapis.com"


def raw_predict(model: Model, *, stream: bool) -> str:
    """Return the path of a partner model's `rawPredict`, which takes the publisher's own body."""
    return f"{model.resource}:{'streamRawPredict' if stream else 'rawPredict'}"


def seconds(time: object) -> int:
    """Return the Unix time of an RFC 3339 time in whole seconds, 0 for no time."""
    return int(timestamp(time))


def timestamp(time: object) -> float:
    """Return the Unix time of an RFC 3339 time, 0 for no time.

    The time has up to nine digits after the second. Google omits trailing zeros (`.12Z`), so times compare as
    numbers, not as text.
    """
    try:
        return datetime.fromisoformat(time).timestamp() if isinstance(time, str) else 0
    except ValueError:
        return 0
