"""The imports that each layer may have."""

import ast
import functools
import re
from pathlib import Path

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


@functools.cache
def imports(path):
    """The full names of what a file imports; of `from a import b` that is `a.b`."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def within(name, module):
    return name == module or name.startswith(f"{module}.")


def rooms_of(path):
    """The modules and folders at the top of the package that a file imports."""
    return {name.split(".")[1] for name in imports(path) if within(name, "vertex_compat") and "." in name}


def may_import_room(own, other):
    return RANK[other] < RANK[own] or other in PEERS.get(own, ())


def test_modules_import_lower_layers_only():
    top = PACKAGE / "__init__.py"
    assert not imports(top)
    wrong = [
        f"{module_name(path)} imports {other}"
        for path in PRODUCTION
        if path != top
        for other in rooms_of(path) - {"__version__", room(path)}
        if not may_import_room(room(path), other)
    ]
    assert wrong == []


def test_the_emulator_imports_nothing_of_the_product():
    files = [path for path in FILES if "emulator" in path.parts]
    assert files
    assert set().union(*map(rooms_of, files)) <= {"emulator", "__version__"}


def may_import(own, name):
    """Return whether a module may import something of another package."""
    allowed = [rooms for module, rooms in ONLY_IN.items() if within(name, module)]
    return (
        all(any(within(own, room) for room in rooms) for rooms in allowed)
        and not any(within(name, sdk) for sdk in SDKS)
        and not within(name, "vertex_compat.emulator")
    )


def test_third_party_modules_are_imported_where_allowed():
    wrong = [
        f"{module_name(path)} imports {name}"
        for path in PRODUCTION
        for name in imports(path)
        if not may_import(module_name(path), name)
    ]
    assert wrong == []


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


def test_publishers_do_not_import_each_other():
    wrong = []
    for path in PUBLISHER_FILES:
        own = path.relative_to(PACKAGE / "publishers").parts[0]
        others = {
            name.split(".")[2]
            for name in imports(path)
            if within(name, "vertex_compat.publishers") and name.count(".") > 1
        }
        if own != "__init__.py" and not others - SHARED - {own} <= MAY_SHARE.get(own, set()):
            wrong.append(f"{module_name(path)} imports {sorted(others)}")
    assert wrong == []


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
    modules = {name for name in done.stdout.split() if within(name, "vertex_compat")}
    assert all(name == "vertex_compat" or within(name, "vertex_compat.emulator") for name in modules)


def test_no_module_is_a_collection_of_helpers():
    names = {path.stem for path in FILES}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "tools_utils"}


def test_the_deployment_leaves_the_emulator_and_the_tests_behind():
    ignored = Path(ROOT / ".gcloudignore").read_text().split()
    assert "vertex_compat/emulator/" in ignored
    assert "tests/" in ignored


def test_names_of_tests_have_at_most_60_characters():
    names = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in path.parts and ".venv" not in path.parts
        for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert "test_names_of_tests_have_at_most_60_characters" in names
    assert [name for name in sorted(names) if len(name) > 60] == []


def test_tests_share_code_in_helpers_only():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / "tests").rglob("*.py")
        if not {"node_modules", ".venv"} & set(path.parts)
        for name in imports(path)
        if any(part.startswith("test_") for part in name.split(".")[:-1])
    ]
    assert wrong == []
