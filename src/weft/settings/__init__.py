"""Settings: one schema, from which files, flags, forms and docs are made."""
