"""Names in code: what a statement binds, what a definition takes from its module."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

ImportTargets = Callable[[ast.Import | ast.ImportFrom], Iterable[tuple[str, str]]]
"""Bound name and dotted target of each name an import statement binds."""


class Reference(NamedTuple):
    """A dotted name in the code; ``target`` is what its first part was imported as inside a function."""

    parts: tuple[str, ...]
    target: str | None = None


def bound_at_top(statement: ast.stmt) -> Iterator[str]:
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


class ReferenceFinder(ast.NodeVisitor):
    """Collects the names a definition takes from its module, by Python's scoping rules.

    Class scopes bind nothing here: that can only add references.
    """

    def __init__(self, import_targets: ImportTargets) -> None:
        self.found: set[Reference] = set()
        self._import_targets = import_targets
        self._scopes: list[dict[str, str | None]] = []

    def visit_Name(self, node: ast.Name) -> None:
        """A bare name."""
        self._refer((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A dotted name, as one reference."""
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
            for name, target in self._import_targets(node):
                self.found.add(Reference((name,), target))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """An annotated value; the annotation counts outside functions (fields of classes)."""
        self.visit(node.target)
        if node.value:
            self.visit(node.value)
        if not self._scopes:
            self.visit(node.annotation)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function: decorators and defaults belong to the scope around it."""
        for outer in (*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(outer)
        self._function(node, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """A lambda: its defaults belong to the scope around it."""
        for outer in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
            self.visit(outer)
        self._function(node, [node.body])

    def _function(self, node: Function, body: list[ast.stmt] | list[ast.expr]) -> None:
        scope: dict[str, str | None] = dict.fromkeys(arg.arg for arg in _arguments(node.args))
        free: set[str] = set()
        if not isinstance(node, ast.Lambda):
            inside = ast.Module(body=node.body, type_ignores=[])
            scope.update(dict.fromkeys(_bindings(inside)))
            for inner in own_statements(inside):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    scope.update(self._import_targets(inner))
                elif isinstance(inner, ast.Global):
                    free.update(inner.names)
        for name in free:
            scope.pop(name, None)
        self._scopes.append(scope)
        for part in body:
            self.visit(part)
        self._scopes.pop()

    def visit_ListComp(self, node: Comprehension) -> None:
        """A comprehension: all but its first iterable has its own scope."""
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


def own_statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below ``node`` that are in the same scope (with the clauses that hold some)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            if not isinstance(child, SCOPES):
                yield from own_statements(child)
