"""Files for the next program."""
