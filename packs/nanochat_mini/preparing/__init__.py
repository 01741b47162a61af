"""Text to packed rows: found or downloaded, encoded, packed, written."""
