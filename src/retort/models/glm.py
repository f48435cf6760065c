"""GLM: a pre-LN transformer with a prefix mask and two position tables (Du et al., ACL 2022).

The state dict has the keys and shapes of the public GLM checkpoints. Importing this module
needs torch and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retort.models.features import Recorder

MASKED_SCORE = -65504.0
"""Score of a masked cell: the smallest float16, as the authors trained. Being the same constant
in teacher and student it cancels exactly in a squared difference of scores."""

LAYER_NORM_EPS = 1e-5


@dataclass(frozen=True)
class Bottleneck:
    """Inverted bottleneck of MobileBERT: blocks of another width between two projections."""

    width: int
    feed_forwards: int


@dataclass(frozen=True)
class GLMConfig:
    """Architecture of a GLM.

    Attributes:
        layers: number of blocks; ``width``: model dimension; ``heads``: attention heads.
        vocab: rows of the word embedding, which is also the output projection.
        positions: longest position; both tables have one row more.
        dropout: rate on embeddings, attention probabilities and block outputs.
        init_std: standard deviation of matrices and tables (output projections: / sqrt(2 layers)).
        factorised: ALBERT-like embedding width, or ``None``.
        trigram: MobileBERT-like embedding width (first columns of the table), or ``None``.
        bottleneck: inverted bottleneck, or ``None``.
    """

    layers: int
    width: int
    heads: int
    vocab: int
    positions: int = 512
    dropout: float = 0.1
    init_std: float = 0.02
    factorised: int | None = None
    trigram: int | None = None
    bottleneck: Bottleneck | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data for ``config.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> GLMConfig:
        """Inverse of :meth:`to_json`."""
        value = dict(value)
        if value.get("bottleneck") is not None:
            value["bottleneck"] = Bottleneck(**value["bottleneck"])
        return cls(**value)


def prefix_mask(sep: Tensor, length: int) -> Tensor:
    """Which keys each query may see: all of part A, and part B up to itself.

    Args:
        sep: int64 [B], length of part A.
        length: sequence length S.

    Returns:
        bool [B, 1, S, S]; rows are queries.
    """
    index = torch.arange(length, device=sep.device)
    causal = index[None, :] <= index[:, None]
    in_prefix = index[None, :] < sep[:, None]
    return (causal[None] | in_prefix[:, None, :])[:, None]


class Attention(nn.Module):
    """Multi-head self-attention with one fused projection (query, key, value thirds)."""

    def __init__(self, width_in: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query_key_value = nn.Linear(width_in, 3 * width)
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor, record: Recorder, layer: int) -> Tensor:
        """Attend. ``x`` [B, S, H], ``mask`` bool [B, 1, S, S] -> [B, S, H]."""
        batch, length, _ = x.shape
        mixed = self.query_key_value(x)
        query, key, value = mixed.chunk(3, dim=-1)
        record("q", layer, query)
        record("k", layer, key)
        record("v", layer, value)
        query, key, value = (
            part.view(batch, length, self.heads, -1).transpose(1, 2) for part in (query, key, value)
        )
        drop = self.dropout if self.training else 0.0
        if record.wants("scores", "probs", layer=layer):
            context = self._visible(query, key, value, mask, drop, record, layer)
        else:
            context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=drop)
        return self.dense(context.transpose(1, 2).reshape(batch, length, -1))

    @staticmethod
    def _visible(
        query: Tensor, key: Tensor, value: Tensor, mask: Tensor, drop: float, record: Recorder, layer: int
    ) -> Tensor:
        """Attention written out, for objectives that look at scores or probabilities."""
        scores = query @ (key.transpose(-1, -2) / math.sqrt(query.shape[-1]))
        scores = torch.where(mask, scores, scores.new_full((), MASKED_SCORE))
        record("scores", layer, scores)
        probs = scores.softmax(dim=-1)
        record("probs", layer, probs)
        return F.dropout(probs, drop) @ value


class MLP(nn.Module):
    """Feed-forward network of four times the width, tanh-approximated GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(width, 4 * width)
        self.dense_4h_to_h = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, S, H] -> [B, S, H]."""
        return self.dense_4h_to_h(F.gelu(self.dense_h_to_4h(x), approximate="tanh"))


class Block(nn.Module):
    """One pre-LN transformer block."""

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.input_layernorm = nn.LayerNorm(config.width, LAYER_NORM_EPS)
        self.attention = Attention(config.width, config.width, config.heads, config.dropout)
        self.post_attention_layernorm = nn.LayerNorm(config.width, LAYER_NORM_EPS)
        self.mlp = MLP(config.width)

    def forward(self, h: Tensor, mask: Tensor, record: Recorder, layer: int) -> Tensor:
        """``h`` [B, S, H] residual stream; ``layer`` is 1-based."""
        normed = record.hidden(layer - 1, self.input_layernorm(h))
        h = h + F.dropout(self.attention(normed, mask, record, layer), self.dropout, self.training)
        return h + F.dropout(self.mlp(self.post_attention_layernorm(h)), self.dropout, self.training)


class BottleneckBlock(nn.Module):
    """Block of MobileBERT: attention and feed-forwards of another width inside two projections."""

    def __init__(self, config: GLMConfig, bottleneck: Bottleneck) -> None:
        super().__init__()
        inner = bottleneck.width
        extra = bottleneck.feed_forwards - 1
        self.dropout = config.dropout
        self.input_layernorm = nn.LayerNorm(config.width, LAYER_NORM_EPS)
        self.attention = Attention(config.width, inner, config.heads, config.dropout)
        self.ib_linear_in = nn.Linear(config.width, inner)
        self.post_attention_layernorm = nn.LayerNorm(inner, LAYER_NORM_EPS)
        self.mlp = MLP(inner)
        if extra:
            self.ib_mlp = nn.ModuleList(MLP(inner) for _ in range(extra))
            self.ib_mlp_layernorm = nn.ModuleList(nn.LayerNorm(inner, LAYER_NORM_EPS) for _ in range(extra))
        self.ib_linear_out_layernorm = nn.LayerNorm(inner, LAYER_NORM_EPS)
        self.ib_linear_out = nn.Linear(inner, config.width)
        self.extra = extra

    def forward(self, h: Tensor, mask: Tensor, record: Recorder, layer: int) -> Tensor:
        """``h`` [B, S, H] residual stream; ``layer`` is 1-based."""
        normed = record.hidden(layer - 1, self.input_layernorm(h))
        inner = self.ib_linear_in(h) + self._drop(self.attention(normed, mask, record, layer))
        inner = inner + self._drop(self.mlp(self.post_attention_layernorm(inner)))
        for index in range(self.extra):
            inner = inner + self._drop(self.ib_mlp[index](self.ib_mlp_layernorm[index](inner)))
        return h + self.ib_linear_out(self.ib_linear_out_layernorm(inner))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class Transformer(nn.Module):
    """Position tables, blocks and the final LayerNorm."""

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        rows = config.positions + 1
        self.position_embeddings = nn.Embedding(rows, config.width)
        self.block_position_embeddings = nn.Embedding(rows, config.width)
        bottleneck = config.bottleneck
        self.layers = nn.ModuleList(
            Block(config) if bottleneck is None else BottleneckBlock(config, bottleneck)
            for _ in range(config.layers)
        )
        self.final_layernorm = nn.LayerNorm(config.width, LAYER_NORM_EPS)

    def forward(self, words: Tensor, positions: Tensor, mask: Tensor, record: Recorder) -> Tensor:
        """``words`` [B, S, H], ``positions`` [B, 2, S] -> normalised output [B, S, H]."""
        h = words + self.position_embeddings(positions[:, 0])
        h = F.dropout(h + self.block_position_embeddings(positions[:, 1]), self.dropout, self.training)
        for number, block in enumerate(record.patch.blocks or self.layers, start=1):
            h = block(record.residual(number - 1, h), mask, record, number)
        h = record.residual(len(self.layers), h)
        return record.hidden(len(self.layers), self.final_layernorm(h))


class GLM(nn.Module):
    """The language model: word embeddings, transformer, tied output projection."""

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        self.config = config
        width = config.factorised or config.width
        self.word_embeddings = nn.Embedding(config.vocab, width)
        self.transformer = Transformer(config)
        if config.factorised is not None:
            self.compress_emb_mlp = nn.Linear(config.factorised, config.width)
            self.decompress_emb_mlp = nn.Linear(config.width, config.factorised)
        if config.trigram is not None:
            self.ib_emb_mlp = nn.Linear(3 * config.trigram, config.width)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw every parameter anew: N(0, std), output projections N(0, std / sqrt(2 layers))."""
        std = self.config.init_std
        scaled = std / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if "layernorm" in name or name.endswith("bias"):
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            elif name.endswith(("attention.dense.weight", "dense_4h_to_h.weight")):
                parameter.normal_(0.0, scaled)
            else:
                parameter.normal_(0.0, std)

    def forward(
        self, tokens: Tensor, positions: Tensor, mask: Tensor, record: Recorder | None = None
    ) -> Tensor:
        """Run the model up to the input of the output projection.

        Args:
            tokens: int64 [B, S].
            positions: int64 [B, 2, S], position and block position.
            mask: bool [B, 1, S, S], see :func:`prefix_mask`.
            record: keeps the features that an objective asks for.

        Returns:
            [B, S, D]; multiply by ``word_embeddings.weight.T`` for the logits.
        """
        record = record or Recorder(frozenset())
        out = self.transformer(self._embed(tokens, mask), positions, mask, record)
        return out if self.config.factorised is None else self.decompress_emb_mlp(out)

    def _embed(self, tokens: Tensor, mask: Tensor) -> Tensor:
        words = self.word_embeddings(tokens)
        if self.config.trigram is not None:
            return self.ib_emb_mlp(_trigram(words[..., : self.config.trigram], mask))
        return words if self.config.factorised is None else self.compress_emb_mlp(words)


def _trigram(words: Tensor, mask: Tensor) -> Tensor:
    """Concatenate next, current and previous word of each position (MobileBERT).

    The next word is shown only where the mask allows looking at it; elsewhere the word two
    back stands in, so that part B stays causal.
    """
    length = words.shape[1]
    padded = F.pad(words, (0, 0, 2, 1))
    following, previous, before_that = (padded[:, k : k + length] for k in (3, 1, 0))
    sees_next = F.pad(torch.diagonal(mask[:, 0], offset=1, dim1=1, dim2=2), (0, 1))
    following = torch.where(sees_next[..., None], following, before_that)
    return torch.cat((following, words, previous), dim=-1)
