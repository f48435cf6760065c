"""Causal models on this disk as judges: an ordinary transformers folder that answers questions greedily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from retort.data.instructions.templates import CHAT_END
from retort.data.layouts import Layout
from retort.data.prompt_examples import PromptExample
from retort.errors import InputError
from retort.evaluation.completion import complete
from retort.evaluation.decoding import Sampling
from retort.models.hf.folders import CONFIG

LONGEST_REPLY = 64
"""Most tokens of a reply, as the ATKD authors ask for."""

_ROWS_AT_ONCE = 8


@dataclass(frozen=True)
class LocalJudge:
    """A judge that is asked by calling it: a reply for each question, the likeliest word at each step.

    Questions are put in the chat template of its tokenizer, or where it has none in that of this repository's
    instructions.

    Attributes:
        folder: where it is from.
        model, tokenizer: of transformers.
        device: where the model is.
    """

    folder: Path
    model: Any
    tokenizer: Any
    device: torch.device

    def __call__(self, questions: Sequence[str]) -> list[str]:
        """Ask.

        Raises:
            InputError: a question leaves it no room for a reply.
        """
        nothing = np.zeros(0, np.int32)
        asked = [
            PromptExample(str(n), np.array(self.prompt(text), np.int32), nothing, (), None)
            for n, text in enumerate(questions)
        ]
        room = self.model.config.max_position_embeddings
        longest = max((len(example.prompt) for example in asked), default=0) + LONGEST_REPLY
        if longest > room:
            raise InputError(
                f"--judge: {self.folder} reads {room} tokens, a question with its reply is {longest}; "
                "name a model that reads more"
            )
        end = self.tokenizer.eos_token_id
        pad = end if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id
        layout = Layout(pad, None, ((), ()), ((), (end,)), None, end)
        settings = Sampling(LONGEST_REPLY)
        replies = complete(
            self.model, asked, layout, settings, device=self.device, seed=0, rows_at_once=_ROWS_AT_ONCE
        )
        return [self.tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in replies]

    def prompt(self, question: str) -> list[int]:
        """Ids of a question as the judge reads it."""
        if self.tokenizer.chat_template is None:
            return list(self.tokenizer(f"Human:\n{question}{CHAT_END}")["input_ids"])
        told = [{"role": "user", "content": question}]
        return list(self.tokenizer.apply_chat_template(told, add_generation_prompt=True, return_dict=False))


def load_judge(folder: Path, device: torch.device) -> LocalJudge:
    """A causal model with its tokenizer, in the precision in which it is stored; no network is asked.

    Args:
        folder: as transformers' ``save_pretrained`` writes it.
        device: where to put the model.

    Raises:
        InputError: the folder is none of a causal model, weights are missing, or the tokenizer knows no end.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (folder / CONFIG).is_file():
        raise InputError(f"--judge: {folder} holds no {CONFIG}; {_REMEDY}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", local_files_only=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"--judge: {folder} cannot be read as a causal model ({said}); {_REMEDY}") from None
    model, info = loaded
    if missing := sorted(info["missing_keys"]):
        raise InputError(f"--judge: {folder} lacks {len(missing)} tensor(s), first {missing[0]!r}; {_REMEDY}")
    if tokenizer.eos_token_id is None or getattr(model.config, "max_position_embeddings", None) is None:
        raise InputError(f"--judge: {folder} names no end token, or not how much it reads; {_REMEDY}")
    return LocalJudge(folder, model.to(device).eval(), tokenizer, device)


_REMEDY = "name the folder of a causal model with its tokenizer, as save_pretrained writes it"
