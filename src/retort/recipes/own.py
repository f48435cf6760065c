"""Methods from a user's own file, outside the package."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Collection
from pathlib import Path
from types import ModuleType

from retort.errors import InputError
from retort.recipes import Method

PREFIX = "own_"
"""What the names of modules made from such files begin with, so that no ``types.py`` hides another module."""


def module_name(path: Path) -> str:
    """Name of the module that a recipe file becomes; it does not depend on the folder."""
    return PREFIX + path.stem


def own_methods(path: Path, taken: Collection[str]) -> tuple[Method, ...]:
    """The ``METHODS`` of a recipe file.

    Args:
        path: a Python file; what it defines besides ``METHODS`` (distances, lenses, ...) is its own affair.
        taken: names of methods that there already are.

    Raises:
        InputError: the file is missing or fails, has no ``METHODS``, or names a method that there already is.
    """
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"recipes: {path} is not a Python file; name one that defines METHODS")
    methods = getattr(_executed(path), "METHODS", None)
    if not isinstance(methods, tuple) or not methods:
        raise InputError(f"recipes: {path}: add METHODS = (MY_METHOD,), a tuple of the methods to run")
    names: set[str] = set(taken)
    for method in methods:
        if not isinstance(method, Method):
            raise InputError(
                f"recipes: {path}: METHODS holds a {type(method).__name__}; "
                "put retort.recipes.Method values in"
            )
        if not (method.steps or method.chain):
            raise InputError(f"recipes: {path}: method {method.name!r} has no steps; give it one or more")
        if method.name in names:
            raise InputError(f"recipes: {path}: there already is a method {method.name!r}; rename yours")
        names.add(method.name)
    return methods


def _executed(path: Path) -> ModuleType:
    """Run the file as a module; dataclasses and pickles find it among the loaded modules."""
    spec = importlib.util.spec_from_file_location(module_name(path), path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        # Not through the loader, which leaves compiled code beside the file and may run what is outdated.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except SyntaxError as error:
        place = path if error.lineno is None else f"{path}:{error.lineno}"
        raise InputError(f"recipes: {place}: not valid Python ({error.msg}); mend it") from None
    except (Exception, SystemExit) as error:
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
        ]
        place = f"{path}:{lines[-1]}" if lines else str(path)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"recipes: {place}: {reason}; mend it") from None
    return module
