"""Movies with known truth."""
