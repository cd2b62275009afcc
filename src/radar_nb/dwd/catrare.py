"""CatRaRE: DWD's catalogue of heavy rain events in Germany, its files and columns."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "2026.01"
"""The newest version known: events from 2001 to 2025."""
SELECTIONS = ("W3", "T5")
"""Which cells count: above DWD's warning level 3, or above the amount of five years."""
DURATIONS = (1, 2, 3, 4, 6, 9, 12, 18, 24, 48, 72)
"""Hours. Source: DWD, CatRaRE, https://www.dwd.de/DE/leistungen/catrare."""
LAYERS: Mapping[str, str] = MappingProxyType({"zones": "EventZones", "maxima": "RRmaxPoints"})
"""Layers of a file: polygons of the events, and points of their maxima."""
CITATION = (
    "Deutscher Wetterdienst: CatRaRE {selection}, doi:10.5676/DWD/CatRaRE_{selection}_Eta_v{version}, CC BY 4.0"
)
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "Event_ID": "number of the event",
        "Start_Time": "begin of the window, UTC",
        "End_Time": "end of the window, UTC",
        "Duration": "length of the window, h",
        "Area": "cells of the event, km2 each",
        "Eta": "extremity: mean of ln T over the cells times sqrt(Area / pi), T in years",
        "RRmax": "largest amount of a cell in the window, mm",
        "RRmean": "mean amount of the cells in the window, mm",
        "SRImax": "largest heavy rain index of the cells, 1 to 12",
        "x_RRmax": "column of the cell with the largest amount, from the west",
        "y_RRmax": "row of this cell, from the south",
        "x_RRmaxPRJ": "x of this cell's centre, metres of DWD's projection",
        "y_RRmaxPRJ": "y of this cell's centre, metres of DWD's projection",
    }
)
"""Columns that DWD's catalogue and one of our own share; DWD's has more, about place, moisture and people."""

_FOLDER = "climate_environment/CDC/event_catalogues/germany/precipitation/CatRaRE_v{version}/data"


def file_path(selection: str, version: str) -> str:
    """Return the path of a catalogue on the server: a zip of a FileGDB.

    Version Y.01 has the events from 2001 to the year before Y.

    Raises
    ------
    SettingsError
        The selection or the version is not valid.

    Examples
    --------
    >>> file_path("T5", "2026.01").rpartition("/")[2]
    'CatRaRE_2001_2025_T5_Eta_v2026_01.gdb.zip'
    """
    stem, tag = _names(selection, version)
    return f"{_FOLDER.format(version=version)}/{stem}_{tag}.gdb.zip"


def layer_name(selection: str, version: str, geometry: Literal["zones", "maxima"]) -> str:
    """Return the name of a layer of a catalogue.

    Examples
    --------
    >>> layer_name("W3", "2026.01", "zones")
    'CatRaRE_2001_2025_W3_Eta_EventZones_v2026_01'
    """
    if geometry not in LAYERS:
        raise SettingsError(f"unknown geometry={geometry!r}: choose one of {', '.join(LAYERS)}")
    stem, tag = _names(selection, version)
    return f"{stem}_{LAYERS[geometry]}_{tag}"


def covered_years(version: str) -> tuple[np.datetime64, np.datetime64]:
    """Return begin and end of the years of a version, the end excluded.

    Examples
    --------
    >>> [str(time) for time in covered_years("2026.01")]
    ['2001-01-01T00:00:00', '2026-01-01T00:00:00']
    """
    return np.datetime64("2001-01-01", "s"), np.datetime64(f"{version[:4]}-01-01", "s")


def _names(selection: str, version: str) -> tuple[str, str]:
    if selection not in SELECTIONS:
        raise SettingsError(f"unknown selection {selection!r}: choose one of {', '.join(SELECTIONS)}")
    match = re.fullmatch(r"(20\d\d)\.(\d\d)", str(version))
    if match is None:
        raise SettingsError(f"version={version!r} is not a version of CatRaRE: pass one such as {VERSION!r}")
    year, number = match.groups()
    return f"CatRaRE_2001_{int(year) - 1}_{selection}_Eta", f"v{year}_{number}"
