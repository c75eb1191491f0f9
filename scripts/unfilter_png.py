"""Writes a PNG of flat areas and text smaller: unfilter_png.py PICTURE SMALLER.

A filter of PNG helps photographs. Rows that are stored as they are compress a quarter better here.
The pixels stay the same. Only pictures as browsers make them: 8 bits, RGB or RGBA, not interlaced.
"""

import struct
import sys
import zlib


def chunks(data):
    """The chunks of a PNG file: type and content."""
    at = 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def paeth(left, up, corner):
    """The neighbour that is nearest to left + up - corner (PNG specification, section 9.4)."""
    guess = left + up - corner
    return min((left, up, corner), key=lambda near: abs(guess - near))


def rows(raw, stride, pixel):
    """The rows of an image without their filters."""
    above = bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for x in range(stride if kind else 0):
            left, corner = (row[x - pixel], above[x - pixel]) if x >= pixel else (0, 0)
            up = above[x]
            guesses = left, up, (left + up) // 2, paeth(left, up, corner)
            row[x] = (row[x] + guesses[kind - 1]) % 256
        yield row
        above = row


def main():
    source, destination = sys.argv[1:]
    with open(source, "rb") as file:
        data = file.read()
    found = list(chunks(data))
    width, _, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", found[0][1])
    if depth != 8 or colour not in (2, 6) or interlaced:
        sys.exit(f"unfilter_png: {source}: not a picture of 8 bits, RGB or RGBA, not interlaced")
    pixel = 3 if colour == 2 else 4
    raw = zlib.decompress(b"".join(content for kind, content in found if kind == b"IDAT"))
    plain = b"".join(b"\0" + row for row in rows(raw, width * pixel, pixel))
    with open(destination, "wb") as file:
        file.write(data[:8])
        for kind, content in (found[0], (b"IDAT", zlib.compress(plain, 9)), (b"IEND", b"")):
            body = kind + content
            file.write(struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body)))


if __name__ == "__main__":
    main()
