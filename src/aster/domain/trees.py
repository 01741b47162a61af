"""File trees as content-addressed blobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from aster.domain.ids import blob_id


def pack_tree(files: Mapping[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """Return (tree, blobs): the blob id of a JSON object path -> blob id, and every blob with its content."""
    blobs = {blob_id(data): data for data in files.values()}
    manifest = msgspec.json.encode({path: blob_id(data) for path, data in files.items()}, order="deterministic")
    tree = blob_id(manifest)
    return tree, {**blobs, tree: manifest}


def unpack_tree(tree: str, get_blob: Callable[[str], bytes]) -> dict[str, bytes]:
    """Return the files of a tree, path -> content; `get_blob` gives a blob's content, or raises."""
    manifest = msgspec.json.decode(get_blob(tree), type=dict[str, str])
    return {path: get_blob(blob) for path, blob in manifest.items()}
