"""Who may call.

* `api-key`: who has one of our keys, compared in constant time. Fails closed: deployed (`K_SERVICE` is set)
  and no key configured, nobody may; a paid proxy is never open by accident. On a laptop with no key
  configured, everybody may.
* `iam`: Cloud Run has checked the caller's identity token before the function is asked. Where keys are
  configured as well, both are needed: the token in `X-Serverless-Authorization`, which Cloud Run takes as
  gladly, and the key where OpenAI's clients put it. So nobody leaves out the key, and with it its rules.
* `caller`: who has an access token of Google's, which is used upstream instead of ours. Vertex decides.
* `none`: everybody.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from vertex_compat import errors
from vertex_compat.config.api_keys import ApiKeyFile, ApiKeys, Digests
from vertex_compat.config.settings import Settings
from vertex_compat.routing.rules import KeyRule

HOW_TO_SET_A_KEY: Final = (
    "This deployment has no API key configured, so it refuses every request. "
    "Set VERTEX_COMPAT_API_KEYS (comma-separated; best from Secret Manager), "
    "or VERTEX_COMPAT_AUTH=iam where Cloud Run checks the callers."
)

_BESIDE: Final = (
    " Cloud Run's identity token goes into `X-Serverless-Authorization`: this deployment asks for both."
)

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")
"""https://www.rfc-editor.org/rfc/rfc6750#section-2.1"""

_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


class Caller(NamedTuple):
    """The caller: name and rule of the key, or the access token that is used upstream instead of ours."""

    key: str | None = None
    token: str | None = None
    rule: KeyRule | None = None


ANONYMOUS: Final = Caller()


class Authenticator:
    """Lets callers in. One for the process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: Callable[[], ApiKeys] = lambda: settings.keys
        if settings.keys_file:
            self._keys = ApiKeyFile(settings.keys_file, settings.keys, settings.check_keys).keys

    def authenticate(self, authorization: str | None, *, public: bool = False) -> Caller:
        """Who calls; raises `Unauthorized`.

        `authorization` is the value of that header. What is `public` needs no key, where there is one.
        """
        auth = self._settings.auth
        if auth == "none" or (public and auth != "api-key"):
            return ANONYMOUS
        if auth == "caller":
            return Caller(token=_token(authorization))
        keys = self._keys()
        if not keys.digests and not self._settings.keys_file:
            if auth == "api-key" and self._settings.on_cloud_run:
                raise errors.Unauthorized(HOW_TO_SET_A_KEY)
            return ANONYMOUS
        if public:
            return ANONYMOUS
        name = _name(authorization, keys.digests, hint=_BESIDE if auth == "iam" else "")
        rule = keys.rules.get(name) or self._settings.routing.keys.get(name)
        if rule and rule.is_expired(datetime.now(UTC)):
            raise errors.Unauthorized(f"The API key {name!r} has expired.", headers=_CHALLENGE)
        return Caller(key=name, rule=rule)


def _name(authorization: str | None, keys: Digests, hint: str) -> str:
    key = _bearer(authorization)
    if not key:
        raise errors.Unauthorized(
            "You didn't provide an API key. Send it as a header: `Authorization: Bearer YOUR_KEY`." + hint,
            headers=_CHALLENGE,
        )
    digest = hashlib.sha256(key.encode()).digest()
    # All are compared, and each in constant time: how long it takes tells nothing of any key.
    found = [name for known, name in keys.items() if hmac.compare_digest(digest, known)]
    if not found:
        raise errors.Unauthorized("Incorrect API key provided." + hint, headers=_CHALLENGE)
    return found[0]


def _token(authorization: str | None) -> str:
    token = _bearer(authorization)
    if not _TOKEN.fullmatch(token):
        raise errors.Unauthorized(
            "This deployment calls Vertex AI with your own Google access token. "
            "Send it as the API key: `Authorization: Bearer $(gcloud auth print-access-token)`.",
            headers=_CHALLENGE,
        )
    return token


def _bearer(authorization: str | None) -> str:
    scheme, _, value = (authorization or "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
