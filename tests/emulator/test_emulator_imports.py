"""The emulator shares no code with what it is a counterpart of."""

import ast
import pathlib
import sys

import vertex_compat.emulator

FOLDER = pathlib.Path(vertex_compat.emulator.__file__).parent
OWN = "vertex_compat.emulator"
ALLOWED = sys.stdlib_module_names | {"werkzeug", "_typeshed"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module


def test_emulator_imports_only_werkzeug_and_stdlib():
    for path in FOLDER.rglob("*.py"):
        for name in imported(path):
            assert name == OWN or name.startswith(f"{OWN}.") or name.partition(".")[0] in ALLOWED, path
