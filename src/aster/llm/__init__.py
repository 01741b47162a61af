"""Language models: one way to ask them, prices, pools, limits; deterministic fakes are in `aster.testing`."""
