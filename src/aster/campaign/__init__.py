"""A campaign: its budget, its decisions (pure) and the loop that carries them out."""
