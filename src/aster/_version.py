"""The version of Aster, told by what is installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("aster-research")
except PackageNotFoundError:
    VERSION = "0+source"
"""As in "0.1.0"; "0+source" for a checkout that is not installed."""
