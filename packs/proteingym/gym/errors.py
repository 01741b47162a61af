"""What is wrong with what the user gave."""

from __future__ import annotations


class GymError(Exception):
    """Bad input; the message is one paragraph for people, and says what to do."""
