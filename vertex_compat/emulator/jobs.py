"""What batch and tuning jobs have in common: they get on a step each time somebody looks.

pending → running → the end. Cancelled, a job is at first about to be.
"""

import datetime as dt
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from vertex_compat.emulator import google
from vertex_compat.emulator.answers import JSON, Answer, pretty_answer
from vertex_compat.emulator.metadata import PROJECT_NUMBER

PENDING, RUNNING, CANCELLING = "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"
OPEN = {PENDING, RUNNING, CANCELLING}


@dataclass(slots=True)
class Job:
    """One job: what it is shown as, and what was asked."""

    location: str
    shown: JSON
    asked: JSON = field(default_factory=dict)

    def show(self, **changes: object) -> None:
        """Change what is shown; it is updated by that."""
        self.shown |= changes | {"updateTime": now()}

    def end(self, state: str, **changes: object) -> None:
        """Come to an end."""
        self.show(state=state, endTime=now(), **changes)


class Jobs:
    """The jobs of one kind, in all locations. `finish` brings a running job to its end."""

    def __init__(self, kind: str, finish: Callable[[Job, bool], None]) -> None:
        self._kind = kind
        self._finish = finish
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(7_000_000_000_000_000_001)
        self._lock = threading.Lock()

    def create(self, location: str, body: JSON) -> Answer:
        """Take a job on."""
        with self._lock:
            number = str(next(self._numbers))
            name = f"projects/{PROJECT_NUMBER}/locations/{location}/{self._kind}/{number}"
            created = now()
            shown = {"name": name, "state": PENDING, **body, "createTime": created, "updateTime": created}
            self._jobs[number] = Job(location, shown, body)
            return pretty_answer(shown)

    def get(self, location: str, number: str) -> Answer:
        """Show a job, which has got on since."""
        with self._lock:
            job = self._job(location, number)
            match job.shown["state"]:
                case "JOB_STATE_PENDING":
                    job.show(state=RUNNING, startTime=now())
                case "JOB_STATE_RUNNING":
                    self._finish(job, False)
                case "JOB_STATE_CANCELLING":
                    self._finish(job, True)
            return pretty_answer(job.shown)

    def list(self, location: str) -> Answer:
        """Show all jobs of a location, as they stand; no list is empty."""
        with self._lock:
            jobs = [job.shown for job in self._jobs.values() if job.location == location]
            return pretty_answer({self._kind: jobs[::-1]} if jobs else {})

    def cancel(self, location: str, number: str) -> Answer:
        """Begin to cancel a job."""
        with self._lock:
            job = self._job(location, number)
            if job.shown["state"] not in OPEN:
                raise google.refused(400, "The job has ended and cannot be cancelled.")
            job.show(state=CANCELLING)
            return pretty_answer({})

    def _job(self, location: str, number: str) -> Job:
        job = self._jobs.get(number)
        if job is None or job.location != location:
            raise google.refused(404, f"The {self._kind} {number} does not exist.")
        return job


def now() -> str:
    """Give the time as Google writes it; zeros at the end are left out."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"
