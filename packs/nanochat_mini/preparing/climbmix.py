"""The text of the benchmark: names of its shards, and where they are."""

from __future__ import annotations

HUB = "https://huggingface.co/datasets/karpathy/climbmix-400b-shuffle/resolve/main"
LAST_SHARD = 6542
"""The one that validation is pinned to."""


def shards(count: int) -> list[str]:
    """Names of the first `count` shards, and of the one for validation, which comes last."""
    return [f"shard_{index:05d}.parquet" for index in [*range(min(count, LAST_SHARD)), LAST_SHARD]]
