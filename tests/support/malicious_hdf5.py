"""Small ODIM composites: valid ones, and hostile ones that the reader must refuse."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CODES = np.array([[65535, 1, 2], [0, 10, 4000]], np.uint16)
"""The field of the composite, north first as in the file."""

ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "what": {"date": b"20250923", "time": b"004000"},
    "dataset1/what": {
        "product": b"COMP",
        "prodname": b"RW",
        "startdate": b"20250922",
        "starttime": b"234000",
        "enddate": b"20250923",
        "endtime": b"004000",
    },
    "dataset1/data1/what": {"quantity": b"ACRR", "gain": 0.1, "offset": 0.0, "nodata": 65535.0, "undetect": 0.0},
    "how": {"nodes": b"'deasb','deboo'", "software": b"RADOLAN"},
}


def deflated_zeros(megabytes: int) -> bytes:
    """Return as many million zeros as zlib packs them: one million, compressed once, many times over."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    stream = piece * megabytes + b"\x03\x00"
    checksum = (megabytes * 1_000_000 % 65_521) << 16 | 1  # Adler-32 of zeros (RFC 1950)
    return b"\x78\xda" + stream + checksum.to_bytes(4, "big")


def small_composite(
    codes: Any = CODES, *, without: str = "", edit: Callable[[Any], object] = lambda _: None, **changes: Any
) -> bytes:
    """Return a composite.

    `without` names a group, data set or attribute to leave out, `changes` are other attributes, and `edit` changes
    the open file at the end.
    """
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        for group, attributes in ATTRIBUTES.items():
            place = file.require_group(group)
            for name, value in attributes.items():
                new = changes.get(name, value)
                place.attrs[name] = np.bytes_(new) if isinstance(new, bytes) else new  # of fixed length
                if name == without:
                    del place.attrs[name]
        file["dataset1/data1/data"] = codes
        if without in file:
            del file[without]
        edit(file)
    return made.getvalue()


def _replaced(make: Callable[[Any], object]) -> bytes:
    """Return a composite whose data group gets its field from `make`."""

    def edit(file: Any) -> None:
        del file["dataset1/data1/data"]
        make(file["dataset1/data1"])

    return small_composite(edit=edit)


def _external(target: str) -> bytes:
    return _replaced(lambda group: group.create_dataset("data", (2, 3), "u2", external=[(target, 0, 12)]))


def _virtual(target: str) -> bytes:
    layout = h5py.VirtualLayout((2, 3), "u2")
    layout[:] = h5py.VirtualSource(target, "data", (2, 3))
    return _replaced(lambda group: group.create_virtual_dataset("data", layout))


def _linked(path: str, link: Any) -> bytes:
    def edit(file: Any) -> None:
        del file[path]
        file[path] = link

    return small_composite(edit=edit)


def _crowded(target: str) -> bytes:
    del target

    def edit(file: Any) -> None:
        for number in range(1_001):
            file["how"].attrs[f"a{number}"] = 0

    return small_composite(edit=edit)


def _crowded_group(target: str) -> bytes:
    del target

    def edit(file: Any) -> None:
        for number in range(1_001):
            file["dataset1"][f"a{number}"] = h5py.SoftLink("/")

    return small_composite(edit=edit)


def _large_chunk(target: str) -> bytes:
    del target

    def make(group: Any) -> None:
        options = {"maxshape": (None, None), "chunks": (8_000, 8_000), "compression": "gzip"}
        field = group.create_dataset("data", (2, 3), "u2", **options)
        field.id.write_direct_chunk((0, 0), deflated_zeros(128))

    return _replaced(make)


def _bomb(target: str, **options: Any) -> bytes:
    """Return a composite on a grid of DWD's, because opening a file of an unknown grid inflates no chunk."""
    del target

    def make(group: Any) -> None:
        field = group.create_dataset("data", (1200, 1100), "u2", chunks=(1, 1100), compression="gzip", **options)
        field.id.write_direct_chunk((1, 0), deflated_zeros(100))

    return _replaced(make)


def _twice(target: str) -> bytes:
    del target

    def make(group: Any) -> None:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((2, 3))
        made.set_deflate(9)
        made.set_filter(h5py.h5z.FILTER_DEFLATE, h5py.h5z.FLAG_MANDATORY, (9,))
        h5py.h5d.create(group.id, b"data", h5py.h5t.STD_U16LE, h5py.h5s.create_simple((2, 3)), made)

    return _replaced(make)


HOSTILE_HDF5: Mapping[str, tuple[Callable[[str], bytes], str]] = {
    "a field stored in another file": (_external, "its field is stored in other files"),
    "a virtual field": (_virtual, "its field is stored in other files"),
    **{
        f"{kind} link at {path}": (
            lambda target, path=path, make=make: _linked(path, make(target)),  # type: ignore[misc]
            f"{path} is a link to another place",
        )
        for kind, make in (
            ("an external", lambda target: h5py.ExternalLink(target, "/")),
            ("a soft", lambda _: h5py.SoftLink("/")),
        )
        for path in ("dataset1", "dataset1/data1/data", "dataset1/data1/what", "what", "how")
    },
    "a field of six cells in a chunk of 128 MB": (_large_chunk, "data has chunks of 128.0 MB"),
    "a chunk that inflates to 100 MB": (
        _bomb,
        "a chunk of its dataset1/data1/data inflates to more than its 2 kB",
    ),
    "a shuffled chunk that inflates to 100 MB": (
        lambda target: _bomb(target, shuffle=True, fletcher32=True),
        "a chunk of its dataset1/data1/data inflates to more than its 2 kB",
    ),
    "a field that is deflated twice": (_twice, "its dataset1/data1/data is packed twice"),
    "a thousand attributes": (_crowded, "how has more than 1,000 entries"),
    "a thousand links": (_crowded_group, "dataset1 has more than 1,000 entries"),
}
"""Each kind's maker, which takes the file that it points to, and what the error must say."""
