"""Reading and writing files: each format knows itself by its content, writes whole or not at all."""
