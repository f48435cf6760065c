"""The tasks of GLUE: official files, hub rows, metrics' names."""
