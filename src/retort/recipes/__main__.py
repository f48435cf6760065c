"""Print the page of a paper's methods: ``python -m retort.recipes [glmd | cka | atkd]``, else ``glmd``."""

from __future__ import annotations

import argparse

from retort.quirks import ATKD_LEDGER, CKA_LEDGER, LEDGER
from retort.recipes import atkd, cka, glmd
from retort.recipes.describe import page
from retort.recipes.symbols import SYMBOLS, TEXT_SYMBOLS

PAGES = {
    "glmd": lambda: page(glmd.METHODS, LEDGER, SYMBOLS),
    "cka": lambda: page(cka.METHODS, CKA_LEDGER, TEXT_SYMBOLS),
    "atkd": lambda: page(atkd.METHODS, ATKD_LEDGER, TEXT_SYMBOLS),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paper", nargs="?", choices=PAGES, default="glmd")
    print(PAGES[parser.parse_args().paper](), end="")
