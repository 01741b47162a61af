"""Token shards: brought from the hub, taken from a folder, or made of any text."""
