"""Sources as graphs: the top-level definitions of a module and the names each refers to."""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from retort.errors import RetortError

EFFECTS = "<effects>"
"""Name of the node that holds what a module executes besides defining names."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Reference(NamedTuple):
    """A dotted name in the code; ``target`` is what its first part was imported as inside a function."""

    parts: tuple[str, ...]
    target: str | None = None


class SourcePackage:
    """A package's modules by dotted name, parsed when first asked for."""

    def __init__(self, folder: Path, name: str) -> None:
        """Look at the package ``name`` whose ``__init__.py`` is in ``folder``."""
        self.name = name
        self._folder = folder
        self._paths: dict[str, Path | None] = {}
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
        finder = _ReferenceFinder(self)
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
        elif not (_is_text(statement) or _is_main_guard(statement)):
            inside = [] if isinstance(statement, SCOPES) else list(_own_nodes(statement))
            for inner in inside:
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    self.imports.update(self.import_targets(inner))
            for name in dict.fromkeys(_bound_at_top(statement)) or [EFFECTS]:
                if name != EFFECTS or not _only_imports(inside):
                    self.definitions[name].append(statement)


def _is_text(statement: ast.stmt) -> bool:
    """A docstring, of whatever it stands under."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
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


def _bound_at_top(statement: ast.stmt) -> Iterator[str]:
    """Names that a top-level statement defines or, for ``name[key] = ...``, changes."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            while isinstance(target, ast.Attribute | ast.Subscript):
                target = target.value
            yield from _stored(target, context=False)
        return
    if isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While | ast.Match):
        yield from _bindings(statement)


def _stored(node: ast.AST, context: bool = True) -> Iterator[str]:
    """Names stored below ``node`` (all names if ``context`` is false)."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and (not context or isinstance(inner.ctx, ast.Store | ast.Del)):
            yield inner.id


def _bindings(node: ast.AST) -> Iterator[str]:
    """Names that a scope's body binds, nested scopes left out (their own names included)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store | ast.Del):
            yield child.id
        elif isinstance(child, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and child.name:
            yield child.name
            yield from _bindings(child)
        elif isinstance(child, ast.MatchMapping) and child.rest:
            yield child.rest
            yield from _bindings(child)
        elif not isinstance(child, ast.Lambda | Comprehension):
            yield from _bindings(child)


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    extra = [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


class _ReferenceFinder(ast.NodeVisitor):
    """Collects the names a definition takes from its module, by Python's scoping rules.

    Class scopes bind nothing here: that can only add references.
    """

    def __init__(self, module: SourceModule) -> None:
        self.found: set[Reference] = set()
        self._module = module
        self._scopes: list[dict[str, str | None]] = []

    def visit_Name(self, node: ast.Name) -> None:
        self._refer((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        parts, value = [node.attr], node.value
        while isinstance(value, ast.Attribute):
            parts.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            self._refer((value.id, *reversed(parts)))
        else:
            self.visit(value)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """In a function it was bound when the scope was opened; in a class body it counts as used."""
        if not self._scopes:
            for name, target in self._module.import_targets(node):
                self.found.add(Reference((name,), target))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        if node.value:
            self.visit(node.value)
        if not self._scopes:
            self.visit(node.annotation)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for outer in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(outer)
        self._function(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for outer in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(outer)
        self._function(node, [node.body])

    def _function(self, node: Function, body: list[ast.stmt] | list[ast.expr]) -> None:
        scope: dict[str, str | None] = dict.fromkeys(arg.arg for arg in _arguments(node.args))
        free: set[str] = set()
        if not isinstance(node, ast.Lambda):
            inside = ast.Module(body=node.body, type_ignores=[])
            scope.update(dict.fromkeys(_bindings(inside)))
            for inner in _own_nodes(inside):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    scope.update(self._module.import_targets(inner))
                elif isinstance(inner, ast.Global):
                    free.update(inner.names)
        for name in free:
            scope.pop(name, None)
        self._scopes.append(scope)
        for part in body:
            self.visit(part)
        self._scopes.pop()

    def visit_ListComp(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)
        targets = [name for generator in node.generators for name in _stored(generator.target)]
        self._scopes.append(dict.fromkeys(targets))
        for position, generator in enumerate(node.generators):
            for part in (generator.target, *generator.ifs, *([generator.iter] if position else [])):
                self.visit(part)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            self.visit(part)
        self._scopes.pop()

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _refer(self, parts: tuple[str, ...]) -> None:
        for scope in reversed(self._scopes):
            if parts[0] in scope:
                target = scope[parts[0]]
                if target is not None:
                    self.found.add(Reference(parts, target))
                return
        self.found.add(Reference(parts))


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below ``node`` that are in the same scope."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, SCOPES):
            yield from _own_nodes(child)


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
