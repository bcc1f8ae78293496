"""Authentication of callers, by `VERTEX_COMPAT_AUTH`.

* `api-key`: the caller has one of our keys; they are compared in constant time. Without a configured key,
  every request on Cloud Run is refused. Elsewhere only programs of the same machine may call
  (`keyless_access`).
* `iam`: Cloud Run has checked the caller's identity token; a request without one is refused. The e-mail
  address in the token is the name of the key in logs and rules. Where keys are configured too, both are
  needed, so that the rules of a key always hold. The token is then in `X-Serverless-Authorization`, and the
  key where the client's API has it.
* `caller`: the caller has an access token of Google's, which is used upstream instead of ours.
* `none`: everybody may call.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from vertex_compat import errors
from vertex_compat.config.api_keys import ApiKeyFile, ApiKeys, Digests
from vertex_compat.config.settings import Settings
from vertex_compat.routing.rules import KeyRule
from vertex_compat.server import identity_token, keyless_access

HOW_TO_SET_A_KEY: Final = (
    "This deployment has no API key configured, so it refuses every request. "
    "Set VERTEX_COMPAT_API_KEYS (comma-separated; best from Secret Manager), "
    "or VERTEX_COMPAT_AUTH=iam where Cloud Run checks the callers."
)

NO_IDENTITY: Final = (
    "This deployment accepts only callers that Cloud Run has checked (VERTEX_COMPAT_AUTH=iam). "
    "Send an identity token of Google's: `Authorization: Bearer $(gcloud auth print-identity-token)`."
)

_TWO_HEADERS_HINT: Final = (
    " Cloud Run's identity token goes into `X-Serverless-Authorization`: this deployment asks for both."
)

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")
"""https://www.rfc-editor.org/rfc/rfc6750#section-2.1"""

_CHALLENGE: Final = {"WWW-Authenticate": "Bearer"}


class Caller(NamedTuple):
    """The caller: name and rule of the key, or the access token that is used upstream."""

    key: str | None = None
    token: str | None = None
    rule: KeyRule | None = None


ANONYMOUS: Final = Caller()


class Authenticator:
    """Authenticates callers. One object for the process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: Callable[[], ApiKeys] = lambda: settings.keys
        if settings.keys_file:
            self._keys = ApiKeyFile(settings.keys_file, settings.keys, settings.check_keys).keys

    def authenticate(
        self, environ: Mapping[str, Any], api_key: str | None = None, *, public: bool = False
    ) -> Caller:
        """Return the caller of a WSGI request; raises `Unauthorized`, `Forbidden`.

        `api_key` is a key that stands elsewhere than in `Authorization`; `public` operations need none.
        """
        authorization = environ.get("HTTP_AUTHORIZATION") or (f"Bearer {api_key}" if api_key else None)
        match self._settings.auth:
            case "api-key":
                return self._authenticate_key(environ, authorization, public=public)
            case "none":
                return ANONYMOUS
            case _ if public:
                return ANONYMOUS
            case "caller":
                return Caller(token=_token(authorization))
            case "iam":
                return self._authenticate_identity(environ, api_key)

    def _authenticate_key(
        self, environ: Mapping[str, Any], authorization: str | None, *, public: bool
    ) -> Caller:
        keys = self._keys()
        has_keys = keys.digests or self._settings.keys_file
        if not has_keys and self._settings.on_cloud_run:
            raise errors.Unauthorized(HOW_TO_SET_A_KEY)
        if public:
            return ANONYMOUS
        if has_keys:
            return self._caller(_name(authorization, keys.digests), keys)
        keyless_access.check(environ, self._settings.cors_origins)
        return ANONYMOUS

    def _authenticate_identity(self, environ: Mapping[str, Any], api_key: str | None) -> Caller:
        """Return the caller of an identity token, with a valid key if keys are configured."""
        keys = self._keys()
        has_keys = keys.digests or self._settings.keys_file
        authorization = environ.get("HTTP_AUTHORIZATION")
        token = environ.get("HTTP_X_SERVERLESS_AUTHORIZATION")
        if not token:
            authorization, token = None, authorization
        subject = identity_token.subject(_bearer(token))
        if subject is None:
            raise errors.Unauthorized(
                NO_IDENTITY + (_TWO_HEADERS_HINT if has_keys else ""), headers=_CHALLENGE
            )
        if not has_keys:
            return self._caller(subject, keys)
        key = authorization or (f"Bearer {api_key}" if api_key else None)
        return self._caller(_name(key, keys.digests, _TWO_HEADERS_HINT), keys)

    def _caller(self, name: str, keys: ApiKeys) -> Caller:
        rule = keys.rules.get(name) or self._settings.routing.keys.get(name)
        if rule and rule.is_expired(datetime.now(UTC)):
            raise errors.Unauthorized(f"The API key {name!r} has expired.", headers=_CHALLENGE)
        return Caller(key=name, rule=rule)


def _name(authorization: str | None, keys: Digests, hint: str = "") -> str:
    """Return the name of the key in a header's value; raises `Unauthorized`."""
    key = _bearer(authorization)
    if not key:
        raise errors.Unauthorized(
            "You didn't provide an API key. Send it as a header: `Authorization: Bearer YOUR_KEY`." + hint,
            headers=_CHALLENGE,
        )
    digest = hashlib.sha256(key.encode()).digest()
    # All are compared, and each in constant time: the duration reveals nothing about any key.
    names = [name for key_digest, name in keys.items() if hmac.compare_digest(digest, key_digest)]
    if not names:
        raise errors.Unauthorized("Incorrect API key provided." + hint, headers=_CHALLENGE)
    return names[0]


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
