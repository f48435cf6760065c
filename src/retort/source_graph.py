"""Sources as graphs: the top-level definitions of a module and the names each refers to."""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

from retort.errors import RetortError
from retort.source_names import SCOPES, Reference, ReferenceFinder, bound_at_top, own_statements

EFFECTS = "<effects>"
"""Name of the node that holds what a module executes besides defining names."""


class SourcePackage:
    """A package's modules by dotted name, parsed when first asked for.

    Args:
        folder: holds the package's ``__init__.py``; ``name``: of the package.
        files: single files besides the package, by module name.
    """

    def __init__(self, folder: Path, name: str, files: Mapping[str, Path]) -> None:
        self.name = name
        self.roots = frozenset({name, *files})
        self._folder = folder
        self._paths: dict[str, Path | None] = dict(files)
        self._modules: dict[str, SourceModule] = {}

    def has(self, module: str) -> bool:
        """Whether there is such a module."""
        return self._path(module) is not None

    def module(self, module: str) -> SourceModule:
        """The parsed module.

        Raises:
            RetortError: it does not exist or is not Python.
        """
        if module not in self._modules:
            path = self._path(module)
            if path is None:
                raise RetortError(f"{module}: no such module below {self._folder}; mend its name")
            self._modules[module] = SourceModule(module, path)
        return self._modules[module]

    def _path(self, module: str) -> Path | None:
        if module not in self._paths:
            first, *rest = module.split(".")
            place = self._folder.joinpath(*rest)
            candidates = [place / "__init__.py", *([place.with_name(place.name + ".py")] if rest else [])]
            existing = [path for path in candidates if path.is_file()] if first == self.name else []
            self._paths[module] = existing[0] if existing else None
        return self._paths[module]


class SourceModule:
    """One parsed file.

    Attributes:
        definitions: statements by the top-level name they define (or :data:`EFFECTS`).
        imports: dotted import target by the local name it binds at module level.
    """

    def __init__(self, name: str, path: Path) -> None:
        """Parse ``path`` as the module ``name``."""
        self.name = name
        self.path = path
        self.definitions: dict[str, list[ast.stmt]] = defaultdict(list)
        self.imports: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise RetortError(f"{path}:{error.lineno}: not valid Python ({error.msg}); mend it") from None
        for statement in tree.body:
            self._place(statement)
        self.definitions = dict(self.definitions)

    def digest(self, name: str) -> str:
        """Hash of a definition's normalised tree."""
        if name not in self._digests:
            text = "\n".join(map(_dump, self.definitions[name]))
            self._digests[name] = hashlib.sha256(text.encode()).hexdigest()
        return self._digests[name]

    def references(self, name: str) -> set[Reference]:
        """Names that a definition refers to and does not bind itself."""
        finder = ReferenceFinder(self.import_targets)
        for statement in self.definitions[name]:
            finder.visit(statement)
        return finder.found

    def import_targets(self, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
        """Pairs of bound name and dotted target of an import statement."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
            return
        base = self._absolute(node)
        for alias in node.names:
            if alias.name == "*":
                raise RetortError(f"{self.path}:{node.lineno}: star import; name what is imported")
            yield alias.asname or alias.name, f"{base}.{alias.name}"

    def _absolute(self, node: ast.ImportFrom) -> str:
        """Module that a ``from`` import reads, relative ones resolved."""
        if not node.level:
            return node.module or ""
        depth = node.level - (1 if self.path.name == "__init__.py" else 0)
        parts = self.name.split(".")
        return ".".join([*parts[: len(parts) - depth], *([node.module] if node.module else [])])

    def _place(self, statement: ast.stmt) -> None:
        """File a top-level statement under the names it binds, or under the effects."""
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self.imports.update(self.import_targets(statement))
        elif _is_for_types(statement):
            for other in statement.orelse:
                self._place(other)
        elif not (_is_text(statement) or _is_main_guard(statement)):
            inside = [] if isinstance(statement, SCOPES) else list(own_statements(statement))
            for inner in inside:
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    self.imports.update(self.import_targets(inner))
            for name in dict.fromkeys(bound_at_top(statement)) or [EFFECTS]:
                if name != EFFECTS or not _only_imports(inside):
                    self.definitions[name].append(statement)


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, of whatever it stands under."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _is_for_types(statement: ast.stmt) -> TypeGuard[ast.If]:
    """``if TYPE_CHECKING:`` is never executed: what is imported there no code can reach."""
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Name)
        and statement.test.id == "TYPE_CHECKING"
    )


def _only_imports(nodes: list[ast.AST]) -> bool:
    """``if TYPE_CHECKING: import ...`` executes nothing else."""
    simple = [node for node in nodes if isinstance(node, ast.stmt) and not hasattr(node, "body")]
    return bool(simple) and all(isinstance(node, ast.Import | ast.ImportFrom | ast.Pass) for node in simple)


def _is_main_guard(statement: ast.stmt) -> bool:
    """``if __name__ == ...``: not executed on import."""
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
    )


def _dump(node: object, in_function: bool = False) -> str:
    """A tree as text, without positions, docstrings and the annotations of functions.

    Empty fields are left out, so that fields new in a later Python change nothing.
    """
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if isinstance(node, ast.AST):
        parts = [type(node).__name__]
        inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for field in node._fields:
            value = getattr(node, field, None)
            unseen = field in ("returns", "type_comment", "ctx") or (
                field == "annotation" and (in_function or isinstance(node, ast.arg))
            )
            if not (unseen or value is None or value == []):
                parts.append(f"{field}={_dump(value, inside)}")
        return "(" + " ".join(parts) + ")"
    if isinstance(node, list):
        kept = [item for item in node if not (isinstance(item, ast.stmt) and _is_text(item))]
        if not kept:
            kept = [ast.Pass()]
        return "[" + " ".join([_dump(item, in_function) for item in kept]) + "]"
    return repr(node)
