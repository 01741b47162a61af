"""Surface "polish": the last step, whose result is written."""

from steps import Array


def finish(h: Array) -> Array:
    """The function as the search left it."""
    return h
