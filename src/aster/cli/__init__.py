"""The command line: thin commands over `aster.app`. Whatever is heavy is imported inside a command."""
