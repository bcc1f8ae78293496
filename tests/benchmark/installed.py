"""The distributions that a deployment installs, and their bytes, from their own records.

    python tests/benchmark/installed.py [REQUIREMENT ...]

prints both for the requirements and all that they need, as far as this Python has them installed. Without
requirements, it prints them for everything that is installed.
"""

import json
import re
import subprocess
import sys
from importlib import metadata

NOT_DEPLOYED = frozenset({"pip", "setuptools", "wheel"})


def of(python, requirements=()):
    """`count`, as another Python sees it."""
    done = subprocess.run([python, __file__, *requirements], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def count(requirements=()):
    """`distributions`, their names, and `bytes` of their files."""
    names = _closure(requirements) if requirements else _everything()
    return {"distributions": sorted(names), "bytes": sum(_size(name) for name in names)}


def _everything():
    return {
        _canonical(distribution.metadata["Name"]) for distribution in metadata.distributions()
    } - NOT_DEPLOYED


def _canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _closure(requirements):
    from packaging.requirements import Requirement  # noqa: PLC0415  (not every environment has it)

    closure = set()
    waiting = [Requirement(text) for text in requirements]
    seen = set()
    while waiting:
        package = waiting.pop()
        name = _canonical(package.name)
        if (name, frozenset(package.extras)) in seen:
            continue
        seen.add((name, frozenset(package.extras)))
        closure.add(name)
        for text in metadata.requires(name) or ():
            needed = Requirement(text)
            environments = [{"extra": extra} for extra in ("", *package.extras)]
            if needed.marker is None or any(
                needed.marker.evaluate(environment) for environment in environments
            ):
                waiting.append(needed)
    return closure


def _size(name):
    """Bytes of the files of a distribution as it is shipped, without bytecode."""
    paths = [file.locate() for file in metadata.files(name) or ()]
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(count(sys.argv[1:])) + "\n")
