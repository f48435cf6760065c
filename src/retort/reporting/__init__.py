"""Tables, figures and the page: what a run found, beside what the paper printed."""
