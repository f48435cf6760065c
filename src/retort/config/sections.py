"""Parts that several sections of a configuration share: kinds of numbers, optimisers, runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-5`` (no point) as text; people mean the number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Number = Annotated[float, BeforeValidator(number, json_schema_input_type=float)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
PartialShare = Annotated[Number, Field(ge=0, lt=1)]
Score = Annotated[Number, Field(ge=0, le=100)]
Count = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Section(BaseModel):
    """Base of all sections: strict types, no unknown keys, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class HubDataset(Section):
    """One data set of the Hugging Face hub."""

    name: str = Field(description="Repository of the data set, owner/name.")
    subset: str | None = Field(description="Configuration of the data set; null = its only one.")
    split: str = Field(description="Split to read, in the syntax of `datasets`.")
    column: str = Field(description="Column that holds the text.")
    revision: str | None = Field(description="Commit or branch to pin; null = the newest.")


class Limits(Section):
    """Upper bounds on how much of the data is used; null = all of it."""

    train: Count | None = Field(description="Training examples of each task.")
    dev: Count | None = Field(description="Development examples of each task.")
    corpus: Count | None = Field(description="Documents of the corpus.")


class Optimiser(Section):
    """AdamW (decoupled weight decay) and the shape of its learning-rate curve."""

    betas: tuple[PartialShare, PartialShare] = Field(description="Decay rates of the two moments.")
    eps: Positive = Field(description="Added to the root of the second moment.")
    weight_decay: Number = Field(ge=0, description="Decoupled weight decay (not on layer norms and biases).")
    clip_norm: Positive | None = Field(description="Global gradient norm is clipped to this; null = never.")
    schedule: Literal["cosine", "linear", "constant"] = Field(description="Form of the decay after warm-up.")
    warmup: PartialShare = Field(
        description="Share of the decay steps in which the rate rises linearly from 0."
    )
    floor: Share = Field(description="Rate at the end of the decay, as a share of the peak.")


class Muon(Section):
    """Muon for the hidden matrices; AdamW keeps embeddings, norms and biases."""

    learning_rate: Positive = Field(description="Peak rate of the hidden matrices.")
    momentum: PartialShare = Field(description="Nesterov momentum.")
    newton_schulz_steps: Count = Field(description="Iterations of the orthogonalisation.")
    weight_decay: Number = Field(ge=0, description="Decoupled weight decay of the hidden matrices.")


class PretrainingOptimiser(Optimiser):
    """The optimiser of a pretraining run."""

    learning_rate: Positive = Field(description="Peak rate (of AdamW).")
    decay_share: Annotated[Number, Field(gt=0, le=1)] = Field(
        description="Share of the steps over which the rate decays; flat afterwards."
    )
    muon: Muon | None = Field(description="Muon for the hidden matrices; null = AdamW for all.")


class PretrainingRun(Section):
    """One pretraining run: how long and with which optimiser."""

    steps: Count = Field(description="Updates.")
    batch_size: Count = Field(description="Samples of one update.")
    micro_batch_size: Count = Field(description="Samples of one forward pass; divides batch_size.")
    optimiser: PretrainingOptimiser = Field(description="Optimiser and learning-rate curve.")
