"""Open, read and sum RV tars and HX in HDF5, a RADKLIM netCDF month, and ASCII hours, against plain ways.

The fields are synthetic and repeated, in DWD's structure. Each way runs in a fresh process, some times after a
first round that loads the libraries; medians are printed. "open" is `open_dataset` and xarray's sum, "reduce" is
`reduce`; both index the files anew each time. The sum of a run of RV is that of its 24 forecasts without the
analysis, in every way. The plain ways are h5py with gain and offset, xarray with h5netcdf on the unpacked file,
and numpy.loadtxt.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from peak_memory import peak_memory

LEADS = range(0, 125, 5)
MAKERS = {"RV day": 288, "HX day": 288, "netCDF month": 744, "ASCII month": 744}
"""What is measured, and how many files or hours a whole one has."""


def _tar(path: Path, members: list[tuple[str, bytes]], mode: str) -> None:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def build(folder: Path, what: str, count: int) -> None:
    """Write so many runs, frames or hours."""
    from radar_nb.formats.esri_ascii import grid_name, write_grid  # noqa: PLC0415 - not in the measured process
    from radar_nb.formats.netcdf import fields_name, write_fields  # noqa: PLC0415
    from radar_nb.formats.odim import write_composite  # noqa: PLC0415
    from radar_nb.formats.radolan import Header, read_frame  # noqa: PLC0415
    from radar_nb.mirror.frames import synthetic_frames  # noqa: PLC0415

    start = np.datetime64("2017-10-01T00:50:00", "s")
    ((_, data),) = synthetic_frames("RW", [start + np.timedelta64(12, "h")], family="radklim")
    header, codes = read_frame(data)
    wet = np.where(codes & 0x2000, 0xFFFF, codes & 0xFFF).astype(np.uint32)
    de1200 = np.full((1200, 1100), 2**32 - 1, np.uint32)
    de1200[50:1150, 100:1000] = np.where(wet == 0xFFFF, 2**32 - 1, wet * 10 + 1)
    hours = [start + np.timedelta64(hour, "h") for hour in range(count)]
    minutes = [start + np.timedelta64(5 * (step - 2), "m") for step in range(count)]
    new = Header(product="RV", time=start, rows=1200, cols=1100, precision=-3, interval=5, version=5)
    if what == "RV day":
        for time in minutes:
            stamp = f"composite_rv_{time.item():%Y%m%d_%H%M}"
            runs = [(lead, replace(new, time=time, lead=lead)) for lead in LEADS]
            made: dict[str, Any] = {"quantity": "ACRR", "gain": 0.001, "offset": -0.001}
            members = [(f"{stamp}_{lead:03d}-hd5", write_composite(one, de1200, **made)) for lead, one in runs]
            _tar(folder / f"{stamp}.tar", members, "w")
    elif what == "HX day":
        fine = np.repeat(np.repeat(np.minimum(de1200, 65535).astype(np.uint16), 4, 0), 4, 1)
        for time in minutes:
            one = replace(new, product="HX", time=time, rows=4800, cols=4400)
            data = write_composite(one, fine, quantity="DBZH", gain=0.00293, offset=-64.003)
            (folder / f"composite_hx_{time.item():%Y%m%d_%H%M}-hd5").write_bytes(data)
    elif what == "netCDF month":
        (folder / fields_name(header)).write_bytes(write_fields(header, hours, [codes.astype(np.uint16)] * count))
    else:
        grid = write_grid(header, codes)
        _tar(folder / "asc.tar.gz", [(grid_name(replace(header, time=time)), grid) for time in hours], "w:gz")
        (folder / "plain").mkdir()
        for time in hours:
            (folder / "plain" / grid_name(replace(header, time=time))).write_bytes(grid)


def ours(folder: Path, what: str) -> float:
    """Open, read and sum with radar_nb."""
    import radar_nb as rn  # noqa: PLC0415 - only the process that measures it pays for it

    source = folder / "asc.tar.gz" if what == "ASCII month" else folder
    ds = rn.open_dataset(source, progress=False)
    (variable,) = ds.data_vars.values()
    if what == "RV day":
        variable = variable.isel(lead_time=slice(1, None))
    if what == "HX day":
        return float(variable.max("time").sum())
    return float(variable.sum(tuple(set(variable.dims) - {"y", "x"})).sum())


def reduced(folder: Path, what: str) -> float:
    """Do the same in one pass over the codes; RV has a sum of each run along its lead times."""
    import radar_nb as rn  # noqa: PLC0415 - as above

    source = folder / "asc.tar.gz" if what == "ASCII month" else folder
    how: Any = "max" if what == "HX day" else "sum"
    sources = sorted(folder.glob("*.tar")) if what == "RV day" else [source]
    found = 0.0
    for one in sources:
        ds = rn.reduce(one, how, progress=False)
        found += float(next(value for name, value in ds.data_vars.items() if name != "coverage").sum())
    return found


def plain(folder: Path, what: str) -> float:
    """Do the same with the libraries that users take."""
    if what == "netCDF month":
        import xarray as xr  # noqa: PLC0415 - as above

        with xr.open_dataset(next(folder.glob("*.nc")), engine="h5netcdf", chunks={"time": 8}) as ds:
            return float(ds.RR.sum("time").sum())
    if what == "ASCII month":
        total = np.zeros((1100, 900))
        for path in sorted((folder / "plain").iterdir()):
            values = np.loadtxt(path, skiprows=6)
            total += np.where(values < 0, 0, values)
        return float(total.sum())
    return _with_h5py(folder, highest=what == "HX day")


def _with_h5py(folder: Path, *, highest: bool) -> float:
    import h5py  # noqa: PLC0415 - as above

    result: Any = None
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        files = [path.read_bytes()]
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                forecasts = [info for info in tar if "_000-hd5" not in info.name]
                files = [file.read() for info in forecasts if (file := tar.extractfile(info))]
        for data in files:
            with h5py.File(io.BytesIO(data)) as file:
                stated, raw = file["dataset1/data1/what"].attrs, file["dataset1/data1/data"][()]
                values = (raw * stated["gain"] + stated["offset"]).astype("f4")
                if not highest:
                    values[raw == stated["undetect"]] = 0
                values[raw == stated["nodata"]] = np.nan
            if result is None:
                result = values
            else:
                result = np.fmax(result, values) if highest else result + np.nan_to_num(values)
    return float(np.nansum(result))


def measure(way: str, folder: str, what: str, rounds: str) -> None:
    """Print wall time, processor time, peak memory in MB, and the sum; medians of the rounds after the first."""
    times, total = [], 0.0
    for _ in range(int(rounds) + 1):  # the first one loads the libraries
        for path in Path(folder).iterdir():
            if path.suffix == ".index":
                path.unlink()
            else:
                path.touch()  # a changed file: nothing that was kept of it is used
        began, used = perf_counter(), process_time()
        total = {"open": ours, "reduce": reduced, "plain": plain}[way](Path(folder), what)
        times.append((perf_counter() - began, process_time() - used))
    peak = peak_memory()
    print(*np.median(times[1:], axis=0), peak, total)


def main() -> None:
    """Print a table of all forms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=0.05, help="part of a day or month to measure")
    parser.add_argument("--only", choices=MAKERS, help="one of the forms")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured after a first round")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(*options.one)
        return
    print(f"{'what':14} {'count':>5} {'way':>6} {'wall s':>8} {'CPU s':>8} {'peak MB':>8} {'CPU ratio':>9}")
    for what, whole in MAKERS.items():
        if options.only not in {None, what}:
            continue
        count = max(2, round(whole * options.share))
        with tempfile.TemporaryDirectory() as folder:
            build(Path(folder), what, count)
            found = {}
            for way in ("plain", "open", "reduce"):
                line = [sys.executable, __file__, "--one", way, folder, what, str(options.rounds)]
                out = subprocess.run(line, check=True, capture_output=True, text=True).stdout.split()
                found[way] = [float(text) for text in out]
        if not np.allclose([found[way][3] for way in ("open", "reduce")], found["plain"][3], rtol=1e-3):
            raise SystemExit(f"{what}: the sums differ: {found}")
        for way, (wall, cpu, peak, _) in found.items():
            ratio = found["plain"][1] / cpu
            print(f"{what:14} {count:5} {way:>6} {wall:8.2f} {cpu:8.2f} {peak:8.0f} {ratio:9.1f}")


if __name__ == "__main__":
    main()
