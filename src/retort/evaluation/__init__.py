"""Predictions, official metrics, gates and the table of scores."""
