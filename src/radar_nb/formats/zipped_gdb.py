"""A FileGDB in a zip, as DWD publishes catalogues: a folder of tables that GDAL reads without unpacking it."""

from __future__ import annotations

import io
import zipfile
import zlib

_LIMIT = 4 << 30  # bytes of all tables, unpacked


def is_whole_gdb(data: bytes) -> bool:
    """Return whether the bytes are a zip with the tables of one FileGDB, each with its checksum.

    Examples
    --------
    >>> is_whole_gdb(b"<html>")
    False
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            tables = [info.filename for info in members if info.filename.endswith(".gdbtable")]
            folders = {name.rpartition("/")[0] for name in tables}
            if len(folders) != 1 or sum(info.file_size for info in members) > _LIMIT:
                return False
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        return False
