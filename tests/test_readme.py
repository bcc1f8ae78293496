"""The README says what the code does."""

import re
import tomllib
from pathlib import Path

import pytest

from vertex_compat import config, routes, settings_file
from vertex_compat.publishers import PUBLISHERS

README = (Path(__file__).parent.parent / "README.md").read_text()

OPERATIONS = {
    "chat": "chat, responses",
    "completions": "completions",
    "embeddings": "embeddings",
    "images": "images",
    "speech": "speech",
    "transcriptions": "transcriptions",
}


def table():
    """The table of publishers, as it has to stand in the README."""

    def does(publisher, slot):
        # Any model that chats goes on with a prompt too.
        return getattr(publisher, slot) or (slot == "completions" and publisher.chat)

    rows = [
        f"| `{name}` | {' | '.join('yes' if does(publisher, slot) else '' for slot in OPERATIONS)} |"
        for name, publisher in PUBLISHERS.items()
    ]
    return "\n".join([f"| | {' | '.join(OPERATIONS.values())} |", f"|---|{'---|' * len(OPERATIONS)}", *rows])


def test_the_two_commands_stand_in_the_first_twenty_lines():
    first = "\n".join(README.splitlines()[:20])
    assert "pip install -q -r requirements.txt && .venv/bin/python main.py --emulator" in first
    assert "pip install -q -r requirements-dev.txt && .venv/bin/python -m pytest" in first


def test_the_table_of_publishers_is_that_of_the_code():
    assert table() in README


@pytest.mark.parametrize("path", sorted({path for _, path in routes.TABLE}))
def test_every_path_is_mentioned(path):
    assert f"`{path}" in re.sub(r"`/v1/", "`/", README) or path.split("<")[0].rstrip("/") in README


def test_every_variable_is_mentioned():
    source = Path(config.__file__).read_text()
    for name in re.findall(r'"((?:VERTEX_COMPAT|GOOGLE|VERTEXAI|GCS|STORAGE)_[A-Z_]+|THREADS)"', source):
        assert f"`{name}`" in README, name


def test_the_example_of_the_settings_file_is_one():
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    rules = settings_file.parse(tomllib.loads(example))
    assert rules.models
    assert rules.keys
