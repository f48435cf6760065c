"""Print the page of the methods: ``python -m retort.recipes > docs/methods.md``."""

from __future__ import annotations

from retort.recipes.describe import page
from retort.recipes.glmd import METHODS

if __name__ == "__main__":
    print(page(METHODS), end="")
