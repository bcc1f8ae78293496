"""Every regular expression of the product takes linear time for any input."""

import ast
import importlib
import re
import time
from re import _constants as codes
from re import _parser as parser

import pytest
from helpers.server import ROOT

PACKAGE = ROOT / "vertex_compat"
METHODS = {"match", "fullmatch", "search", "sub", "split", "findall", "finditer"}
SIZE = 1 << 20
SMALL = SIZE >> 4
LARGEST_RATIO = 64
"""Of the CPU of `SIZE` to that of `SMALL`, which is a sixteenth: about 16 if linear, 256 if quadratic."""

TOO_SHORT_TO_COMPARE = 0.02
"""Seconds of CPU. A quadratic pattern takes minutes for `SIZE`."""


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        if "emulator" not in path.parts:
            yield path, ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def literal_patterns(tree):
    """The patterns in calls such as `re.fullmatch(r"…", text)`, and the method."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of, text = node.func.value, node.args[0]
            literal = isinstance(of, ast.Name) and of.id == "re" and isinstance(text, ast.Constant)
            if literal and node.func.attr in METHODS:
                yield text.value, node.func.attr


def compiled_patterns(tree, module):
    """The module's compiled patterns by name, and the methods that are called on them."""
    used = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS and isinstance(node.value, ast.Name):
            used.setdefault(node.value.id, set()).add(node.attr)
    for name, value in vars(module).items():
        patterns = (
            value
            if isinstance(value, (tuple, list))
            else value.values()
            if isinstance(value, dict)
            else [value]
        )
        for pattern in patterns:
            if isinstance(pattern, re.Pattern):
                for method in sorted(used.get(name, METHODS & {"match", "fullmatch", "search"})):
                    yield name, pattern, method


def cases():
    for path, name in modules():
        source = path.read_text()
        if not re.search(r"\bre\.", source):
            continue
        tree = ast.parse(source)
        for text, method in literal_patterns(tree):
            yield pytest.param(re.compile(text), method, id=f"{name}:{text[:30]}")
        for attribute, pattern, method in compiled_patterns(tree, importlib.import_module(name)):
            yield pytest.param(pattern, method, id=f"{name}.{attribute}.{method}")


def sample(charset):
    """A character of a parsed set."""
    negated = charset[0][0] is codes.NEGATE
    for candidate in "a0 -_.:/=;,\"'\\\n\r\tA~é{[(<":
        if any(contains(item, ord(candidate)) for item in charset if item[0] is not codes.NEGATE) != negated:
            return candidate
    return "a"


def contains(item, code):
    match item:
        case (codes.LITERAL, value):
            return code == value
        case (codes.RANGE, (low, high)):
            return low <= code <= high
        case (codes.CATEGORY, category):
            char = chr(code)
            kinds = {"DIGIT": char.isdigit(), "SPACE": char.isspace(), "WORD": char.isalnum() or char == "_"}
            name = str(category).removeprefix("CATEGORY_")
            return not kinds[name.removeprefix("NOT_")] if name.startswith("NOT_") else kinds[name]
    return False


def example(parsed, pumps, prefix=""):  # noqa: C901  (one case for each element of a pattern)
    """A text that the pattern matches; adds each repeat and the text before it to `pumps`."""
    text = ""
    for code, value in parsed:
        match code:
            case codes.LITERAL:
                text += chr(value)
            case codes.NOT_LITERAL:
                text += "a" if value != ord("a") else "b"
            case codes.ANY:
                text += "a"
            case codes.IN:
                text += sample(value)
            case codes.BRANCH:
                for branch in value[1]:
                    alternative = example(branch, pumps, prefix + text)
                text += alternative
            case codes.SUBPATTERN:
                text += example(value[3], pumps, prefix + text)
            case codes.ATOMIC_GROUP:
                text += example(value, pumps, prefix + text)
            case codes.MAX_REPEAT | codes.MIN_REPEAT | codes.POSSESSIVE_REPEAT:
                low, high, inner = value
                unit = example(inner, pumps, prefix + text)
                if high is codes.MAXREPEAT or high > 100:
                    pumps.append((prefix + text, unit))
                text += unit * max(low, 1 if high else 0)
            case codes.GROUPREF:
                text += "a"
    return text


def attacks(pattern):
    """Long texts that begin as the pattern likes it and end as it does not."""
    pumps = []
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    whole = example(parser.parse(text, pattern.flags & ~re.DEBUG), pumps)
    for prefix, unit in {
        ("", whole or "a"),
        ("", "a"),
        ("", " "),
        ("", "\n"),
        *pumps,
        *(("", p + u) for p, u in pumps),
    }:
        for end in ("", "\x00", "!"):
            yield prefix, unit or "a", end


def build(prefix, unit, end, size, *, binary):
    text = prefix + unit * (size // len(unit)) + end
    return text.encode("latin-1", "replace") if binary else text


@pytest.mark.parametrize(("pattern", "method"), list(cases()))
def test_pattern_takes_linear_time(pattern, method):
    binary = isinstance(pattern.pattern, bytes)
    for prefix, unit, end in attacks(pattern):
        small, large = (build(prefix, unit, end, size, binary=binary) for size in (SMALL, SIZE))
        assert any(is_linear(pattern, method, small, large) for _ in range(5)), (prefix, unit, end)


def test_quadratic_pattern_is_found():
    small, large = ("a" * (size >> 6) for size in (SMALL, SIZE))
    assert not is_linear(re.compile("a*a*b"), "match", small, large)


def is_linear(pattern, method, small, large):
    base = cpu_seconds(pattern, method, small)
    if base > 1:
        return False
    seconds = cpu_seconds(pattern, method, large)
    return seconds < TOO_SHORT_TO_COMPARE or seconds < LARGEST_RATIO * base


def cpu_seconds(pattern, method, text):
    began = time.thread_time()
    run(pattern, method, text)
    return time.thread_time() - began


def run(pattern, method, text):
    """Call the method, to its end."""
    if method == "sub":
        pattern.sub(b"" if isinstance(text, bytes) else "", text)
    else:
        result = getattr(pattern, method)(text)
        if method == "finditer":
            for _ in result:
                pass
