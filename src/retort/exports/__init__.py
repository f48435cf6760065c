"""Finished models as folders for other programs: weights, tokenizer, model card."""
