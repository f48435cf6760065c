"""What the switches of the ledger do: each takes a method as it was run and gives another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from retort.distill.distances import Distance, SoftCrossEntropy
from retort.distill.edits import ReplaceBlocks, ReplaceSomeBlocks, SwapResiduals, SwapTokens
from retort.distill.ensembles import Policy, Reinforce, RouteByEntropy, RouteToMeans
from retort.distill.lenses import Log, Project
from retort.distill.objective import Objective, Term
from retort.distill.schedules import MeanOverPairs, Schedule
from retort.recipes import Cut, Method, Step
from retort.stages import Compression, SlicedCompression

Change = Callable[[Method], Method]


def each_objective(change: Callable[[Objective], Objective]) -> Change:
    """The change made to the objective of every step, whichever way the method goes."""

    def stepped(step: Step) -> Step:
        return replace(step, objective=change(step.objective))

    def changed(method: Method) -> Method:
        chain = method.chain
        return replace(
            method,
            steps=tuple(map(stepped, method.steps)),
            unequal=tuple(map(stepped, method.unequal)),
            chain=chain and replace(chain, links=tuple(map(stepped, chain.links))),
        )

    return changed


def each_term(change: Callable[[Term], Term]) -> Change:
    """The change made to every term of every step."""
    return each_objective(lambda objective: objective.each(change))


# Terms


def mean_over_valid(term: Term) -> Term:
    """Divide by the positions that count; distances by batch do so anyway."""
    return replace(term, norm="valid") if term.mask != "none" and isinstance(term.by, Distance) else term


def squared_temperature(term: Term) -> Term:
    """T^2 on a soft cross-entropy."""
    if isinstance(term.by, SoftCrossEntropy) and term.by.temperature != 1:
        return replace(term, by=replace(term.by, squared=True))
    return term


def on_probabilities(term: Term) -> Term:
    """Logarithms of attention probabilities, whose softmax is the probabilities again."""
    return replace(term, via=(Log(), *term.via)) if term.site == "probs" else term


def fifth_of_features(term: Term) -> Term:
    """The weight that ALP-KD's command gives its features."""
    return replace(term, weight=0.2) if term.site == "hidden" else term


def mean_over_layers(term: Term) -> Term:
    """The mean over layer pairs instead of their sum."""
    if term.site != "hidden":
        return term
    assert not isinstance(term.weight, Schedule)
    return replace(term, weight=term.weight * MeanOverPairs())


def all_real_positions(term: Term) -> Term:
    """Means over all real positions, masked words or not."""
    return replace(term, mask="valid", norm="valid") if term.mask != "none" else term


def halved(term: Term) -> Term:
    """Half of a loss."""
    return replace(term, weight=0.5)


def projections_by_layer(term: Term) -> Term:
    """A projection of its own for each layer pair."""
    via = tuple(replace(step, per_layer=True) if isinstance(step, Project) else step for step in term.via)
    return replace(term, via=via)


# Edits and ensembles


def some_student_blocks(objective: Objective) -> Objective:
    """Draw again where no student block was kept."""
    edit = objective.edit
    if isinstance(edit, ReplaceBlocks):
        return replace(objective, edit=ReplaceSomeBlocks(edit.keep))
    return objective


def swapped_residuals(objective: Objective) -> Objective:
    """Exchange the residual stream."""
    edit = objective.edit
    return replace(objective, edit=SwapResiduals(edit.share)) if isinstance(edit, SwapTokens) else objective


def reinforce(objective: Objective) -> Objective:
    """The policy gradient, and a mean over the chosen teachers."""
    ensemble = objective.ensemble
    if isinstance(ensemble, Policy):
        return replace(objective, ensemble=Reinforce(ensemble.weight, ensemble.choices))
    return objective


def route_to_means(objective: Objective) -> Objective:
    """Each teacher's mean over its own examples."""
    routed = isinstance(objective.ensemble, RouteByEntropy)
    return replace(objective, ensemble=RouteToMeans()) if routed else objective


# Starts


def cut_by_projection(method: Method) -> Method:
    """Cut query, key and value each by itself."""
    if method.start != "truncate" or not isinstance(method.cut, Cut):
        return method
    return replace(method, cut=replace(method.cut, fused=False))


def cut_from_pretrained(method: Method) -> Method:
    """Cut the student out of the teacher as it was before fine-tuning."""
    assert isinstance(method.cut, Cut)
    return replace(method, cut=replace(method.cut, source="pretrained"))


def sliced_words(method: Method) -> Method:
    """Start a compressed vocabulary from the teacher's embeddings."""
    old = method.compression
    if old is None:
        return method
    return replace(method, compression=_sliced(old))


def _sliced(old: Compression) -> SlicedCompression:
    return SlicedCompression(old.ratio, old.similarity, old.reserved_targets, old.multiple_of)
