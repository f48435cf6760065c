"""Hugging Face models: adapters, students cut out of teachers, exports."""
