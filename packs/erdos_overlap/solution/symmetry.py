"""Surface "symmetry": what every function is made to satisfy before it is judged."""

from steps import Array


def shaped(h: Array) -> Array:
    """The heights as they are."""
    return h
