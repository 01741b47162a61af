"""Trying a problem before a campaign: its noise, its cost, and what its evaluator lets through."""
