"""What the numbers prove: noise, the design of a claim, and its verdict."""
