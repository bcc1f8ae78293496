"""Fixtures of all tests: an emulated Vertex AI, the function, a clean environment.

Two ways in. `app` is the function in this process: fast, and as real as everything but the socket to its
client and Google's way of finding credentials. `serve` starts the real thing, functions-framework with its
production server in a process of its own, and keeps one for each set of settings.
"""

import gc
import os
from contextlib import ExitStack

import hypothesis
import openai
import pytest
from helpers.server import KEY, app_with_emulator, bare_environment, served

from vertex_compat.emulator import Emulator

ANY_MACHINE = hypothesis.settings(deadline=None)  # how long an example takes is noise
hypothesis.settings.register_profile("exhaustive", parent=ANY_MACHINE)
hypothesis.settings.register_profile("one of each kind", parent=ANY_MACHINE, max_examples=40)


def pytest_addoption(parser):
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="make every change of every recording and more random inputs, as CI does; without it, each kind "
        "of change is made once",
    )


def pytest_configure(config):
    hypothesis.settings.load_profile("exhaustive" if config.getoption("exhaustive") else "one of each kind")


@pytest.fixture(scope="session")
def exhaustive(pytestconfig):
    """Return whether every change of every recording is made."""
    return pytestconfig.getoption("exhaustive")


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Start one worker more than there are cores: some tests wait for timeouts of the function."""
    return (yield) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect the tests without the garbage collector, which would scan modules repeatedly."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def bare():
    """No test sees the machine's settings."""
    before = dict(os.environ)
    environment = bare_environment()
    replace_environment(environment)
    yield environment
    replace_environment(before)


@pytest.fixture(autouse=True)
def clean_environment(bare):
    """No test leaves settings of its own behind."""
    yield
    after = dict(os.environ)
    after.pop("PYTEST_CURRENT_TEST", None)  # pytest's own, another one for each test
    if after != bare:
        replace_environment(bare)


def replace_environment(environment):
    os.environ.clear()
    os.environ.update(environment)


@pytest.fixture(scope="session")
def shared_emulator():
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(shared_emulator):
    """An emulator without calls; one for all tests, so fault names with `once` are used once."""
    shared_emulator.app.scripts.clear()
    shared_emulator.metadata_fault = None
    shared_emulator.pace = 0
    shared_emulator.forget_calls()
    return shared_emulator


@pytest.fixture(scope="session")
def shared_app(shared_emulator):
    return app_with_emulator(shared_emulator)


@pytest.fixture
def app(shared_app, emulator):  # noqa: ARG001  (a fresh journal)
    """Flask's test client on the function, no keys, no retries."""
    return shared_app


@pytest.fixture(scope="session")
def servers(shared_emulator, tmp_path_factory):
    """Gives the server for an environment; the same one for the same environment."""
    running = {}
    with ExitStack() as stack:

        def serve(**env):
            name = tuple(sorted(env.items()))
            if name not in running:
                log = tmp_path_factory.mktemp("served") / "log"
                running[name] = stack.enter_context(served(shared_emulator, log, **env))
            return running[name]

        yield serve
        for server in running.values():  # all at once: each takes a moment to end
            server.stop()


@pytest.fixture
def serve(servers, emulator):  # noqa: ARG001  (a fresh journal)
    """`serve(VERTEX_COMPAT_…="…")` is the running function with these settings."""
    return servers


@pytest.fixture
def front_door(serve):
    """The running function as it comes: no keys, no retries."""
    return serve()


@pytest.fixture(scope="session")
def shared_client(servers):
    with servers().client() as client:
        yield client


@pytest.fixture
def storage(emulator):
    """Its Cloud Storage, empty."""
    cloud_storage = emulator.app.cloud.storage
    cloud_storage.objects.clear()
    cloud_storage.sessions.clear()
    return cloud_storage


@pytest.fixture
def client(shared_client, emulator):  # noqa: ARG001  (a fresh journal)
    """OpenAI's own client for it, which checks every answer against OpenAI's types."""
    return shared_client


@pytest.fixture
def plain(front_door):
    """OpenAI's client unchanged: its checks refuse base64 and null reasons, which OpenAI sends."""
    with openai.OpenAI(base_url=f"{front_door.url}/v1", api_key=KEY, max_retries=0, timeout=20) as opened:
        yield opened


@pytest.fixture
def serve_alone(tmp_path):
    """As `serve`, with an emulator of its own and a function that has not asked for a token yet."""
    with ExitStack() as stack:

        def start(prepare=lambda _: None, **env):
            emulator = stack.enter_context(Emulator())
            prepare(emulator)
            return stack.enter_context(served(emulator, tmp_path / "log", **env))

        yield start
