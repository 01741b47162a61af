"""What the pack's programs share: the data's layout, mutants as arrays, metrics, averages, scores, models."""
