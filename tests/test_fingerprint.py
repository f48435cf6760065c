"""Fingerprints: documentation changes nothing, code changes exactly what reaches it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from retort.errors import RetortError
from retort.fingerprint import OBSERVERS, CodeGraph, fingerprint

LOSSES = '''
"""Losses."""
import math

SCALE = 2.0

def kl(p, q):
    """KL."""
    return SCALE * math.log(p / q)

def mse(a, b):
    return (a - b) ** 2  # squared

def unused():
    return mse(1, 2)
'''
TRAIN = """
from __future__ import annotations
from typing import TYPE_CHECKING
from pack.losses import kl
from pack import losses, settings as s
import pack.deep.tools

if TYPE_CHECKING:
    from pack.other import Big

def with_kl(x: Big) -> Big:
    y: Big = kl(x, 1)
    return y

def with_module(x):
    return losses.mse(x, s.LIMIT)

def with_dotted(x):
    return pack.deep.tools.tool(x)

def with_local_import(x):
    from .losses import kl as divergence
    return divergence(x, 1)

def with_own_names(kl, values):
    losses = [mse for mse in values]
    return kl, losses

def by_default(loss=kl):
    return loss

@losses.mse
def decorated():
    pass

class Base:
    def run(self):
        return kl(1, 2)

class Child(Base):
    limit: int = s.LIMIT

def through_class():
    return Child

def passes_module():
    return list(losses)

if __name__ == "__main__":
    with_kl(3)
"""
SOURCES = {
    "__init__.py": "from pack.losses import kl as exported\n",
    "losses.py": LOSSES,
    "train.py": TRAIN,
    "settings.py": "LIMIT = 3\nOTHER = 4\nTABLE = {}\nTABLE['a'] = 1\n",
    "other.py": "class Big:\n    pass\n",
    "deep/__init__.py": "",
    "deep/tools.py": "from ..losses import SCALE\ndef tool(x):\n    return x * SCALE\n",
    "user.py": "import pack\nfrom pack import exported\ndef use():\n    return exported\n"
    "def use_dotted():\n    return pack.exported\n",
}
ROOTS = [
    "pack.train:" + name
    for name in (
        "with_kl", "with_module", "with_dotted", "with_local_import", "with_own_names", "by_default",
        "decorated", "Base", "Child", "through_class", "passes_module",
    )
] + ["pack.user:use", "pack.user:use_dotted", "pack.settings:TABLE", "pack.losses"]  # fmt: skip
KL_USERS = {
    "pack.train:with_kl", "pack.train:with_local_import", "pack.train:by_default", "pack.train:Base",
    "pack.train:Child", "pack.train:through_class", "pack.train:passes_module", "pack.user:use",
    "pack.user:use_dotted", "pack.losses",
}  # fmt: skip
MSE_USERS = {"pack.train:with_module", "pack.train:decorated", "pack.train:passes_module", "pack.losses"}


def write(folder: Path, changed: dict[str, str] | None = None) -> CodeGraph:
    for name, text in {**SOURCES, **(changed or {})}.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return CodeGraph(folder, "pack")


def changed_roots(folder: Path, file: str, old: str, new: str) -> set[str]:
    """Which fingerprints differ after replacing ``old`` in ``file``."""
    assert old in SOURCES[file]
    before = write(folder)
    first = {root: before.fingerprint([root]) for root in ROOTS}
    after = write(folder, {file: SOURCES[file].replace(old, new)})
    return {root for root in ROOTS if after.fingerprint([root]) != first[root]}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("losses.py", '"""KL."""', '"""Kullback-Leibler divergence."""'),
        ("losses.py", '    """KL."""\n', ""),
        ("losses.py", '"""Losses."""', "# losses"),
        ("losses.py", "  # squared", ""),
        ("losses.py", "SCALE * math.log(p / q)", "(\n        SCALE * math.log(p / q)\n    )"),
        ("losses.py", "def mse(a, b)", "def mse(a: float, b: float) -> float"),
        ("losses.py", "SCALE = 2.0", "NEW = 1\nSCALE = 2.0"),
        ("other.py", "pass", "x = 1"),
        ("train.py", "with_kl(3)", "with_kl(4)"),
        ("settings.py", "OTHER = 4", "OTHER = 5"),
    ],
)
def test_what_cannot_change_a_result_changes_no_fingerprint(tmp_path, file, old, new):
    changed = changed_roots(tmp_path, file, old, new)
    # A new constant is part of its module where that is used as a whole, and of nothing else.
    assert changed == ({"pack.losses", "pack.train:passes_module"} if "NEW" in new else set())


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("losses.py", "math.log(p / q)", "math.log(q / p)", KL_USERS),
        ("losses.py", "(a - b) ** 2", "(a - b) ** 4", MSE_USERS),
        ("losses.py", "SCALE = 2.0", "SCALE = 3.0", KL_USERS | {"pack.train:with_dotted"}),
        (
            "settings.py",
            "LIMIT = 3",
            "LIMIT = 5",
            {"pack.train:with_module", "pack.train:Child", "pack.train:through_class"},
        ),
        ("settings.py", "= 1", "= 2", {"pack.settings:TABLE"}),
        ("deep/tools.py", "x * SCALE", "x / SCALE", {"pack.train:with_dotted"}),
        ("train.py", "return list(losses)", "return set(losses)", {"pack.train:passes_module"}),
        ("train.py", "limit: int", "limit: float", {"pack.train:Child", "pack.train:through_class"}),
        ("train.py", "loss=kl", "loss=None", {"pack.train:by_default"}),
        (
            "losses.py",
            "import math",
            "import math\nmath.prepare()",
            KL_USERS | MSE_USERS | {"pack.train:with_dotted"},
        ),
        ("__init__.py", "from", "print()\nfrom", set(ROOTS)),
    ],
)
def test_a_change_reaches_exactly_its_users(tmp_path, file, old, new, expected):
    assert changed_roots(tmp_path, file, old, new) == expected


def test_observers_count_only_as_roots(tmp_path):
    write(tmp_path)
    graph = CodeGraph(tmp_path, "pack", frozenset({"pack.losses"}))
    assert graph.closure("pack.train:with_kl") == {("pack.train", "with_kl")}
    assert ("pack.losses", "SCALE") in graph.closure("pack.losses:kl")


def test_the_observers_of_this_package_exist():
    for module in OBSERVERS:
        assert fingerprint([module])


def test_roots_add_up_in_any_order(tmp_path):
    graph = write(tmp_path)
    one, two = "pack.losses:kl", "pack.losses:mse"
    assert graph.fingerprint([one, two]) == graph.fingerprint([two, one, one])
    assert len({graph.fingerprint(roots) for roots in ([one], [two], [one, two])}) == 3


def test_a_conditional_definition_is_followed(tmp_path):
    guarded = "try:\n    from pack.losses import mse as f\nexcept ImportError:\n    f = None\n"
    guarded += "def use():\n    return f\n"
    graph = write(tmp_path, {"guarded.py": guarded})
    assert ("pack.losses", "mse") in graph.closure("pack.guarded:use")


def test_an_import_for_types_is_never_executed_and_not_followed(tmp_path):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.losses import mse as f\n"
    text += "else:\n    from pack.losses import kl as g\nclass Held:\n    one: f\n    two: g\n"
    graph = write(tmp_path, {"typed.py": text})
    reached = graph.closure("pack.typed:Held")
    assert ("pack.losses", "kl") in reached and ("pack.losses", "mse") not in reached


def test_modules_that_import_each_other_end(tmp_path):
    files = {
        "a.py": "from pack import b\ndef f():\n    return b\n",
        "b.py": "from pack import a\ndef g():\n    return a\n",
    }
    assert write(tmp_path, files).closure("pack.a:f") == {("pack.a", "f"), ("pack.b", "g")}


def test_global_names_stay_global_in_functions(tmp_path):
    text = (
        "count = 0\ndef f():\n    global count\n    count += 1\ndef g():\n    count = 1\n    return count\n"
    )
    graph = write(tmp_path, {"counter.py": text})
    assert ("pack.counter", "count") in graph.closure("pack.counter:f")
    assert ("pack.counter", "count") not in graph.closure("pack.counter:g")


@pytest.mark.parametrize(
    ("root", "files", "message"),
    [
        ("pack.nope", {}, "no module pack.nope"),
        ("pack.losses:nope", {}, "pack.losses defines no nope"),
        ("elsewhere:x", {}, "no module elsewhere"),
        (
            "pack.x:f",
            {"x.py": "from pack.losses import nope\ndef f():\n    return nope\n"},
            "pack.losses has no nope",
        ),
        ("pack.x", {"x.py": "from pack.losses import *\n"}, r"x.py:1: star import"),
        ("pack.x", {"x.py": "\ndef f(:\n"}, r"x.py:2: not valid Python"),
    ],
)
def test_what_cannot_be_followed_is_an_error(tmp_path, root, files, message):
    with pytest.raises(RetortError, match=message) as caught:
        write(tmp_path, files).fingerprint([root])
    assert "\n" not in str(caught.value)


def test_the_package_itself_is_read_without_being_imported():
    assert fingerprint(["retort.files:write_json"]) == fingerprint(["retort.files:write_json"])
    assert fingerprint(["retort.files:write_json"]) != fingerprint(["retort.files:read_json"])


def own_modules(root):
    sources = root / "src" / "retort"
    files = [path for path in sources.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    return [".".join(("retort", *path.relative_to(sources).with_suffix("").parts)) for path in sorted(files)]


def test_every_name_that_this_package_imports_from_itself_exists(root):
    graph = CodeGraph(root / "src" / "retort", "retort")
    for module in own_modules(root):
        assert graph.fingerprint([module])


def test_it_is_fast(root):
    modules = own_modules(root)
    start = time.process_time()
    graph = CodeGraph(root / "src" / "retort", "retort")
    for module in modules:
        graph.fingerprint([module])
    assert time.process_time() - start < 0.02 * len(modules)
    start = time.process_time()
    for turn in range(1000):
        graph.fingerprint([modules[turn % len(modules)]])
    assert time.process_time() - start < 2.0
