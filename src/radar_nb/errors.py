"""Every error of radar_nb, in one tree.

RadarNbError
├── UnknownProduct (ValueError)          no such product
├── MonthError (ValueError)              not a valid month, or a reversed range
├── CoverageError (ValueError)           no family of the product covers the months
├── SettingsError (ValueError)           a setting that cannot be used
├── ListingError (ValueError)            a page that is not a directory listing
├── DownloadError                        a file that did not arrive
│   ├── NotOnServer (FileNotFoundError)  404, 410
│   ├── Refused (PermissionError)        401, 403 and other final answers
│   ├── ServerUnavailable (ConnectionError)  no such server, no connection, 5xx and 429 to the end
│   ├── TransferTimeout (TimeoutError)   the server fell silent
│   ├── NotAnArchive (ValueError)        an HTML page under an archive's name
│   └── DamagedDownload (ValueError)     a file whose checksums or structure are wrong in every attempt
├── StorageError (OSError)               the disk
│   ├── DiskFull
│   └── NotWritable (PermissionError)
├── NothingFound (FileNotFoundError)     a source without frames
├── ArchiveError (ValueError)            an archive that cannot be trusted
│   ├── CorruptArchive                   a checksum or structure that is wrong
│   ├── TruncatedArchive (EOFError)      an archive that ends too early
│   └── UnsafeMember                     a member that must not be unpacked
├── FrameError (ValueError)              one RADOLAN frame
│   ├── HeaderError                      not a header, or one that contradicts itself
│   ├── TruncatedFrame (EOFError)        shorter than its header states
│   └── UnknownGrid                      a grid that DWD does not document
├── SeriesError (ValueError)             frames that do not make one series
├── CubeError (ValueError)               a store that is not the expected cube
│   └── DamagedShard                     a day of a cube that is half-written or damaged
├── ServerError (OSError)                the mirror cannot listen
└── Incomplete                           some items of a task failed; `report` names them

The leaves also inherit the builtin that a user would catch. A message names the thing, the value, what is
allowed and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.runtime.wording import printable

if TYPE_CHECKING:
    from radar_nb.runtime.report import Report


LONGEST = 8000
"""Characters of a line of a message. Errors of many files have a line for each."""


def _cut(line: str) -> str:
    """Return the beginning and the end of a long line: the end says what to do."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST * 3 // 4]} [...] {line[-LONGEST // 4 :]}"


class RadarNbError(Exception):
    """The root of all errors that radar_nb raises deliberately.

    Its text is printable, and a line has at most `LONGEST` characters of its beginning and end, regardless of what
    a server, a file's name or an attribute contains.
    """

    def __str__(self) -> str:
        """Return the message."""
        return printable("\n".join(map(_cut, super().__str__().split("\n"))))


class UnknownProduct(RadarNbError, ValueError):
    """An unknown product name."""


class MonthError(RadarNbError, ValueError):
    """A text or value that is not a valid month, or a range whose end is before its beginning."""


class CoverageError(RadarNbError, ValueError):
    """Months that are not covered by any family, or not by the chosen one."""


class SettingsError(RadarNbError, ValueError):
    """An unusable setting from an argument or the environment."""


class ListingError(RadarNbError, ValueError):
    """A page that is not a directory listing."""


class DownloadError(RadarNbError):
    """A file that did not arrive."""


class NotOnServer(DownloadError, FileNotFoundError):
    """The server has no such file (404 or 410)."""


class Refused(DownloadError, PermissionError):
    """The server refused for good (401, 403 or another answer that a retry does not change)."""


class ServerUnavailable(DownloadError, ConnectionError):
    """No such server, no connection, or an overloaded server (429, 5xx) until the last retry."""


class TransferTimeout(DownloadError, TimeoutError):
    """The server accepted the request and then sent nothing until the last retry."""


class NotAnArchive(DownloadError, ValueError):
    """The server sent a web page instead of an archive."""


class DamagedDownload(DownloadError, ValueError):
    """The file arrived, but its checksums or its structure were wrong in every attempt."""


class StorageError(RadarNbError, OSError):
    """Reading or writing on the local disk failed."""


class DiskFull(StorageError):
    """Not enough space, before or during a write."""


class NotWritable(StorageError, PermissionError):
    """A folder or file is not writable."""


class NothingFound(RadarNbError, FileNotFoundError):
    """A source that does not exist or holds no frame."""


class ArchiveError(RadarNbError, ValueError):
    """An archive that cannot be trusted."""


class CorruptArchive(ArchiveError):
    """A checksum or a structure that is wrong."""


class TruncatedArchive(ArchiveError, EOFError):
    """An archive that ends before its last member does."""


class UnsafeMember(ArchiveError):
    """A member whose name, kind or size no archive of DWD has."""


class FrameError(RadarNbError, ValueError):
    """One RADOLAN frame that cannot be read."""


class HeaderError(FrameError):
    """A header that is not valid, or contradicts its payload."""


class TruncatedFrame(FrameError, EOFError):
    """A frame shorter than its header states."""


class UnknownGrid(FrameError):
    """A grid size that is not in the registry: its coordinates would be a guess."""


class SeriesError(RadarNbError, ValueError):
    """Frames of different products, grids or units that cannot form one series."""


class CubeError(RadarNbError, ValueError):
    """A store that is not a cube, or one of another product, grid, layout or version."""


class DamagedShard(CubeError):
    """A day of a cube that is half-written or damaged."""


class ServerError(RadarNbError, OSError):
    """The mirror cannot serve, for example because its port is taken."""


class Incomplete(RadarNbError):
    """Some items of a task failed while the others were finished.

    Attributes
    ----------
    report : Report
        The outcome of each item. `report.failed` holds those that failed, each with its error.
    """

    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report

    def __reduce__(self) -> tuple[type[Incomplete], tuple[str, Report]]:
        """Pickle with both arguments, so that the error survives a process border."""
        return type(self), (str(self), self.report)
