"""torch, imported at first use.

Recipes and the plan are values that the Snakefile reads; they must not pay for importing torch.
Modules that define both a value and the arithmetic behind it take torch from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch
    from torch import nn as nn
    from torch.nn import functional as functional
else:

    class _Lazy:
        """Stands for a module until one of its attributes is needed."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            return getattr(importlib.import_module(self._name), attribute)

    torch = _Lazy("torch")
    nn = _Lazy("torch.nn")
    functional = _Lazy("torch.nn.functional")

__all__ = ["functional", "nn", "torch"]
