"""Print the JSON schema of the configuration as YAML: ``python -m retort.config > config/schema.yaml``."""

from __future__ import annotations

import yaml

from retort.config.loading import schema

if __name__ == "__main__":
    print("# Written by `make schema` from src/retort/config/model.py; do not edit.")
    print(yaml.safe_dump(schema(), sort_keys=False, allow_unicode=True, width=110), end="")
