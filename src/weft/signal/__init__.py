"""Arrays without torch: cropping, scaling, filling, pictures."""
