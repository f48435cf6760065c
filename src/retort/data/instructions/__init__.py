"""Instruction data: official files, hub rows, prompts as the ATKD authors write them."""
