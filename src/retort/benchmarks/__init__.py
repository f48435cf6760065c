"""How long training steps take, and word losses beside those of other packages."""
