"""`Fingerprint`: whether data changed, by the xor of its chunks."""

from atomik._atomik import AtomikContext, xor_chunks
from atomik.errors import GeometryError

__all__ = ["Fingerprint"]

Bytes = bytes | bytearray | memoryview


class Fingerprint:
    """The xor of all chunks of some data, and how it differs from that of the reference data.

    A chunk has `width // 8` bytes, little-endian; the last is padded with zeros. Different data may
    have the same fingerprint, and somebody who wants that can arrange it: it is no hash.
    """

    __slots__ = ("_context",)

    def __init__(self, width: int = 64) -> None:
        if width < 8:
            raise GeometryError(f"a width of {width} bits holds no byte; choose 8 or more")
        self._context = AtomikContext(width)

    def _xor(self, data: Bytes) -> int:
        # The flat view also takes arrays of several dimensions.
        flat = memoryview(data).cast("B")
        return int.from_bytes(xor_chunks(bytes(flat), self._context.width // 8), "little")

    def load(self, data: Bytes) -> int:
        """Makes this the reference data. Returns its fingerprint."""
        value = self._xor(data)
        self._context.load(value)
        return value

    def update(self, data: Bytes) -> int:
        """Makes this the current data. Returns its fingerprint."""
        value = self._xor(data)
        self._context.accum(self._context.read() ^ value)
        return value

    def accumulate_delta(self, old_chunk: int, new_chunk: int) -> None:
        """Takes the change of one chunk of the current data."""
        self._context.accum(old_chunk ^ new_chunk)

    def reset(self) -> None:
        """Makes the reference data the current data."""
        self._context.load(self._context.reference)

    @property
    def changed(self) -> bool:
        """Whether the fingerprint differs from that of the reference data."""
        return not self._context.is_clean

    @property
    def delta(self) -> int:
        """The xor of both fingerprints."""
        return self._context.accumulator

    @property
    def value(self) -> int:
        """The fingerprint of the current data."""
        return self._context.read()

    def __repr__(self) -> str:
        width = self._context.width
        return (
            f"Fingerprint(value=0x{self.value:0{-(-width // 4)}x}, changed={self.changed}, "
            f"width={width})"
        )
