"""Who may import whom: the document of the architecture that cannot go stale."""

import ast
from pathlib import Path

import pytest
from serving import ROOT, run_python

PACKAGE = ROOT / "vertex_compat"

PUBLISHER_MAY = {"errors", "ids", "names", "sse", "vertex", "wire", "publishers"}
OPERATION_MAY = {
    "catalogue",
    "client",
    "config",
    "errors",
    "fetch",
    "ids",
    "names",
    "operations",
    "publishers",
    "record",
    "routing",
    "services",
    "sse",
    "transport",
    "vertex",
    "wire",
}

MAY_IMPORT = {
    "wire": set(),
    "catalogue": set(),
    "ids": {"errors", "wire"},
    "errors": {"wire"},
    "record": {"wire"},
    "tracing": {"record", "wire"},
    "sse": {"errors", "wire"},
    "vertex": {"errors", "wire"},
    "names": {"errors", "vertex", "wire"},
    "settings_file": {"errors", "names", "vertex", "wire"},
    "client_keys": set(),
    "config": {"client_keys", "settings_file", "vertex"},
    "concurrency": {"errors"},
    "cors": set(),
    "incoming": {"errors"},
    "routing": {"errors", "names", "settings_file", "vertex", "wire"},
    "access": {"client_keys", "config", "errors"},
    "metadata": {"vertex"},
    "credentials": {"config", "errors", "metadata"},
    "fetch": {"config", "errors"},
    "framing": set(),
    "client": {"errors"},
    "connections": {"client", "errors"},
    "transport": {"client", "config", "connections", "credentials", "errors", "framing", "vertex", "wire"},
    "dedicated": {"client", "errors", "operations", "transport", "vertex", "wire"},
    "discovery": {"client", "errors", "names", "operations", "routing", "transport", "wire"},
    "publishers": PUBLISHER_MAY,
    "services": {"errors", "ids", "services", "vertex", "wire"},
    "operations": OPERATION_MAY,
    "routes": {"errors", "operations"},
    "app": {
        "fetch",
        "access",
        "client",
        "concurrency",
        "config",
        "cors",
        "dedicated",
        "discovery",
        "errors",
        "incoming",
        "operations",
        "record",
        "routes",
        "routing",
        "sse",
        "server",
        "transport",
        "wire",
    },
    "local": {"config", "credentials", "errors"},
    "server": set(),
    "main": {
        "app",
        "concurrency",
        "config",
        "credentials",
        "local",
        "server",
        "tracing",
        "transport",
    },
    "emulator": {"emulator"},
}
"""Room → the rooms of ours that it may import. A room is a module or a folder of the package."""

ONLY_IN = {
    "flask": {"app", "main"},
    "functions_framework": {"main"},
    "requests": {"credentials"},
    "urllib3": {"connections", "fetch", "metadata", "transport"},
    "google": {"credentials", "metadata"},
    "opentelemetry": {"tracing"},
    "socket": {"client", "connections", "fetch", "incoming", "local", "server", "transport"},
    "ssl": {"connections", "fetch", "transport"},
    "select": {"client", "connections", "server", "transport"},
    "http": {"connections"},
    "urllib.request": set(),
    "subprocess": {"local"},
    "os": {"config", "local", "main", "server", "transport"},
}
"""Module of others → the rooms that may import it: who opens sockets, knows Flask, reads the environment (and
whose sockets the kernel makes wait)."""

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


def room(path):
    if path == ROOT / "main.py":
        return "main"
    inside = path.relative_to(PACKAGE).parts[0]
    return inside.removesuffix(".py")


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


@each_file
def test_a_room_imports_the_rooms_that_it_may(path):
    if path.parent == PACKAGE and path.stem == "__init__":
        assert not list(imports(path))
        return
    ours = {name.split(".")[1] for name in imports(path) if within(name, "vertex_compat") and "." in name}
    assert ours - {"__version__"} <= MAY_IMPORT[room(path)] | {room(path)}


@each_production_file
def test_a_room_imports_of_others_what_it_may(path):
    for name in imports(path):
        for module, rooms in ONLY_IN.items():
            assert not within(name, module) or room(path) in rooms
        assert not any(within(name, sdk) for sdk in SDKS)
        assert not within(name, "vertex_compat.emulator")


def test_the_table_has_no_room_that_is_gone():
    rooms = {room(path) for path in FILES}
    assert set(MAY_IMPORT) <= rooms
    assert set().union(*MAY_IMPORT.values()) <= rooms


# Publishers

HOUSES = {
    name.split(".")[-1]
    for name in imports(PACKAGE / "publishers" / "__init__.py")
    if within(name, "vertex_compat.publishers")
}
"""The publishers of the table; what else stands in the folder is shared by them."""

MAY_SHARE = {"endpoints": {"openapi"}, "predictions": {"openapi"}}


def house(path):
    """The publisher that a file is of, or None for what is shared."""
    inside = path.relative_to(PACKAGE / "publishers").parts[0].removesuffix(".py")
    return inside if inside in HOUSES else None


PUBLISHER_FILES = [
    path
    for path in sorted((PACKAGE / "publishers").rglob("*.py"))
    if path.parent.name != "publishers" or path.stem != "__init__"
]


def test_the_publishers_are_found():
    assert {"google", "anthropic", "mistralai", "ai21", "openapi", "endpoints"} <= HOUSES


@pytest.mark.parametrize("path", PUBLISHER_FILES, ids=named)
def test_no_publisher_knows_another(path):
    own = house(path)
    others = {
        name.split(".")[2]
        for name in imports(path)
        if within(name, "vertex_compat.publishers") and name.count(".") > 1
    }
    assert (others & HOUSES) - {own} <= MAY_SHARE.get(own, set())


# What starts with the function

LOADED = "import sys, main; print('\\n'.join(sys.modules))"


def test_the_function_starts_without_sdks_and_without_its_emulator():
    done = run_python(LOADED)
    loaded = done.stdout.split()
    assert "vertex_compat.app" in loaded
    for name in loaded:
        assert not any(within(name, sdk) for sdk in SDKS - {"pydantic"}), name
        assert not within(name, "vertex_compat.emulator")
        assert not within(name, "vertex_compat.local")
        assert not within(name, "vertex_compat.tracing")
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
