"""The metadata server of a Google Cloud runtime: project, region, account, access tokens.

Sources: Google's Compute Engine metadata documentation, and the calls that google-auth makes.
"""

import dataclasses
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vertex_compat.emulator.project import PROJECT, PROJECT_NUMBER, REGION
from vertex_compat.emulator.protocol.google_errors import error_info, refused
from vertex_compat.emulator.protocol.responses import HTML_TYPE, Cut, Response, Wait, whole

# Not under gserviceaccount.com: for such accounts google-auth asks Google's IAM for allowed locations, which
# would send the emulator's token to Google.
EMAIL = f"emulator@{PROJECT}.invalid"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
FLAVOR = {"Metadata-Flavor": "Google"}
ROOT = "/computeMetadata/v1/"
ACCOUNT = "instance/service-accounts/"
RENEWAL_SECONDS = 300  # before expiry, a new token is issued


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, its expiry and scopes."""

    value: str
    expires: float
    scopes: str


class MetadataServer:
    """Answers metadata requests and checks the tokens it has issued."""

    def __init__(self, token_lifetime: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.token_lifetime = token_lifetime
        self.fault: str | None = None
        self.token_fetches = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._current: dict[str, Token] = {}  # by scopes
        self._issued: dict[str, Token] = {}  # by value

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """Answer one request; keys of `headers` are lower-case."""
        if path.endswith("/token"):
            with self._lock:
                self.token_fetches += 1
        name, _, seconds = (self.fault or "").partition(":")
        match name:
            case "down":
                return Response(200, (Cut(),))
            case "503":
                return whole(503, b"Service unavailable\n", HTML_TYPE, FLAVOR)
            case "garbage":
                return whole(200, b'{"access_token": "ya29', "application/json", FLAVOR)
            case "slow":
                answer = self._answer(path, query, headers)
                return dataclasses.replace(answer, steps=(Wait(float(seconds)), *answer.steps))
            case _:
                return self._answer(path, query, headers)

    def _answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        if headers.get("metadata-flavor") != "Google":
            return whole(403, b"Missing Metadata-Flavor:Google header.\n", HTML_TYPE, FLAVOR)
        if path == "/":
            return _text("computeMetadata/\n")
        name = path.removeprefix(ROOT)
        for account in ("default", EMAIL):
            name = name.replace(f"{ACCOUNT}{account}/", ACCOUNT, 1)
        if name == f"{ACCOUNT}token":
            return self._token(query.get("scopes", ""))
        if name == ACCOUNT and query.get("recursive") == "true":
            return _json({"aliases": ["default"], "email": EMAIL, "scopes": [CLOUD_PLATFORM]})
        if name in _TEXTS:
            return _text(_TEXTS[name])
        return whole(404, b"<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>\n", HTML_TYPE, FLAVOR)

    def _token(self, scopes: str) -> Response:
        now = self._clock()
        with self._lock:
            token = self._current.get(scopes)
            margin = min(RENEWAL_SECONDS, self.token_lifetime / 2)
            if not token or token.expires - margin <= now:
                token = Token("ya29.emulator-" + secrets.token_urlsafe(24), now + self.token_lifetime, scopes)
                self._current[scopes] = self._issued[token.value] = token
        remaining_seconds = int(token.expires - now)
        return _json({"access_token": token.value, "expires_in": remaining_seconds, "token_type": "Bearer"})

    def revoke_tokens(self) -> None:
        """Revoke all tokens issued so far."""
        with self._lock:
            self._current.clear()
            self._issued.clear()

    def check(self, authorization: str) -> None:
        """Check an Authorization header.

        Raises:
            RequestRefused: 401 for a missing, unknown, expired or revoked token, 403 for its scope.

        """
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise refused(401, MISSING, [error_info("CREDENTIALS_MISSING", method=METHOD)])
        with self._lock:
            token = self._issued.get(value.strip())
        if not token or token.expires <= self._clock():
            raise refused(401, INVALID, [error_info("ACCESS_TOKEN_EXPIRED", method=METHOD)])
        if token.scopes and CLOUD_PLATFORM not in token.scopes.split(","):
            raise refused(403, SCOPE, [error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", method=METHOD)])


METHOD = "google.cloud.aiplatform.v1.PredictionService"
MISSING = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or "
    "other valid authentication credential."
)
INVALID = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential."
)
SCOPE = "Request had insufficient authentication scopes."

# Without `universe/universe-domain`: its 404 means googleapis.com.
_TEXTS = {
    "project/project-id": PROJECT,
    "project/numeric-project-id": PROJECT_NUMBER,
    "instance/region": f"projects/{PROJECT_NUMBER}/regions/{REGION}",
    "instance/zone": f"projects/{PROJECT_NUMBER}/zones/{REGION}-1",
    "instance/id": "0",
    f"{ACCOUNT}email": EMAIL,
    f"{ACCOUNT}scopes": CLOUD_PLATFORM,
    f"{ACCOUNT}aliases": "default",
    ACCOUNT: "aliases\nemail\nidentity\nscopes\ntoken\n",
}


def _text(value: str) -> Response:
    return whole(200, value.encode(), "application/text", FLAVOR)


def _json(value: object) -> Response:
    return whole(200, json.dumps(value).encode(), "application/json", FLAVOR)
