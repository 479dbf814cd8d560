"""One pass over the frames of a movie: open, prepare, bin, sum."""
