"""What is known about a project, on disk: records, decisions, keys, locks."""
