"""`AtomikTable`, under the name of the module that it has in the package atomik-core."""

from atomik._atomik import AtomikTable

__all__ = ["AtomikTable"]
