"""`AtomikContext`, under the name of the module that it has in the package atomik-core."""

from atomik._atomik import AtomikContext

__all__ = ["AtomikContext"]
