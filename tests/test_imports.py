"""The import graph of the package has no circle, with imports inside functions and for types."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {path.parent.name for path in ROOT.glob("tfsep/*/__init__.py")}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FILES = {module_name(path): path for path in ROOT.glob("tfsep/**/*.py")}


def imported(name: str) -> set[str]:
    """Return the modules of the package that a module imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from tfsep import audio` imports a module, `from tfsep.audio import read` a function of one.
            found |= {
                inner if (inner := f"{node.module}.{alias.name}") in FILES else node.module for alias in node.names
            }
    return found & set(FILES) - {name}


def room(name: str) -> str:
    """Return the top-level folder or file of a module."""
    return ".".join(name.split(".")[:2])


def circle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


# Without the package's `__init__.py`, which resolves names at first use.
GRAPH = {name: imported(name) - {"tfsep"} for name in FILES if name != "tfsep"}


def test_no_module_imports_itself_in_a_circle():
    assert circle(GRAPH) == []


def test_no_room_imports_another_in_a_circle():
    rooms: dict[str, set[str]] = {}
    for name, others in GRAPH.items():
        rooms.setdefault(room(name), set()).update({room(other) for other in others} - {room(name)})
    assert circle(rooms) == []


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"a"}})
    assert "tfsep.files" in GRAPH["tfsep.audio.writing"]
    assert "tfsep.checks" in imported("tfsep.losses")


def test_no_module_is_hidden_by_a_function_of_its_name():
    import tfsep

    for name in FILES:
        parent, _, last = name.rpartition(".")
        if parent and parent != "tfsep":
            package = getattr(tfsep, parent.split(".")[1], None)
            assert type(getattr(package, last, None)).__name__ in ("module", "NoneType"), name
