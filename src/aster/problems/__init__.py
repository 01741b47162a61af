"""Finding, reading and checking problem folders, and judging scores by their rules."""
