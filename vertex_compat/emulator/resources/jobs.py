"""The states of batch and tuning jobs: a job advances each time it is read.

pending → running → finished; a cancelled job is cancelling until it is read again.
"""

import datetime as dt
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from vertex_compat.emulator.project import PROJECT_NUMBER
from vertex_compat.emulator.protocol import google_errors
from vertex_compat.emulator.protocol.responses import JSON, Response, pretty_json_response

PENDING, RUNNING, CANCELLING = "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"
OPEN = {PENDING, RUNNING, CANCELLING}


@dataclass(slots=True)
class Job:
    """One job: its resource, and the request that created it."""

    location: str
    resource: JSON
    request: JSON = field(default_factory=dict)

    def update(self, **changes: object) -> None:
        """Change the resource, and its updateTime."""
        self.resource |= changes | {"updateTime": now()}

    def end(self, state: str, **changes: object) -> None:
        """Complete the job."""
        self.update(state=state, endTime=now(), **changes)


class Jobs:
    """The jobs of one kind in all locations; `finish` completes a running job."""

    def __init__(self, kind: str, finish: Callable[[Job, bool], None]) -> None:
        self._kind = kind
        self._finish = finish
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(7_000_000_000_000_000_001)
        self._lock = threading.Lock()

    def create(self, location: str, body: JSON) -> Response:
        """Create a job."""
        with self._lock:
            number = str(next(self._numbers))
            name = f"projects/{PROJECT_NUMBER}/locations/{location}/{self._kind}/{number}"
            created = now()
            resource = {"name": name, "state": PENDING, **body, "createTime": created, "updateTime": created}
            self._jobs[number] = Job(location, resource, body)
            return pretty_json_response(resource)

    def get(self, location: str, number: str) -> Response:
        """Advance a job one state and return it."""
        with self._lock:
            job = self._job(location, number)
            match job.resource["state"]:
                case "JOB_STATE_PENDING":
                    job.update(state=RUNNING, startTime=now())
                case "JOB_STATE_RUNNING":
                    self._finish(job, False)
                case "JOB_STATE_CANCELLING":
                    self._finish(job, True)
            return pretty_json_response(job.resource)

    def list(self, location: str) -> Response:
        """List the jobs of a location; an empty list is omitted."""
        with self._lock:
            jobs = [job.resource for job in self._jobs.values() if job.location == location]
            return pretty_json_response({self._kind: jobs[::-1]} if jobs else {})

    def cancel(self, location: str, number: str) -> Response:
        """Start cancelling a job."""
        with self._lock:
            job = self._job(location, number)
            if job.resource["state"] not in OPEN:
                raise google_errors.refused(400, "The job has ended and cannot be cancelled.")
            job.update(state=CANCELLING)
            return pretty_json_response({})

    def _job(self, location: str, number: str) -> Job:
        job = self._jobs.get(number)
        if job is None or job.location != location:
            raise google_errors.refused(404, f"The {self._kind} {number} does not exist.")
        return job


def now() -> str:
    """Return the current time as Google writes it, without trailing zeros."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"
