"""Input that nobody sends on purpose: to every endpoint, to the parsers, and in the answers of portals (README.md)."""
