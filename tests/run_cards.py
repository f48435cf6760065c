"""Run cards as training leaves them, with made-up numbers."""

from __future__ import annotations

from typing import Any


def run_card(name: str, stage: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The card of a run of a transformers model: that of a stage called so; ``changes``: other fields."""
    card = {
        "version": 2,
        "stage": stage,
        "config_digest": "abc123",
        "inputs": {"text/tasks/x.npz": "ab" * 32},
        "command": f"python scripts/train.py --stage {name}",
        "rerun": "python scripts/rerun.py card.json",
        "code": "c0de",
        "git_commit": "0123456789abcdef",
        "git_changes": "none",
        "packages": {"torch": "2.0", "transformers": "5.0"},
        "python": "3.11.0",
        "device": {"kind": "cpu", "name": "Test <CPU>", "threads": 1},
        "started": "2030-01-01T00:10:00+00:00",
        "finished": "2030-01-01T00:20:00+00:00",
        "seconds": 30.0,
        "processor_seconds": 29.0,
        "steps": 40,
        "tokens": 1000,
        "tokens_per_second": 33.3,
        "peak_memory_mib": {"resident": 500.0},
    }
    return card | changes
