"""Distillation objectives as values, and how they are computed."""
