"""A SLURM of our own, and a workflow that is sent through it and hindered in every way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from slurm.cluster import Cluster, missing


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """A node with four processors and two GPUs, as far as SLURM knows."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    made = Cluster(tmp_path_factory.mktemp("slurm"), cpus=4, gpus=2)
    try:
        made.start()
        yield made
    finally:
        made.stop()
