"""EER files bit by bit, written without the library that reads them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

Event = tuple[int, int, int, int]  # row, column, and place inside the pixel: row and column of 4

# compression -> bits of the run length, of the vertical and of the horizontal place
CODECS = {65000: (8, 2, 2), 65001: (7, 2, 2), 65002: (7, 1, 1)}


def encode(events: Sequence[Event], shape: tuple[int, int], compression: int) -> bytes:
    """Return the bit stream of a frame."""
    run_bits, v_bits, h_bits = CODECS[compression]
    go_on = (1 << run_bits) - 1
    bits: list[int] = []

    def put(value: int, count: int) -> None:
        bits.extend((value >> bit) & 1 for bit in range(count))

    def run(length: int) -> None:
        while length >= go_on:
            put(go_on, run_bits)
            length -= go_on
        put(length, run_bits)

    pixel = 0
    for row, column, sub_row, sub_column in sorted(events):
        place = row * shape[1] + column
        run(place - pixel)
        pixel = place + 1
        v, h = sub_row >> (2 - v_bits), sub_column >> (2 - h_bits)
        put(h ^ (1 << (h_bits - 1)), h_bits)
        put(v ^ (1 << (v_bits - 1)), v_bits)
    run(shape[0] * shape[1] - pixel)
    bits.extend([0] * (-len(bits) % 8))
    stream = bytes(sum(bit << place for place, bit in enumerate(bits[i : i + 8])) for i in range(0, len(bits), 8))
    return stream + bytes(-len(stream) % 4)


def write_eer(
    path: Path,
    frames: Sequence[Sequence[Event]],
    shape: tuple[int, int],
    compression: int = 65001,
    metadata: str = "",
    *,
    sum_first: bool = False,
) -> None:
    """Write a BigTIFF with one directory a frame, each behind its data; `sum_first` puts a plain image in front."""
    out = bytearray(b"II+\0" + struct.pack("<HHQ", 8, 0, 0))
    link = 8
    pages = [(encode(frame, shape, compression), compression) for frame in frames]
    if sum_first:
        pages.insert(0, (bytes(shape[0] * shape[1]), 1))
    for data, kind in pages:
        offset = len(out)
        out += data
        out += bytes(-len(out) % 8)
        tags = {
            256: (4, 1, struct.pack("<Q", shape[1])),
            257: (4, 1, struct.pack("<Q", shape[0])),
            258: (3, 1, struct.pack("<Q", 8)),
            259: (3, 1, struct.pack("<Q", kind)),
            262: (3, 1, struct.pack("<Q", 1)),
            273: (16, 1, struct.pack("<Q", offset)),
            277: (3, 1, struct.pack("<Q", 1)),
            278: (4, 1, struct.pack("<Q", shape[0])),
            279: (16, 1, struct.pack("<Q", len(data))),
        }
        if metadata and kind != 1:
            text = metadata.encode()
            text += bytes(-len(text) % 8 or 8)
            tags[65001] = (7, len(text), struct.pack("<Q", len(out)))
            out += text
        if kind == 65002:
            run_bits, v_bits, h_bits = CODECS[kind]
            tags |= {n: (3, 1, struct.pack("<Q", v)) for n, v in ((65007, run_bits), (65008, h_bits), (65009, v_bits))}
        place = len(out)
        out[link : link + 8] = struct.pack("<Q", place)
        out += struct.pack("<Q", len(tags))
        for number in sorted(tags):
            kind_, count, value = tags[number]
            out += struct.pack("<HHQ", number, kind_, count) + value
        link = len(out)
        out += bytes(8)
    path.write_bytes(out)
