"""Data: sources, text, examples, batches."""
