"""Directions: which to open, which to fund, which to retire."""
