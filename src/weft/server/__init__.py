"""The browser's other end."""
