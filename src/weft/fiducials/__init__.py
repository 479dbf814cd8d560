"""Find gold beads."""
