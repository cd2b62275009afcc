"""VariableTexts of variable length in the attributes of an HDF5 file, read from its bytes within their bounds.

HDF5 reserves and fills the length that such a text claims, up to 4 GB, before it compares the claim with the file,
and no function of HDF5 returns the claim. This module follows what ordinary writers create (netCDF4, h5netcdf,
h5py, xarray): headers of objects of both versions, attributes in them or in a heap with an index of at most two
levels, and the global heap. What it does not find, or what contradicts itself, is None.
Source: The HDF Group, "HDF5 File Format Specification Version 3.0", sections III and IV.
"""

from __future__ import annotations

import struct
from struct import unpack_from
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST = 1 << 16  # bytes of a text, and of an attribute in a heap
_HEADER = 1 << 20  # bytes of an object's header with its continuations
_MOST = 4096  # objects of a collection: one of 64 KiB, the largest that HDF5 extends, holds 2,700 at most
_BLOCKS = 64  # continuations of a header
_ATTRIBUTES, _CONTINUATION, _ATTRIBUTE = 0x15, 0x10, 0x0C  # types of messages, IV.A.2
_SHARED = 2  # flag of a message whose data lie elsewhere
_VARIABLE = 9  # class of types of variable length, IV.A.2.d


class VariableTexts:
    """The texts of variable length of one file.

    Parameters
    ----------
    image : bytes
        The whole file.
    """

    def __init__(self, image: bytes) -> None:
        self._image = image
        self._found: dict[int, dict[bytes, tuple[int, int, int]]] = {}

    def read(self, address: int, name: str) -> bytes | None:
        """Return the text of an attribute.

        Parameters
        ----------
        address : int
            Where the header of the attribute's object begins, as `h5py.h5o.get_info` returns it.
        name : str
            Of the attribute, which HDF5 has found to be one text of variable length.

        Returns
        -------
        bytes or None
            None for a text that is longer than 64 KiB, that the file does not hold in the claimed length, or whose
            place is not one that ordinary writers use.
        """
        try:
            if address not in self._found:
                self._found[address] = dict(_references(self._image, address))
            reference = self._found[address].get(name.encode())
            return None if reference is None else _from_global_heap(self._image, *reference)
        except (struct.error, IndexError):  # beyond the end
            return None


def _references(image: bytes, address: int) -> Iterator[tuple[bytes, tuple[int, int, int]]]:
    """Yield names of attributes of variable length: length, collection and number of each text (IV.A.2.m)."""
    if not _is_ordinary(image):
        return
    for message in _attributes(image, address):
        version, _, *sizes = unpack_from("<BBHHH", message)
        at = 8 + (version == 3)
        places = []
        for size in sizes:
            places.append(at)
            at += -(-size // 8) * 8 if version == 1 else size
        if message[places[1]] & 15 == _VARIABLE:
            name = message[places[0] : places[0] + sizes[0]].partition(b"\0")[0]
            yield name, unpack_from("<IQI", message, at)


def _is_ordinary(image: bytes) -> bool:
    """Return whether addresses begin at the first byte and have eight bytes, like lengths (II.A)."""
    version = image[8]
    sizes, base = (13, 24 + 4 * (version == 1)) if version < 2 else (9, 12)
    return image[sizes : sizes + 2] == b"\x08\x08" and unpack_from("<Q", image, base)[0] == 0


def _attributes(image: bytes, address: int) -> Iterator[bytes]:
    """Yield the messages of an object's attributes."""
    for kind, data in _messages(image, address):
        if kind == _ATTRIBUTE:
            yield data
        elif kind == _ATTRIBUTES:
            skipped = 2 + 2 * (data[1] & 1)
            heap, index = unpack_from("<QQ", data, skipped)
            if index < len(image):
                yield from _from_heap(image, heap, index)


def _messages(image: bytes, address: int) -> Iterator[tuple[int, bytes]]:
    """Yield type and data of the messages of an object's header (IV.A.1)."""
    tracked = 0
    if image[address : address + 4] == b"OHDR":
        flags = image[address + 5]
        tracked = 2 * bool(flags & 4)
        at = address + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        wide = 1 << (flags & 3)
        blocks = [(at + wide, int.from_bytes(image[at : at + wide], "little"))]
        head = 4 + tracked
    else:
        blocks = [(address + 16, unpack_from("<I", image, address + 8)[0])]
        head = 8
    left = _HEADER
    for begin, size in blocks:  # which grows
        at, end = begin, min(begin + size, len(image))
        left -= max(end - at, 0)
        if left < 0:
            return
        while at + head <= end:
            kind, length, flags = unpack_from("<BHB" if head < 8 else "<HHB", image, at)
            data = image[at + head : min(at + head + length, end)]
            at += head + length
            if flags & _SHARED:
                continue
            if kind == _CONTINUATION and len(blocks) < _BLOCKS:
                place, whole = unpack_from("<QQ", data)
                mark = 4 * (head < 8)  # bytes of a signature, and of a checksum
                blocks.append((place + mark, whole - 2 * mark))
            else:
                yield kind, data


def _from_global_heap(image: bytes, length: int, heap: int, number: int) -> bytes | None:
    """Return an object of a collection of texts if it has the claimed length (III.E)."""
    if not length:
        return b""
    if length > _LONGEST or image[heap : heap + 4] != b"GCOL":
        return None
    at, end = heap + 16, min(heap + unpack_from("<Q", image, heap + 8)[0], len(image))
    for _ in range(_MOST):
        if at + 16 > end:
            break
        found, _, size = unpack_from("<HH4xQ", image, at)
        if found == number and number:
            whole = size == length and at + 16 + size <= end
            return image[at + 16 : at + 16 + size].partition(b"\0")[0] if whole else None
        at += 16 + -(-size // 8) * 8
    return None


def _from_heap(image: bytes, heap: int, index: int) -> Iterator[bytes]:
    """Yield the messages of attributes that lie in a fractal heap, in the order of its index (III.G)."""
    wide, filters = unpack_from("<HH", image, heap + 5)
    if image[heap : heap + 4] != b"FRHP" or filters:
        return
    table = _Table(image, heap)
    for at in _records(image, index):
        key, flags = image[at : at + wide], image[at + wide]
        split = 1 + table.offset_bytes
        offset, size = int.from_bytes(key[1:split], "little"), int.from_bytes(key[split:], "little")
        if key[0] & 0x30 or flags & _SHARED or size > _LONGEST:  # not in the heap's blocks
            continue
        if (place := table.place(offset)) is not None:
            yield image[place : place + size]


def _records(image: bytes, index: int) -> Iterator[int]:
    """Yield the places of the records of an index of attributes by name, of one or two levels (III.A.2)."""
    kind, node, length, depth = unpack_from("<BIHH", image, index + 5)
    root, count = unpack_from("<QH", image, index + 16)
    if image[index : index + 4] != b"BTHD" or kind != 8 or depth > 1 or not length:
        return
    leaves = [(root, count)]
    if depth:
        yield from range(root + 6, root + 6 + count * length, length)
        width = (((node - 10) // length).bit_length() + 7) // 8  # of a number of records
        first = root + 6 + count * length
        leaves = [
            (unpack_from("<Q", image, at)[0], int.from_bytes(image[at + 8 : at + 8 + width], "little"))
            for at in range(first, first + (count + 1) * (8 + width), 8 + width)
        ]
    for leaf, many in leaves[:_BLOCKS]:
        if image[leaf : leaf + 4] == b"BTLF":
            yield from range(leaf + 6, leaf + 6 + min(many, _MOST) * length, length)


class _Table:
    """Where the blocks of a fractal heap lie."""

    def __init__(self, image: bytes, heap: int) -> None:
        self._image = image
        numbers: tuple[int, ...] = unpack_from("<HQQHHQH", image, heap + 110)
        self._width, self._first, _, bits, _, self._root, self._rows = numbers
        self.offset_bytes = -(-bits // 8)

    def place(self, offset: int) -> int | None:
        """Return the place of a heap's offset in the file."""
        if not self._rows:
            return self._root + offset
        begin = 0
        for row in range(min(self._rows, 8)):  # of blocks that hold data: up to 64 KiB each
            size = self._first << max(row - 1, 0)
            if offset < begin + size * self._width:
                column = (offset - begin) // size
                at = self._root + 13 + self.offset_bytes + 8 * (row * self._width + column)
                if self._image[self._root : self._root + 4] != b"FHIB":
                    return None
                block: int = unpack_from("<Q", self._image, at)[0]
                return block + offset - begin - column * size
            begin += size * self._width
        return None
