"""The eight SuperGLUE tasks as cloze questions for a block-infilling language model."""

from retort.data.superglue.tasks import SPECS, TASKS, TaskSpec, spec_of

__all__ = ["SPECS", "TASKS", "TaskSpec", "spec_of"]
