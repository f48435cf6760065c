"""Exhibits of the CKA paper (Dasgupta and Cohn, ICLR 2025)."""
