"""A synthetic RV: an analysis and its forecasts, in one archive as DWD publishes them."""

from __future__ import annotations

import bz2
from typing import TYPE_CHECKING

from support.malicious_archives import tar_of

from radar_nb.mirror.frames import synthetic_frames

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    import numpy as np


def make_forecast(root: Path, time: np.datetime64, *, leads: Iterable[int] = range(0, 125, 5)) -> Path:
    """Write the RV of a base time (UTC) below a root, under DWD's path and names, and return its path."""
    moment: datetime = time.astype("datetime64[s]").item()
    stem = f"{moment:DE1200_RV%y%m%d%H%M}"
    path = root / f"weather/radar/composite/rv/{stem}.tar.bz2"
    members = {f"{stem}_{lead:03d}": next(synthetic_frames("RV", [time], lead=lead))[1] for lead in leads}
    path.parent.mkdir(parents=True)
    path.write_bytes(bz2.compress(tar_of(members.items())))
    return path
