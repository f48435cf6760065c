"""Operations of matrix products as torch counts them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def counted(run: Callable[[], Any]) -> int:
    """Operations of ``run()``, attention multiplied out in plain products."""
    more = {torch.ops.aten.addmm_: _added_in_place}
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False, custom_mapping=more) as counter:
        run()
    return int(counter.get_total_flops())


def _added_in_place(target: Any, left: Any, right: Any, **_: Any) -> int:
    """Of a product that is added to a tensor in place, which torch leaves out."""
    return int(2 * left[0] * left[1] * right[1])
