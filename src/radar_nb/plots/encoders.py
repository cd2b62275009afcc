"""Pictures written one by one into a film file: a GIF, or an MP4 if ffmpeg is installed.

Matplotlib's writers draw the whole figure for each picture, and Pillow's GIF writer keeps all pictures in memory.
Here each picture is written at once, in a GIF only the part that differs from the previous picture.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

import matplotlib as mpl
import numpy as np
from PIL import Image
from PIL.GifImagePlugin import getdata, getheader

from radar_nb.errors import DiskFull, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Picture = NDArray[np.uint8]
    """Of shape (rows, columns, 4): red, green, blue and opacity, first row at the top."""

_UNCHANGED = 255
"""The colour of a GIF for pixels that equal the previous picture."""


@contextmanager
def gif(path: Path, fps: float, colours: NDArray[np.uint8]) -> Iterator[Callable[[Picture], object]]:
    """Open a GIF that plays in a loop; yield the function that adds a picture.

    Parameters
    ----------
    path : pathlib.Path
    fps : float
        Pictures per second, 50 at most, which browsers still play. The format counts hundredths of a second;
        these are distributed so that the whole has its true length.
    colours : ndarray of uint8, shape (n, 3)
        Colours to keep; the others are the most useful of the first picture, 255 in all.
    """
    with path.open("wb") as file:
        yield _Gif(file, fps, colours).add
        file.write(b";")


class _Gif:
    """An unfinished GIF (GIF89a, W3C: one table of colours, then one block per picture)."""

    def __init__(self, file: BinaryIO, fps: float, colours: NDArray[np.uint8]) -> None:
        self._file = file
        self._fps = fps
        self._colours = colours
        self._palette: Image.Image | None = None
        self._previous = np.empty((0, 0), np.uint8)
        self._count = 0

    def add(self, picture: Picture) -> None:
        image = Image.fromarray(picture[..., :3])
        if first := self._palette is None:
            self._palette = _palette(image, self._colours)
        image = image.quantize(palette=self._palette, dither=Image.Dither.NONE)
        codes = np.where((found := np.asarray(image)) == _UNCHANGED, 0, found)
        if first:
            self._write(getheader(_paletted(codes, self._palette), info={"loop": 0})[0])
            self._write_part(codes, (0, 0))
        else:
            changed = codes != self._previous
            top, bottom = _extent(changed.any(axis=1))
            left, right = _extent(changed.any(axis=0))
            part = np.where(changed, codes, _UNCHANGED)[top:bottom, left:right]
            self._write_part(part, (left, top))
        self._previous = codes

    def _write_part(self, codes: NDArray[np.uint8], corner: tuple[int, int]) -> None:
        begin, end = (round(100 * count / self._fps) for count in (self._count, self._count + 1))
        image = _paletted(codes, self._palette)
        how = {"duration": 10 * (end - begin), "transparency": _UNCHANGED, "disposal": 1, "interlace": 0}
        self._write(getdata(image, corner, **how))
        self._count += 1

    def _write(self, blocks: list[bytes]) -> None:
        for block in blocks:
            self._file.write(block)


def _palette(image: Image.Image, colours: NDArray[np.uint8]) -> Image.Image:
    """Return the given colours and the most useful of a picture, 255 in all, as the palette of an image."""
    useful = image.quantize(_UNCHANGED - len(colours), Image.Quantize.MEDIANCUT).getpalette() or []
    table = [*colours.ravel().tolist(), *useful][: 3 * _UNCHANGED]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*table, *table[:3] * (256 - len(table) // 3)])
    return palette


def _paletted(codes: NDArray[np.uint8], palette: Image.Image | None) -> Image.Image:
    image = Image.frombytes("P", (codes.shape[1], codes.shape[0]), codes.tobytes())
    image.putpalette(palette.getpalette() or [] if palette else [])
    return image


def _extent(changed: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the range of changed lines; at least one line, since a block cannot be empty."""
    found = np.flatnonzero(changed)
    return (int(found[0]), int(found[-1]) + 1) if found.size else (0, 1)


def find_ffmpeg() -> str | None:
    """Return the path of Matplotlib's ffmpeg (`rcParams["animation.ffmpeg_path"]`), or None."""
    return shutil.which(str(mpl.rcParams["animation.ffmpeg_path"]))


@contextmanager
def mp4(path: Path, fps: float, size: tuple[int, int], program: str) -> Iterator[Callable[[Picture], object]]:
    """Open an MP4 (H.264, which every browser plays); yield the function that adds a picture.

    Parameters
    ----------
    path : pathlib.Path
    fps : float
        Pictures per second.
    size : tuple of int
        Columns and rows of a picture.
    program : str
        The path of ffmpeg.

    Raises
    ------
    DiskFull
        The disk of the temporary folder is full.
    SettingsError
        This ffmpeg cannot write the film.
    """
    command = _command(program, size, fps, path)
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=said) as process,  # noqa: S603 - the user's own
    ):
        pipe = cast("BinaryIO", process.stdin)

        def add(picture: Picture) -> None:
            try:
                pipe.write(picture.tobytes())
            except OSError as error:  # ffmpeg has ended early, and said why
                raise _failure(process, said) from error

        try:
            yield add
            process.communicate()
        finally:
            process.kill()  # without effect on a process that has ended
            process.communicate()
        if process.returncode:
            raise _failure(process, said)


def _command(program: str, size: tuple[int, int], fps: float, path: Path) -> list[str]:
    taken = f"-f rawvideo -pix_fmt rgba -s {size[0]}x{size[1]} -r {fps:g} -i -"
    # crf 20: sharp lines at a fifth of a GIF's size; yuv420p needs even sides
    made = "-c:v libx264 -crf 20 -vf crop=trunc(iw/2)*2:trunc(ih/2)*2 -pix_fmt yuv420p -movflags +faststart"
    return [program, "-loglevel", "error", "-y", *taken.split(), *made.split(), "-f", "mp4", str(path)]


def _failure(process: subprocess.Popen[bytes], said: BinaryIO) -> DiskFull | SettingsError:
    process.wait()
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines() or ["no reason given"]
    if any("No space left" in line for line in lines):
        return DiskFull("the disk of the temporary folder is full: free some space, or set TMPDIR")
    return SettingsError(
        f"ffmpeg could not write the MP4 ({lines[-1]}): save the film as .gif, or install a full ffmpeg"
    )
