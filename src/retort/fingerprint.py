"""Fingerprints of code: what a stage's result depends on, definition by definition.

Snakemake doesn't see imported modules. Here the package's sources are parsed, never imported; a node of
the graph is a top-level definition, an edge a name its code refers to, through imports. A fingerprint
hashes the syntax trees of everything a root reaches, without comments, docstrings, formatting and the type
annotations of functions. So a documentation edit changes no fingerprint, and a changed function changes
those, and only those, that can reach it.

What can't be seen: names made up at run time (``getattr(module, text)``, ``importlib``), and the class of an
argument, as annotations don't count. Refer to definitions by name; give what a value is made of as a root.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from retort.errors import RetortError
from retort.source_graph import EFFECTS, SourceModule, SourcePackage
from retort.source_names import Reference

Node = tuple[str, str]
"""Module and top-level name."""

OBSERVERS = frozenset(
    {
        "retort.progress",
        "retort.runcard",
        "retort.errors",
        "retort.training.interruption",
        "retort.training.memory",
    }
)
"""Modules that tell what happens and can't change what comes out: a new word in a message reruns nothing."""


class CodeGraph:
    """The definitions of one package and who refers to whom. Modules are parsed when first reached.

    Args:
        folder: holds the package's ``__init__.py``; ``name``: of the package.
        observers: modules that count only where they are roots.
        files: single files besides the package, by module name.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        observers: frozenset[str] = frozenset(),
        files: Mapping[str, Path] = MappingProxyType({}),
    ) -> None:
        self._observers = observers
        self._package = SourcePackage(folder, name, files)
        self._edges: dict[Node, frozenset[Node]] = {}
        self._closures: dict[str, frozenset[Node]] = {}
        self._wholes: dict[str, list[Node]] = {}
        self._fingerprints: dict[frozenset[str], str] = {}

    def fingerprint(self, roots: Iterable[str]) -> str:
        """First 16 hex digits of the SHA-256 over all that ``roots`` reach; see :func:`fingerprint`."""
        wanted = frozenset(roots)
        if wanted not in self._fingerprints:
            self._fingerprints[wanted] = self._hash(wanted)
        return self._fingerprints[wanted]

    def _hash(self, roots: frozenset[str]) -> str:
        reached: set[Node] = set()
        for root in roots:
            reached |= self.closure(root)
        lines = (f"{module}:{name} {self._module(module).digest(name)}" for module, name in sorted(reached))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def closure(self, root: str) -> frozenset[Node]:
        """All nodes that ``root`` (``module`` or ``module:definition``) reaches, itself included.

        Raises:
            RetortError: there is no such module or definition.
        """
        if root not in self._closures:
            reached: set[Node] = set()
            waiting = list(self._root_nodes(root))
            while waiting:
                node = waiting.pop()
                if node not in reached:
                    reached.add(node)
                    waiting.extend(self._references(node))
            self._closures[root] = frozenset(reached)
        return self._closures[root]

    def _root_nodes(self, root: str) -> list[Node]:
        module, _, name = root.partition(":")
        if not self._package.has(module):
            raise RetortError(f"fingerprint root {root}: no module {module}; name an existing one")
        if not name:
            return self._whole(module)
        found = self._named(module, name)
        if not found:
            raise RetortError(
                f"fingerprint root {root}: {module} defines no {name}; name an existing definition"
            )
        return found

    def _module(self, name: str) -> SourceModule:
        return self._package.module(name)

    def _whole(self, module: str) -> list[Node]:
        """Every node of a module that is used as a value, with what a package re-exports."""
        if module not in self._wholes:
            source = self._module(module)
            self._wholes[module] = nodes = [(module, name) for name in source.definitions]
            if source.path.name == "__init__.py":
                nodes.extend(node for name in source.imports for node in self._named(module, name))
        return self._wholes[module]

    def _references(self, node: Node) -> frozenset[Node]:
        """The nodes that ``node`` refers to directly, and what importing its module executes."""
        if node not in self._edges:
            module, name = node
            source = self._module(module)
            found = {target for ref in source.references(name) for target in self._resolve(module, ref)}
            parents = module.split(".")
            for end in range(1, len(parents) + 1):
                ancestor = ".".join(parents[:end])
                if EFFECTS in self._module(ancestor).definitions:
                    found.add((ancestor, EFFECTS))
            if module not in self._observers:
                found = {target for target in found if target[0] not in self._observers}
            self._edges[node] = frozenset(found)
        return self._edges[node]

    def _resolve(self, module: str, reference: Reference) -> list[Node]:
        """The nodes a dotted name means inside ``module``; none for names from elsewhere."""
        first, *rest = reference.parts
        if reference.target is not None:
            return self._imported(reference.target, rest, module)
        source = self._module(module)
        if first in source.definitions:
            return [(module, first)]
        if first in source.imports:
            return self._imported(source.imports[first], rest, module)
        return []

    def _imported(self, target: str, rest: list[str], where: str) -> list[Node]:
        """Follow an import: ``package.module`` as far as modules go, then one name of that module."""
        parts = [*target.split("."), *rest]
        if parts[0] not in self._package.roots:
            return []
        end = 1
        while end < len(parts) and self._package.has(".".join(parts[: end + 1])):
            end += 1
        module = ".".join(parts[:end])
        if end == len(parts):
            return self._whole(module)
        found = self._named(module, parts[end])
        imported_name = end < len(target.split("."))
        if not found and imported_name and not self._knows(module, parts[end]):
            raise RetortError(
                f"{where}: {module} has no {parts[end]}, which is imported here; mend the import"
            )
        return found

    def _named(self, module: str, name: str) -> list[Node]:
        """The node ``name`` of ``module``, through re-exports."""
        source = self._module(module)
        if name in source.definitions:
            return [(module, name)]
        if name in source.imports:
            return self._imported(source.imports[name], [], module)
        return [(module, "__getattr__")] if "__getattr__" in source.definitions else []

    def _knows(self, module: str, name: str) -> bool:
        return name in self._module(module).imports or name.startswith("__")


def root_of(function: Callable[..., Any]) -> str:
    """A function as a root."""
    return f"{function.__module__}:{function.__qualname__}"


@functools.cache
def _graph(files: tuple[tuple[str, Path], ...]) -> CodeGraph:
    return CodeGraph(Path(__file__).resolve().parent, "retort", OBSERVERS, dict(files))


def fingerprint(roots: Iterable[str], files: Mapping[str, Path] = MappingProxyType({})) -> str:
    """Fingerprint of the code that ``roots`` need (16 hex digits), read once a process.

    Args:
        roots: ``"retort.training.task:train_task"`` for a definition, ``"retort.files"`` for a module.
        files: a user's own files by module name; what they define may be among the roots.

    Raises:
        RetortError: a root, or a name that the code imports from this package, does not exist.
    """
    return _graph(tuple(sorted(files.items()))).fingerprint(roots)
