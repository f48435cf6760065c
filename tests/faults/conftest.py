"""One world for all accidents, made once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fault_forge import Forge


@pytest.fixture(scope="session")
def forge(tmp_path_factory) -> Iterator[Forge]:
    """The finished world, and a folder beside it in which steps are done again."""
    made = Forge(tmp_path_factory.mktemp("faults"))
    made.make_base()
    yield made
    made.close()
