"""`DeltaMessage` and `DeltaStream`, under the name of their module in the package atomik-core."""

from atomik._atomik import DeltaMessage, DeltaStream

__all__ = ["DeltaMessage", "DeltaStream"]
