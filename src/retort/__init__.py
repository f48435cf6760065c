"""Retort: re-run language-model distillation papers and judge their claims."""

__version__ = "0.1.0"
