"""Dynamic time warping distances, a module for each surface."""
