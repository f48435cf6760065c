"""What is fixed about each instruction set: role, file, fields, shots, how answers are compared, hub place.

The ATKD paper trains on responses of GPT-4 to Alpaca's instructions and evaluates on five sets of open
questions and three few-shot benchmarks; the others here are smaller sets in the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from retort.errors import InputError

Role = Literal["training", "generation", "understanding"]
FieldKind = Literal["text", "integer", "boolean"]
Part = Literal["all", "seen", "held"]
"""Which records of the file: all, or of every sub-task all but the last tenth, or that tenth."""

NUMBER_MARK = "####"
"""What GSM8K writes before the number that is the answer."""


@dataclass(frozen=True)
class InstructionHub:
    """Where the hub holds a set: repository, configurations (``None``: the default one), splits in order."""

    repository: str
    configs: tuple[str | None, ...]
    splits: tuple[str, ...]


@dataclass(frozen=True)
class InstructionSpec:
    """One set.

    Attributes:
        name: how the configuration calls it.
        role: ``training``; ``generation``: open questions, whose responses are compared with references;
            ``understanding``: few-shot questions, whose generated text must start with the answer.
        file: below ``instructions/`` of a data folder.
        fields: what every record has beside ``instruction``, ``input`` and ``output``
            (``understanding``: beside ``task``, ``question`` and ``answer``).
        group: the field that names a record's sub-task, ``None`` where there is none.
        always_input: whether every record has ``input``, which may be blank.
        numbered: responses end with a number, which is the answer.
        shots: the first so many records of each sub-task are shown with their answers before the others.
        longest: most new tokens that the authors generate.
        by_group: the score is the unweighted mean over sub-tasks.
        part: of the file, where it serves for training and for evaluation.
        hub: its place on the hub, ``None`` where there is none.
    """

    name: str
    role: Role
    file: str
    fields: Mapping[str, FieldKind] = field(default_factory=dict)
    group: str | None = None
    always_input: bool = True
    numbered: bool = False
    shots: int = 0
    longest: int = 256
    by_group: bool = False
    part: Part = "all"
    hub: InstructionHub | None = None

    @property
    def metric(self) -> str:
        """The metric that selects: ROUGE-L, or the share of right answers."""
        if self.role == "understanding":
            return "starts"
        return "number" if self.numbered else "rougeL"

    def place_on_hub(self) -> InstructionHub:
        """Where the hub holds the set.

        Raises:
            InputError: nowhere.
        """
        if self.hub is None:
            raise InputError(
                f"set {self.name}: the hub has no repository of plain files for it; put instructions/"
                f"{self.file} into a data folder and use source: folder"
            )
        return self.hub


BBH_TASKS = (
    *("boolean_expressions", "causal_judgement", "date_understanding", "disambiguation_qa", "dyck_languages"),
    *("formal_fallacies", "geometric_shapes", "hyperbaton", "logical_deduction_five_objects"),
    *("logical_deduction_seven_objects", "logical_deduction_three_objects", "movie_recommendation"),
    *("multistep_arithmetic_two", "navigate", "object_counting", "penguins_in_a_table"),
    *("reasoning_about_colored_objects", "ruin_names", "salient_translation_error_detection", "snarks"),
    *("sports_understanding", "temporal_sequences", "tracking_shuffled_objects_five_objects"),
    *("tracking_shuffled_objects_seven_objects", "tracking_shuffled_objects_three_objects"),
    *("web_of_lies", "word_sorting"),
)

SPECS: dict[str, InstructionSpec] = {
    spec.name: spec
    for spec in (
        InstructionSpec(
            "alpaca_gpt4",
            "training",
            "alpaca_gpt4_data.json",
            hub=InstructionHub("vicgalle/alpaca-gpt4", (None,), ("train",)),
        ),
        InstructionSpec("p3_mini", "training", "p3_mini.jsonl", {"task": "text"}, "task", part="seen"),
        InstructionSpec(
            "seed_tasks",
            "training",
            "seed_tasks.jsonl",
            {"id": "text", "name": "text", "is_classification": "boolean"},
            "name",
        ),
        InstructionSpec("dolly", "generation", "dolly.jsonl", {"topic": "text", "prompt": "text"}, "topic"),
        InstructionSpec(
            "self_inst", "generation", "self_inst.jsonl", {"topic": "text", "prompt": "text"}, "topic"
        ),
        InstructionSpec(
            "vicuna", "generation", "vicuna.jsonl", {"category": "text", "prompt": "text"}, "category"
        ),
        InstructionSpec("koala", "generation", "koala.jsonl", {"idx": "integer", "prompt": "text"}),
        InstructionSpec(
            "wizardlm",
            "generation",
            "wizardlm.jsonl",
            {"idx": "integer", "prompt": "text"},
            always_input=False,
        ),
        InstructionSpec("p3_held", "generation", "p3_mini.jsonl", {"task": "text"}, "task", part="held"),
        InstructionSpec(
            "gsm8k",
            "generation",
            "gsm8k.jsonl",
            numbered=True,
            hub=InstructionHub("openai/gsm8k", ("main",), ("test",)),
        ),
        InstructionSpec(
            "mmlu",
            "understanding",
            "mmlu.jsonl",
            {"header": "text"},
            "task",
            shots=5,
            longest=2,
            hub=InstructionHub("cais/mmlu", ("all",), ("dev", "test")),
        ),
        InstructionSpec(
            "bbh",
            "understanding",
            "bbh.jsonl",
            group="task",
            shots=3,
            longest=32,
            by_group=True,
            hub=InstructionHub("lukaemon/bbh", BBH_TASKS, ("test",)),
        ),
        InstructionSpec(
            "drop",
            "understanding",
            "drop.jsonl",
            group="task",
            shots=3,
            longest=8,
            hub=InstructionHub("ucinlp/drop", (None,), ("validation",)),
        ),
    )
}
"""The paper's sets, and some more that are small. New tokens of the few-shot sets are those of
instruct-eval, which the authors run."""

SETS: tuple[str, ...] = tuple(SPECS)
OFF_HUB = frozenset(name for name, spec in SPECS.items() if spec.hub is None)
"""Those that the hub has no plain files of."""
TRAINING, GENERATION, UNDERSTANDING = (
    tuple(spec.name for spec in SPECS.values() if spec.role == role)
    for role in ("training", "generation", "understanding")
)


def spec_of(name: str) -> InstructionSpec:
    """The record of a set.

    Raises:
        InputError: the name is not one of :data:`SETS`.
    """
    if name not in SPECS:
        raise InputError(f"set {name!r} is no instruction set; use one of {', '.join(SETS)}")
    return SPECS[name]
