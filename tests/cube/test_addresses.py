"""Addresses in place of paths: each function answers as for the folder, and failures are one sentence."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import xarray as xr
import zarr
from support.buckets import KEYS, always, answering, s3_server, web_space
from support.cubes import archive, files

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.errors import CubeError, NothingFound, NotWritable, RadarNbError, SettingsError, StorageError
from radar_nb.widgets.snippets import source_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

obstore = pytest.importorskip("obstore", reason="obstore is not installed")

POINTS = {"A": (9.0, 51.0), "B": (10.5, 49.5)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a cube of two days in a folder."""
    root = tmp_path_factory.mktemp("cubes")
    source = archive(root / "RW201910.tar.gz", ["2019-10-14", "2019-10-15"])
    rn.build_cube(source, root / "RW", progress=False)
    return root / "RW"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Return the address of a local S3 server."""
    with s3_server() as url:
        yield url


@pytest.fixture
def environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put keys and the endpoint, plain http, into the environment."""
    for key, value in (KEYS | {"aws_endpoint_url": endpoint}).items():
        monkeypatch.setenv(key.upper(), value)


@pytest.fixture
def bucket(folder: Path, environment: None) -> str:
    """Return the address of a copy of the cube in object storage."""
    store = obstore.store.from_url("s3://cubes/a/RW", client_options={"allow_http": True})
    for key, data in files(folder).items():
        obstore.put(store, key, data)
    return "s3://cubes/a/RW"


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    """Return the address of the cube on a web server."""
    with web_space(folder.parent) as url:
        yield f"{url}/RW"


def areas() -> Any:
    """Return one area."""
    shapely, geopandas = pytest.importorskip("shapely"), pytest.importorskip("geopandas")
    return geopandas.GeoSeries([shapely.box(9, 50, 10, 51)], crs="EPSG:4326")


CALLS: dict[str, Callable[[Any], Any]] = {
    "reduce": lambda source: rn.reduce(
        source, ["max", "std", "quantile"], quantile=0.9, points=POINTS, progress=False
    ),
    "accumulate": lambda source: rn.accumulate(source, "1D", min_coverage=0, progress=False),
    "series": lambda source: rn.at_points(source, POINTS, progress=False),
    "areas": lambda source: rn.over_areas(source, areas(), min_coverage=0, progress=False),
    "exceedance": lambda source: rn.exceedance(source, 5, "1h", progress=False),
    "check": lambda source: rn.check(source, progress=False),
    "coverage": rn.cube_coverage,
}


def same(one: Any, other: Any) -> bool:
    """Return whether two results are equal: Datasets, or objects that print alike."""
    if isinstance(one, xr.Dataset):
        xr.testing.assert_equal(one.load(), other.load())
        return True
    return str(one) == str(other)


def test_functions_take_the_address_of_a_bucket(folder: Path, bucket: str) -> None:
    """Every function returns what it returns for the folder."""
    for name, call in CALLS.items():
        assert same(call(folder), call(bucket)), name


def test_functions_take_the_address_of_a_web_server(folder: Path, web: str) -> None:
    """A plain web server, which has no listings, is asked for each day of the time axis."""
    for name in ("series", "coverage"):
        assert same(CALLS[name](folder), CALLS[name](web)), name


def test_commands_take_the_address_of_a_bucket(
    folder: Path, bucket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Facts, a map, sums, a series, and verification are those of the folder."""
    printed = []
    for number, source in enumerate((str(folder), bucket)):
        out, picture = tmp_path / f"{number}.nc", tmp_path / f"{number}.png"
        for command in (
            ["info", source, "--json"],
            ["plot", source, "--time", "2019-10-14T01:50", "--dpi", "40", "--output", str(picture)],
            ["accumulate", source, "--to", str(out), "--how", "sum", "max"],
            ["points", source, "--lonlat", "9.0", "51.0", "--json"],
        ):
            assert main(command) == 0, (command, capsys.readouterr().err)
        printed.append(
            capsys.readouterr().out.replace(source, "SOURCE").replace(str(out), "OUT").replace(str(picture), "OUT")
        )
        assert main(["cube", "verify", source]) == 0
        capsys.readouterr()

    assert printed[0] == printed[1]
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    with xr.open_dataset(tmp_path / "0.nc") as one, xr.open_dataset(tmp_path / "1.nc") as other:
        xr.testing.assert_equal(one.load(), other.load())


def test_the_explorer_takes_an_address(bucket: str) -> None:
    """It opens the cube, and the code that it copies opens it too."""
    explorer = rn.Explorer(bucket)

    assert (explorer.problem, explorer.field.sizes["y"]) == ("", 450)
    assert source_call(bucket) == f"open_cube('{bucket}')"
    explorer.close()


def sentence(call: Callable[[], Any], kind: type[RadarNbError]) -> str:
    """Return the message of an error: one line, without the client's structures."""
    with pytest.raises(kind) as caught:
        call()
    text = str(caught.value)
    assert len(text.splitlines()) == 1, text
    assert not any(part in text for part in ("Error {", "source:", "Generic {", "retries")), text
    return text


def test_failures_of_a_bucket_are_one_sentence(folder: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing there, no rights, no credentials, another region, a plain Zarr, a lost cube: each has an error."""
    assert "there is no cube in s3://cubes/none" in sentence(
        lambda: rn.reduce("s3://cubes/none", "sum"), NothingFound
    )

    store = obstore.store.from_url("s3://cubes/plain", client_options={"allow_http": True})
    obstore.put(
        store, "zarr.json", json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}}).encode()
    )
    assert "xarray.open_zarr" in sentence(lambda: rn.accumulate("s3://cubes/plain"), CubeError)

    ds = rn.open_cube(bucket, chunks=None)
    whole = obstore.store.from_url(bucket, client_options={"allow_http": True})
    for batch in obstore.list(whole):
        for meta in batch:
            obstore.delete(whole, meta["path"])
    assert "no longer exists" in sentence(lambda: ds.RW.isel(time=0).load(), StorageError)

    denied = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
    with answering(always(403, denied)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        assert "was denied" in sentence(lambda: rn.at_points("s3://cubes/a/RW", POINTS), NotWritable)
    with answering(always(301, b"<Error><Code>PermanentRedirect</Code></Error>")) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        assert "AWS_REGION" in sentence(lambda: rn.reduce("s3://cubes/a/RW", "sum"), StorageError)
    with answering(always(403, denied)) as url:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", url)
        assert "check the credentials" in sentence(lambda: rn.cube_coverage("s3://cubes/a/RW"), StorageError)


def test_failures_of_a_web_server_are_one_sentence(tmp_path: Path) -> None:
    """A page instead of a cube, nothing, and archives have errors of their own."""
    zarr.open_group(tmp_path / "plain", mode="w")
    with web_space(tmp_path) as url:
        assert "xarray.open_zarr" in sentence(lambda: rn.reduce(f"{url}/plain", "sum"), CubeError)
        assert "there is no cube" in sentence(lambda: rn.reduce(f"{url}/none", "sum"), NothingFound)
    with answering(always(200, b"<html>welcome</html>")) as url:
        assert "something other than a cube" in sentence(lambda: rn.reduce(f"{url}/none", "sum"), CubeError)
    text = sentence(lambda: rn.reduce("https://example.org/RW201910.tar.gz", "sum"), SettingsError)
    assert "download them first" in text
