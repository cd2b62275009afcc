"""The sites and ranges of DWD's radars."""

from __future__ import annotations

SITES = {
    "asb": (6.748317, 53.564129),
    "boo": (10.046899, 54.004381),
    "ros": (12.058076, 54.17566),
    "hnr": (9.694533, 52.460083),
    "umd": (11.176091, 52.160096),
    "pro": (13.858212, 52.648667),
    "ess": (6.967111, 51.405649),
    "fld": (8.801998, 51.311197),
    "drs": (13.768639, 51.124639),
    "neu": (11.135034, 50.500114),
    "nhb": (6.548328, 50.109656),
    "oft": (8.712933, 49.984745),
    "eis": (12.402788, 49.540667),
    "tur": (9.782675, 48.585379),
    "isn": (12.101779, 48.174705),
    "fbg": (8.003611, 47.873611),
    "mem": (10.219222, 48.042145),
}
"""Longitude and latitude in degrees of the current sites, in the order of the headers. Source: DWD's list of
stations, as in wradlib."""

FORMER_SITES = {"emd": (7.02377, 53.33872), "asd": (13.76347, 51.12404)}
"""Sites named in older headers: Emden, Dresden airport. Source: as above."""

RANGE = 150.0
"""Range of the radars in km: format version 3 (DWD, Kompositformat 2.5, token VS)."""
