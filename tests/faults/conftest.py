"""One world for all accidents, made once."""

from __future__ import annotations

import pytest
from fault_runs import Forge


@pytest.fixture(scope="session")
def forge(tmp_path_factory) -> Forge:
    """The finished world, and a folder beside it in which steps are done again."""
    made = Forge(tmp_path_factory.mktemp("faults"))
    made.make_base()
    return made
