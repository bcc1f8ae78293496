"""The metadata server of a Google Cloud runtime: who am I, where, and a token to call Vertex with.

Facts: Google's Compute Engine metadata documentation, and the calls that google-auth makes.
"""

import dataclasses
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vertex_compat.emulator.answers import HTML_TYPE, Answer, Cut, Wait, whole
from vertex_compat.emulator.google import error_info, refused

PROJECT = "emulated-project"
PROJECT_NUMBER = "123456789012"
REGION = "us-central1"
# Not under gserviceaccount.com, on purpose: for such an account google-auth would ask Google's IAM for its
# allowed locations, and the emulator's token would leave the machine.
EMAIL = f"emulator@{PROJECT}.invalid"
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
FLAVOR = {"Metadata-Flavor": "Google"}
ROOT = "/computeMetadata/v1/"
ACCOUNT = "instance/service-accounts/"
RENEWAL_SECONDS = 300  # the server hands out the same token until this long before its end


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and what it is good for."""

    value: str
    expires: float
    scopes: str


class Metadata:
    """Answers metadata requests, and knows which tokens Vertex may accept."""

    def __init__(self, token_lifetime: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.token_lifetime = token_lifetime
        self.fault: str | None = None
        self.token_fetches = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._current: dict[str, Token] = {}  # by scopes
        self._given: dict[str, Token] = {}  # by value

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """Answer one request; `headers` have lower-case names."""
        if path.endswith("/token"):
            with self._lock:
                self.token_fetches += 1
        name, _, seconds = (self.fault or "").partition(":")
        match name:
            case "down":
                return Answer(200, (Cut(),))
            case "503":
                return whole(503, b"Service unavailable\n", HTML_TYPE, FLAVOR)
            case "garbage":
                return whole(200, b'{"access_token": "ya29', "application/json", FLAVOR)
            case "slow":
                answer = self._honest(path, query, headers)
                return dataclasses.replace(answer, steps=(Wait(float(seconds)), *answer.steps))
            case _:
                return self._honest(path, query, headers)

    def _honest(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
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

    def _token(self, scopes: str) -> Answer:
        now = self._clock()
        with self._lock:
            token = self._current.get(scopes)
            margin = min(RENEWAL_SECONDS, self.token_lifetime / 2)
            if not token or token.expires - margin <= now:
                token = Token("ya29.emulator-" + secrets.token_urlsafe(24), now + self.token_lifetime, scopes)
                self._current[scopes] = self._given[token.value] = token
        left = int(token.expires - now)
        return _json({"access_token": token.value, "expires_in": left, "token_type": "Bearer"})

    def revoke_tokens(self) -> None:
        """Make every token given so far worthless; the next fetch gives a new one."""
        with self._lock:
            self._current.clear()
            self._given.clear()

    def check(self, authorization: str) -> None:
        """Let a bearer of a good token pass.

        Raises:
            Refused: with 401 for a token that is missing, unknown, expired or revoked, 403 for its scope.

        """
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise refused(401, MISSING, [error_info("CREDENTIALS_MISSING", method=METHOD)])
        with self._lock:
            token = self._given.get(value.strip())
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

# `universe/universe-domain` is missing, as on most machines: its 404 means googleapis.com.
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


def _text(value: str) -> Answer:
    return whole(200, value.encode(), "application/text", FLAVOR)


def _json(value: object) -> Answer:
    return whole(200, json.dumps(value).encode(), "application/json", FLAVOR)
