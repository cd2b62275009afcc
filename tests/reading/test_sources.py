"""Sources: foreign files are skipped and reported, and errors state the reason and the remedy."""

from __future__ import annotations

import gzip
import tarfile
from typing import TYPE_CHECKING

import pytest
import xarray as xr
from support.frames import frame, save
from support.malicious_archives import entry, tar, tar_of

import radar_nb as rn
from radar_nb.errors import FrameError, NothingFound, SettingsError
from radar_nb.exports.rasters import netcdf_bytes
from radar_nb.formats.index import Problem
from radar_nb.reading.sources import find_files

if TYPE_CHECKING:
    from pathlib import Path

FOREIGN = {
    "README.pdf": b"%PDF-1.7\n" + b"\x00" * 600,
    "README.txt": b"These are the frames of June.\n",
    "Thumbs.db": b"\xd0\xcf\x11\xe0" + b"\x00" * 600,
    ".DS_Store": b"\x00\x00\x00\x01Bud1",
    "._frame-000": b"\x00\x05\x16\x07" + b"\x00" * 100,
    "empty": b"",
    "index.html": b"<html><body>Index of /radolan</body></html>",
}


ARCHIVES = {
    "photos.tar.gz": gzip.compress(tar_of([("photo.jpg", bytes(range(1, 256)) * 9)])),
    "links.tar": tar(entry("a", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
    "notes.txt.gz": gzip.compress(b"hello\n" * 100),
    "result.h5": netcdf_bytes(xr.Dataset({"a": ("x", [1.0])})),
}
"""Archives that can be unpacked and hold no frame."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two frames and other files of users."""
    save(tmp_path, frame(), frame("2020-06-13T15:30"))
    for name, data in FOREIGN.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


class TestForeignFiles:
    """Files in a folder that are not DWD's."""

    def test_they_are_skipped_and_reported(self, folder: Path) -> None:
        """The frames open; visible foreign files are named in an attribute, hidden ones are ignored."""
        ds = rn.open_dataset(folder, progress=False)

        assert ds.sizes["time"] == 2
        assert "problems" not in ds.attrs
        for name in FOREIGN:
            assert (f"{name} was skipped" in ds.attrs["files_skipped"]) is not name.startswith(".")

    def test_a_cube_can_be_built_despite_them(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Foreign files do not count as failures."""
        cube = tmp_path_factory.mktemp("cube") / "cube"

        rn.build_cube(folder, cube, progress=False)

        assert rn.open_cube(cube).sizes["time"] == 2

    def test_a_folder_of_only_foreign_files_names_them(self, tmp_path: Path) -> None:
        """The error says that there is no frame, and lists the files."""
        (tmp_path / "README.pdf").write_bytes(FOREIGN["README.pdf"])

        with pytest.raises(NothingFound, match=r"(?s)there is no RADOLAN frame in .*README\.pdf was skipped"):
            rn.open_dataset(tmp_path, progress=False)

    @pytest.mark.parametrize("name", ARCHIVES)
    def test_archives_without_frames_are_skipped_with_the_reason(self, folder: Path, name: str) -> None:
        """Photos in a tar.gz, a netCDF file, a text in gzip are skipped, since they hold no frame."""
        (folder / name).write_bytes(ARCHIVES[name])

        ds = rn.open_dataset(folder, progress=False)

        assert ds.sizes["time"] == 2
        assert f"{name} was skipped: it holds no frame ({folder / name}" in ds.attrs["files_skipped"]
        with pytest.raises(rn.errors.RadarNbError, match=name.replace(".", r"\.")):
            rn.open_dataset(folder / name, progress=False)

    def test_an_archive_of_frames_and_other_things_is_an_error(self, folder: Path) -> None:
        """An archive with a frame is not skipped: its foreign members, or its damage, raise."""
        mixed = tar_of([("photo.jpg", bytes(range(1, 256)) * 9), ("frame", frame("2020-06-13T15:35"))])
        (folder / "mine.tar").write_bytes(mixed)

        with pytest.raises(rn.errors.HeaderError, match=r"mine\.tar > photo\.jpg does not begin"):
            rn.open_dataset(folder, progress=False)
        (folder / "mine.tar").write_bytes(gzip.compress(mixed)[:-20])
        with pytest.raises(rn.errors.HeaderError, match=r"mine\.tar > frame is cut short"):
            rn.open_dataset(folder, progress=False)

    def test_a_file_that_dwd_names_is_never_skipped(self, tmp_path: Path) -> None:
        """An empty file under DWD's name is damage and raises."""
        save(tmp_path, frame())
        (tmp_path / "raa01-yw2017.002_10000-2006131530-dwd---bin").write_bytes(b"")

        with pytest.raises(rn.errors.RadarNbError, match=r"2006131530-dwd---bin is empty"):
            rn.open_dataset(tmp_path, progress=False)

    def test_a_damaged_frame_is_never_skipped(self, tmp_path: Path) -> None:
        """A damaged file that begins like a frame raises, whatever its name."""
        save(tmp_path, frame(), frame("2020-06-13T15:30")[:-1])

        with pytest.raises(FrameError, match="frame-001 has"):
            rn.open_dataset(tmp_path, progress=False)

    def test_only_the_head_of_a_foreign_file_is_read(self, folder: Path) -> None:
        """Foreign files are excluded before any index is looked up, so that many of them cost little."""
        found = find_files(folder)

        assert [file.name for file in found if not isinstance(file, Problem)] == ["frame-000", "frame-001"]
        assert len(found) == 2 + sum(not name.startswith(".") for name in FOREIGN)


class TestRefusals:
    """Invalid sources."""

    @pytest.mark.parametrize(
        "address",
        ["https://example.org/YW2017.002_202006.tar", "s3://bucket/RW201910.tar.gz", "gs://bucket/a.hdf5"],
    )
    @pytest.mark.parametrize("call", [rn.open_dataset, rn.accumulate, rn.check])
    def test_an_address_is_not_a_file(self, address: str, call: object) -> None:
        """The message says how to get the data instead."""
        assert callable(call)
        arguments = ("1D",) if call is rn.accumulate else ()

        with pytest.raises(
            SettingsError,
            match=rf"{address} is (a web address|in object storage), and .* are read from disk: download",
        ):
            call(address, *arguments)

    def test_a_path_that_does_not_exist(self, tmp_path: Path) -> None:
        """The missing path is reported first."""
        with pytest.raises(NothingFound, match=r"RW201910\.tar\.gz does not exist: check the path, or download"):
            rn.open_dataset(tmp_path / "RW201910.tar.gz")
