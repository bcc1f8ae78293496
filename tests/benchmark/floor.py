"""The floor: a minimal function on the same stack, which passes bytes through unread.

A client sends it a publisher's own path and body. It has one session of `requests` and a token of
google-auth. Of the session, only the size of the pool is changed. The default of ten would open new
connections all the time, and make the floor look bad.
"""

import os

import flask
import functions_framework
import google.auth
import google.auth.transport.requests
import requests
import requests.adapters

BASE_URL = os.environ["GOOGLE_VERTEX_BASE_URL"]

session = requests.Session()
session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=int(os.environ["THREADS"])))
token_request = google.auth.transport.requests.Request(session)
credentials, _ = google.auth.default(["https://www.googleapis.com/auth/cloud-platform"], token_request)


@functions_framework.http
def floor(request):
    if not credentials.valid:
        credentials.refresh(token_request)
    headers = {"Authorization": f"Bearer {credentials.token}", "Content-Type": "application/json"}
    url = BASE_URL + request.full_path.rstrip("?")
    answer = session.post(url, data=request.get_data(), headers=headers, stream=True)
    passed = answer.iter_content(None)
    response = flask.Response(passed, answer.status_code, content_type=answer.headers["Content-Type"])
    response.call_on_close(answer.close)
    return response
