"""Names and docstrings: nouns for values, verbs for functions, short first lines."""

import ast
import itertools
import re

import pytest
from helpers.server import ROOT

VAGUE = re.compile(
    r"_*(answered|asked|begun|beside|chosen|found|given|heard|held|how|kept|known|left|made|offered|one|ours|"
    r"rest|said|sent|shown|spoken|taken|theirs|told|wanted|what|where|whose|why|written)_*",
    re.IGNORECASE,
)
"""Words that do not say what a value is. A boolean such as `is_known` is not among them."""

OF_LIBRARIES = {"vertex_compat/server/gunicorn_hooks.py": {"sent"}}
"""Attributes that a library has named: gunicorn's access log reads `Response.sent`."""

MAX_FIRST_LINE = 90
QUESTION = re.compile(r"(How|What|When|Where|Whether|Who|Whose|Why)\b")

TESTS = [
    path for path in sorted((ROOT / "tests").rglob("*.py")) if not {"node_modules", ".venv"} & set(path.parts)
]
FILES = [ROOT / "main.py", *sorted((ROOT / "vertex_compat").rglob("*.py"))]


def defined_names(tree):
    """Yield line and name of each parameter, variable, attribute, function, class and import."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.alias(asname=str(name)):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case (
                ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name))
            ):
                yield node.lineno, name


def vague_names(source, allowed=frozenset()):
    """Return the vague names that a module defines."""
    defined = defined_names(ast.parse(source))
    return [f"{line}: {name}" for line, name in defined if VAGUE.fullmatch(name) and name not in allowed]


@pytest.mark.parametrize(
    "source",
    [
        "def f(given): pass",
        "_known = 1",
        "self._held = 1",
        "[one for one in rows]",
        "def _shown(): pass",
        "class Found: pass",
        "import x as rest",
        "match x:\n    case [first, *rest]: pass",
        "match x:\n    case {'a': 1, **rest}: pass",
        "match x:\n    case str(told): pass",
    ],
)
def test_vague_name_is_noticed(source):
    assert vague_names(source)


def test_names_are_nouns_and_verbs():
    sources = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in FILES + TESTS}
    vague = {path: vague_names(source, OF_LIBRARIES.get(path, ())) for path, source in sources.items()}
    assert {path: names for path, names in vague.items() if names} == {}


def long_or_indirect(source):
    """Return the first lines of docstrings that are too long, or begin with a question word.

    The docstring of a value is the string after its assignment; its first line may be longer.
    """
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(tree) if isinstance(node, documented)]
    lines = [text.partition("\n")[0] for node in nodes if (text := ast.get_docstring(node))]
    long = [line for line in lines if len(line) > MAX_FIRST_LINE]
    return long + [text for text in (*lines, *value_docstrings(tree)) if QUESTION.match(text)]


def value_docstrings(tree):
    """Yield the strings that stand alone after an assignment."""
    for scope in ast.walk(tree):
        body = getattr(scope, "body", None)
        for before, node in itertools.pairwise(body if isinstance(body, list) else ()):
            match before, node:
                case ast.Assign() | ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(text))):
                    yield text


@pytest.mark.parametrize("line", [f"Return {'x' * 90}.", "What is read.", "Whether it is read.", "How many."])
def test_unclear_first_line_is_noticed(line):
    assert long_or_indirect(f'def f():\n    """{line}"""') == [line]


def test_unclear_docstring_of_a_value_is_noticed():
    assert long_or_indirect('SIZE = 1\n"""How large it is."""') == ["How large it is."]


def test_docstrings_begin_with_a_short_sentence():
    sources = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in FILES + TESTS}
    unclear = {path: long_or_indirect(source) for path, source in sources.items()}
    assert {path: lines for path, lines in unclear.items() if lines} == {}
