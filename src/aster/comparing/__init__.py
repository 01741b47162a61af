"""Two candidates, or two files of results, beside each other: `aster compare`."""
