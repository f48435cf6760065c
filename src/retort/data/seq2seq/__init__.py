"""Summarisation and translation: official files, hub rows, how texts become sequences."""
