"""The claims of a paper, and what a finished run says to each of them."""
