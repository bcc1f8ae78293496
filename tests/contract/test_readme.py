"""The README says what the code does."""

import ast
import functools
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import ruamel.yaml
from helpers.parameter_tables import OPENAI_PARAMETERS, TABLES
from helpers.server import ROOT, bare_environment

from vertex_compat import routes
from vertex_compat.config import settings
from vertex_compat.model_profile import Price
from vertex_compat.operations.audio import recording
from vertex_compat.operations.batches import input_file
from vertex_compat.operations.images import images
from vertex_compat.operations.request import inline_urls
from vertex_compat.publishers import PUBLISHERS, parameters
from vertex_compat.publishers.predict import predictions
from vertex_compat.routing import rules
from vertex_compat.server.request_log import RequestLog
from vertex_compat.types import Delta, Model, Units, Usage, parts_of
from vertex_compat.upstream import url_fetcher

README = (ROOT / "README.md").read_text()
MONITORING = (ROOT / ".github" / "docs" / "monitoring.md").read_text()
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
PARAMETERS = (ROOT / "vertex_compat" / "publishers" / "README.md").read_text()

OPERATIONS = {
    "chat": "chat, responses",
    "completions": "completions",
    "embeddings": "embeddings",
    "images": "images",
    "speech": "speech",
    "transcriptions": "transcriptions",
    "rerank": "rerank",
    "ocr": "ocr",
    "videos": "videos",
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


def table_of_parameters():
    """The table of parameters that some publisher does not take, and those that none takes."""
    columns = {"openapi, endpoints" if name == "openapi" else name: table for name, table in TABLES.items()}
    del columns["endpoints"]
    columns["predictions"] = predictions.PARAMETERS

    def fate(table, name):
        return "400" if name in table.refused else "ignored" if name in table.ignored else ""

    fates = {name: [fate(table, name) for table in columns.values()] for name in sorted(OPENAI_PARAMETERS)}
    rows = [
        f"| `{name}` | {' | '.join(cells)} |"
        for name, cells in fates.items()
        if any(cells) and set(cells) != {"ignored"}
    ]
    heads = [f"`{name.replace(', ', '`, `')}`" for name in columns]
    content = "\n".join([f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(columns)}", *rows])
    return content, [name for name, cells in fates.items() if set(cells) == {"ignored"}]


def test_the_table_of_parameters_is_that_of_the_code():
    table, nowhere = table_of_parameters()
    assert table in PARAMETERS, table
    (listed,) = re.findall(r"No model takes (.*?);", PARAMETERS, re.DOTALL)
    assert re.findall(r"`(\w+)`", listed) == nowhere


def test_the_first_twenty_lines_have_the_two_commands():
    first = "\n".join(README.splitlines()[:20])
    assert "pip install -q -r requirements.txt && .venv/bin/python main.py --emulator" in first
    assert "pip install -q -r requirements-dev.txt && .venv/bin/python -m pytest" in first


def test_the_table_of_publishers_is_that_of_the_code():
    assert table() in README


@pytest.mark.parametrize("path", sorted({path for _, path in routes.TABLE}))
def test_every_path_is_mentioned(path):
    assert f"`{path}" in re.sub(r"`/v1/", "`/", README) or path.split("<")[0].rstrip("/") in README


def test_every_variable_is_mentioned():
    source = Path(settings.__file__).read_text()
    for name in re.findall(r'"((?:VERTEX_COMPAT|GOOGLE|VERTEXAI|GCS|STORAGE|OTEL)_[A-Z_]+|THREADS)"', source):
        assert f"`{name}`" in README, name


def test_the_command_s_help_names_the_readme():
    line = [sys.executable, "main.py", "--help"]
    output = subprocess.run(
        line, cwd=ROOT, env=bare_environment(), capture_output=True, text=True, check=True
    )
    assert output.stderr == ""
    for word in ("--emulator", "--port", "gcloud auth application-default login", "http://HOST:PORT/v1"):
        assert word in output.stdout
    for name in re.findall(r"[A-Z]+_[A-Z_]+", output.stdout):
        assert f"| `{name}`" in section("Settings")


def test_example_of_the_settings_file_is_valid():
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    parsed = rules.parse(tomllib.loads(example))
    assert parsed.models
    assert parsed.keys


# The log

CHAT = Usage(10, 5, {"cached_tokens": 4}, {"reasoning_tokens": 3})


@pytest.fixture
def logged(capfd):
    """The line of a request of which everything is known."""
    record = RequestLog.start("POST", "/v1/chat/completions", {"HTTP_X_CLOUD_TRACE_CONTEXT": "0" * 32})
    values = {"target": "google/gemini-3.8-flash; location=global", "usages": {0: CHAT}}
    values |= {"first_byte_at": record.started_at + 1, "calls": ["upstream_id"]}
    values |= {"price": Price(input=1, output=1), "units": Units(seconds=8), "allowance": None}
    unknown = {name: name for name in record.__struct_fields__ if not getattr(record, name)}
    for name, value in (unknown | values).items():
        setattr(record, name, value)
    record.write(200, project="my-project", deployed=True)
    return json.loads(capfd.readouterr().out)


def test_every_field_of_the_log_is_explained_and_no_other(logged):
    (rows,) = re.findall(r"## Logs\n.*?\|---\|---\|\n(.*?)\n\n", README, re.DOTALL)
    explained = {name for row in rows.splitlines() for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert explained == logged.keys() - {"message", "logging.googleapis.com/labels"}


def test_the_filters_ask_for_fields_that_are_there(logged):
    fields = set(re.findall(r"jsonPayload\.(\w+)", README + MONITORING))
    assert fields
    assert fields <= logged.keys() | {"severity"}


@pytest.mark.parametrize("name", ["dashboard.json", "cost-alert.json"])
def test_dashboard_and_alert_read_metrics_of_the_script(name):
    text = (ROOT / ".github" / "docs" / name).read_text()
    fields = set(re.findall(r"user_vertex_compat_(\w+?)_(?:sum|bucket)\{", text))
    (script,) = re.findall(r"for field in ([\w ]+);", MONITORING)

    assert json.loads(text)["displayName"].startswith("vertex_compat")
    assert fields
    assert fields <= set(script.split())
    assert f"-file=.github/docs/{name}" in MONITORING


def test_image_of_the_dashboard_has_its_charts():
    picture = (ROOT / ".github" / "docs" / "dashboard.svg").read_bytes()
    dashboard = json.loads((ROOT / ".github" / "docs" / "dashboard.json").read_text())
    titles = [tile["widget"]["title"] for tile in dashboard["mosaicLayout"]["tiles"]]
    drawn = ET.fromstring(picture).findall(".//{*}text[@class='t']")

    assert len(picture) < 100_000
    assert [text.text for text in drawn] == [title.replace("5 minutes", "5 seconds") for title in titles]


def test_the_metrics_are_made_of_numbers_in_the_log(logged, tmp_path):
    (script,) = [
        block for block in re.findall(r"```sh\n(.*?)```", MONITORING, re.DOTALL) if "metrics create" in block
    ]
    gcloud = tmp_path / "gcloud"
    gcloud.write_text('#!/bin/sh\ncp metric.yaml "$4.made"\n')
    gcloud.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=environment, check=True)
    configs = [ruamel.yaml.YAML(typ="safe").load(path) for path in sorted(tmp_path.glob("*.made"))]
    assert len(configs) == 5
    for metric in configs:
        (field,) = re.fullmatch(r"EXTRACT\(jsonPayload\.(\w+)\)", metric["valueExtractor"]).groups()
        assert isinstance(logged[field], int | float)
        assert f"jsonPayload.{field}>0" in metric["filter"]
        labels = {label["key"] for label in metric["metricDescriptor"]["labels"]}
        assert labels == metric["labelExtractors"].keys()
        for label in metric["labelExtractors"].values():
            (name,) = re.fullmatch(r"EXTRACT\(jsonPayload\.(\w+)\)", label).groups()
            assert isinstance(logged[name], str)


# Limits, errors, and what a contributor is told


def section(name):
    return README.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_the_limits_are_those_of_the_code():
    megabyte = 1024 * 1024
    text = section("Limits")
    assert f"{settings.Settings().upstream_timeout:g} seconds" in text
    assert settings.MAX_TIMEOUT_SECONDS == 3600
    assert f"{inline_urls.MAX_URLS} in a request, {url_fetcher.MAX_BYTES // megabyte} MB each" in text
    assert f"{recording.MAX_BYTES // megabyte} MB |" in text
    assert f"{images.MAX_SOURCES} in a request |" in text
    assert f"{input_file.MAX_LINES:,} |" in text


@functools.cache
def literals():
    """The strings of the function; what is filled in later is an ellipsis."""
    return [*iter_literals()]


def iter_literals():
    for path in [ROOT / "main.py", *(ROOT / "vertex_compat").rglob("*.py")]:
        if "emulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)


QUOTED = re.findall(r"^\| `([^`]+)` \|", section("Troubleshooting"), re.MULTILINE)


@pytest.mark.parametrize("quoted", QUOTED)
def test_an_error_in_the_readme_is_one_of_the_function_s(quoted):
    pattern = ".*".join(re.escape(part) for part in quoted.split("…"))
    assert any(re.search(pattern, literal) for literal in literals())


def test_the_errors_are_found():
    assert len(QUOTED) > 20


@pytest.fixture
def acme():
    """The module that the README adds a publisher with."""
    (source,) = re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.DOTALL)
    module = {}
    exec(source, module)
    return module


def test_the_publisher_in_the_readme_translates(acme):
    chat = acme["CHAT"]
    model = Model("acme-1", "acme", "acme-1", "publishers/acme/models/acme-1", ("us-central1",))
    params = {"messages": [{"role": "user", "content": "Hello"}], "seed": 7, "user": "ann", "stream": True}
    call = chat.request(params, model)
    assert call.path == "publishers/acme/models/acme-1:streamRawPredict"
    assert call.body == {"model": "acme-1", "messages": params["messages"], "seed": 7, "stream": True}
    assert call.ignored == ("user",)
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}
    assert list(parts_of(chat.stream(call)(chunk))) == [Delta(0, {"content": "Hi"})]


def test_example_publisher_handles_every_parameter(acme):
    table = acme["PARAMETERS"]
    places = [
        set(table.renamed),
        table.handled,
        table.ignored,
        table.refused,
        parameters.HANDLED_BY_OPERATION,
    ]
    assert [name for name in OPENAI_PARAMETERS if sum(name in place for place in places) != 1] == []


LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PAGES = [
    ROOT / "README.md",
    *(ROOT / ".github").rglob("*.md"),
    *(ROOT / "vertex_compat").rglob("*.md"),
    *(path / "README.md" for path in (ROOT / "tests" / "clients", ROOT / "tests" / "benchmark")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_to_files(page):
    links = LINK.findall(page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_readme_has_at_most_350_lines():
    assert len(README.splitlines()) <= 350
