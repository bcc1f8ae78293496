"""The imports that each layer may have."""

import ast
from pathlib import Path

import pytest
from helpers.server import ROOT, run_python

PACKAGE = ROOT / "vertex_compat"

LAYERS = (
    {"model_profile"},
    {"types", "sse", "ids", "json_values", "error_types"},
    {"errors", "error_formats", "vertex"},
    {"publishers", "services", "routing"},
    {"config"},
    {"limits"},
    {"server"},
    {"upstream"},
    {"operations"},
    {"routes"},
    {"app", "check"},
    {"cli"},
    {"main"},
)
"""Modules and folders of the package from the lowest layer to the highest; each imports lower layers only."""

PEERS = {
    "json_values": {"types"},
    "error_types": {"types"},
    "error_formats": {"errors"},
    "vertex": {"errors"},
    "operations": set(),
    "publishers": set(),
}
"""Imports within a layer, which are not allowed unless they are listed here."""

ONLY_IN = {
    "flask": {"app", "main"},
    "functions_framework": {"main"},
    "requests": {"upstream.credentials", "upstream.proxies"},
    "urllib3": {"upstream.proxies", "upstream.response", "upstream.url_fetcher"},
    "google": {"upstream.credentials", "upstream.metadata_server"},
    "opentelemetry": {"server.telemetry"},
    "redis": {"limits.redis_store"},
    "socket": {"server", "upstream", "cli"},
    "ssl": {"upstream"},
    "select": {"server.polling"},
    "http": {"upstream"},
    "urllib.request": set(),
    "subprocess": {"cli"},
    "os": {"config", "cli", "main", "server", "upstream"},
}
"""Module of others → the modules or folders that may import it: who opens sockets, knows Flask, reads the
environment."""

SDKS = {
    "anthropic",
    "openai",
    "mistralai",
    "google.genai",
    "google.cloud.aiplatform",
    "google.cloud.storage",
    "google.api_core",
    "vertexai",
    "grpc",
    "httpx",
    "httpx2",
    "aiohttp",
    "pydantic",
}

FILES = [ROOT / "main.py", *sorted(PACKAGE.rglob("*.py"))]
PRODUCTION = [path for path in FILES if "emulator" not in path.parts]


RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}


def module_name(path):
    """The dotted name of a module inside the package, `main` for main.py."""
    if path == ROOT / "main.py":
        return "main"
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def room(path):
    """The module or folder at the top of the package that a file belongs to."""
    return module_name(path).partition(".")[0]


def imports(path):
    """The full names of what a file imports; of `from a import b` that is `a.b`."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name, module):
    return name == module or name.startswith(f"{module}.")


def named(path):
    return str(path.relative_to(ROOT))


each_file = pytest.mark.parametrize("path", FILES, ids=named)
each_production_file = pytest.mark.parametrize("path", PRODUCTION, ids=named)


@each_production_file
def test_modules_import_lower_layers_only(path):
    if path.parent == PACKAGE and path.stem == "__init__":
        assert not list(imports(path))
        return
    own = room(path)
    ours = {name.split(".")[1] for name in imports(path) if within(name, "vertex_compat") and "." in name}
    for other in ours - {"__version__", own}:
        assert RANK[other] < RANK[own] or other in PEERS.get(own, ()), f"{own} imports {other}"


@pytest.mark.parametrize("path", [path for path in FILES if "emulator" in path.parts], ids=named)
def test_the_emulator_imports_nothing_of_the_product(path):
    ours = {name.split(".")[1] for name in imports(path) if within(name, "vertex_compat") and "." in name}
    assert ours <= {"emulator", "__version__"}


@each_production_file
def test_third_party_modules_are_imported_where_allowed(path):
    own = module_name(path)
    for name in imports(path):
        for module, rooms in ONLY_IN.items():
            assert not within(name, module) or any(within(own, allowed) for allowed in rooms)
        assert not any(within(name, sdk) for sdk in SDKS)
        assert not within(name, "vertex_compat.emulator")


def test_layers_list_every_module_once():
    rooms = {room(path) for path in PRODUCTION} - {"__init__"}
    assert rooms == set(RANK)
    assert len(RANK) == sum(len(layer) for layer in LAYERS)


def test_no_folder_has_more_than_thirteen_modules():
    for folder in {path.parent for path in PRODUCTION if path.parent != ROOT}:
        modules = [path for path in folder.glob("*.py") if path.stem != "__init__"]
        assert len(modules) <= 13, folder


# Publishers

SHARED = {path.stem for path in (PACKAGE / "publishers").glob("*.py")}
"""Modules that publishers share; every folder beside them is a publisher, or a family of publishers."""

PUBLISHER_FILES = [path for path in PRODUCTION if path.is_relative_to(PACKAGE / "publishers")]

MAY_SHARE = {"mistral": {"openai_compat"}, "predict": {"openai_compat"}}
"""Publishers that build on another one's wire format."""


@pytest.mark.parametrize("path", PUBLISHER_FILES, ids=named)
def test_publishers_do_not_import_each_other(path):
    own = path.relative_to(PACKAGE / "publishers").parts[0]
    if own == "__init__.py":
        return
    others = {
        name.split(".")[2]
        for name in imports(path)
        if within(name, "vertex_compat.publishers") and name.count(".") > 1
    }
    assert others - SHARED - {own} <= MAY_SHARE.get(own, set())


# What starts with the function

LOADED = "import sys, main; print('\\n'.join(sys.modules))"


def test_start_loads_no_sdk_and_no_emulator():
    done = run_python(LOADED)
    loaded = done.stdout.split()
    assert "vertex_compat.app" in loaded
    for name in loaded:
        assert not any(within(name, sdk) for sdk in SDKS - {"pydantic"}), name
        assert not within(name, "vertex_compat.emulator")
        assert not within(name, "vertex_compat.cli")
        assert not within(name, "vertex_compat.server.telemetry.tracing")
        assert not within(name, "opentelemetry")
    assert done.stderr == ""


def test_the_emulator_starts_without_the_function():
    code = "import sys, vertex_compat.emulator; print('\\n'.join(sys.modules))"
    done = run_python(code)
    ours = {name for name in done.stdout.split() if within(name, "vertex_compat")}
    assert all(name == "vertex_compat" or within(name, "vertex_compat.emulator") for name in ours)


def test_there_is_no_room_for_odds_and_ends():
    names = {path.stem for path in FILES}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "tools_utils"}


def test_the_deployment_leaves_the_emulator_and_the_tests_behind():
    ignored = Path(ROOT / ".gcloudignore").read_text().split()
    assert "vertex_compat/emulator/" in ignored
    assert "tests/" in ignored


def test_names_of_tests_have_at_most_60_characters():
    names = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in path.parts and ".venv" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert [name for name in sorted(names) if len(name) > 60] == []
