"""Credentials that a test controls."""

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta

import google.auth.credentials

FRESH = timedelta(hours=1)


class Account(google.auth.credentials.Credentials):
    """Google's credentials, with tokens of our making: `token-1`, `token-2` …"""

    def __init__(self, lifetime=FRESH, failure=None):
        super().__init__()
        self.lifetime = lifetime
        self.failure = failure
        self.refreshes = 0
        self.finds = 0
        self.started = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        self.ended = threading.Event()

    def refresh(self, request):  # noqa: ARG002  (google-auth's signature)
        self.refreshes += 1
        self.started.set()
        has_timed_out = not self.may_end.wait(5)
        self.may_end.set()  # nobody else has to wait so long
        try:
            assert not has_timed_out
            if self.failure:
                raise self.failure
            self.give(f"token-{self.refreshes}", self.lifetime)
        finally:
            self.ended.set()

    def give(self, token, lifetime):
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + lifetime
        self.token = token

    def find(self):
        self.finds += 1
        return self, "a-project"


def identity(subject="alice@example.com", **claims):
    """An identity token as Cloud Run passes it on."""
    payload = {"iss": "https://accounts.google.com", "sub": "1234567890", "exp": time.time() + 600}
    payload |= {"email": subject, "email_verified": True} | claims
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({}, payload)
    ]
    return ".".join([*parts, "SIGNATURE_REMOVED_BY_GOOGLE"])
