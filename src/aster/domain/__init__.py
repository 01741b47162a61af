"""Frozen records and pure rules; imports nothing else of Aster."""
