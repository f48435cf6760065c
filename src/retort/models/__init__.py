"""Model families behind one narrow interface."""
