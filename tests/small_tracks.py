"""Small tracks of a paper on transformers models, with what models and their tasks need, and no more."""

from retort.config.texts import Decoding, TextModel, TextPaper, TextTask, Track


def text_model(family, layers, width):
    return TextModel(
        encoder_layers=layers,
        decoder_layers=0 if family == "bert" else layers,
        width=width,
        heads=2,
        inner=2 * width,
        positions=40,
        dropout=0.0,
    )


def decoding(max_length, beams=1):
    return Decoding.model_construct(
        beams=beams, max_length=max_length, min_length=0, length_penalty=1.0, no_repeat_ngram=0,
        early_stopping=False,
    )  # fmt: skip


def text_task(source, target=None, beams=1):
    search = None if target is None else decoding(target, beams)
    return TextTask.model_construct(source=source, target=target, decoding=search)


def track(family, sizes, tasks, **more):
    """``sizes``: layers and width by symbol, the teacher first."""
    models = {symbol: text_model(family, *size) for symbol, size in sizes.items()}
    return Track.model_construct(
        family=family,
        models=models,
        teachers=tuple(sizes)[:1],
        tasks=tasks,
        **({"import_teacher": {}} | more),
    )


def paper(**tracks):
    return TextPaper.model_construct(tracks=tracks)
