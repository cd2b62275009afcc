"""Stores: folders, memory and a real S3 server hold the same cubes, byte by byte."""

from __future__ import annotations

import http.server
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
import xarray as xr
from support.buckets import KEYS, s3_server
from support.cubes import archive, files

from radar_nb.cube.building import build_cube
from radar_nb.cube.checking import repair_cube, verify_cube
from radar_nb.cube.opening import open_cube
from radar_nb.cube.stores import Bucket, Folder, _meta_stamp, find_store
from radar_nb.errors import CubeError, NothingFound, NotWritable, SettingsError, StorageError
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

obstore = pytest.importorskip("obstore", reason="obstore is not installed")

DAYS = ("2019-10-14", "2019-10-15")
IMPATIENT: dict[str, Any] = {
    "retry_config": {"max_retries": 0},
    "client_options": {"allow_http": True, "timeout": "5s"},
}


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an archive of two days."""
    return archive(tmp_path_factory.mktemp("archives") / "RW201910.tar.gz", DAYS)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Return the address of a local S3 server, with a bucket."""
    with s3_server() as url:
        yield url


def s3(endpoint: str, prefix: str, bucket: str = "cubes") -> Any:
    """Return an address in the bucket."""
    from obstore.store import S3Store

    return S3Store(bucket, prefix=prefix, config=KEYS | {"aws_endpoint": endpoint}, **IMPATIENT)  # type: ignore[arg-type]


def listed(store: Any) -> dict[str, bytes]:
    """Return all objects of a store."""
    keys = [meta["path"] for batch in obstore.list(store) for meta in batch]
    return {key: bytes(obstore.get(store, key).bytes()) for key in keys}


class TestPlaces:
    """Possible places of a cube."""

    @pytest.mark.parametrize("kind", ["memory", "s3"])
    def test_all_hold_the_same_bytes(
        self, hours: Path, tmp_path: Path, kind: str, request: pytest.FixtureRequest
    ) -> None:
        """A cube in memory or object storage equals that of a folder, and can be opened and extended."""
        from obstore.store import MemoryStore

        store = MemoryStore() if kind == "memory" else s3(request.getfixturevalue("endpoint"), "same")
        build_cube(hours, tmp_path / "cube", flags=True, progress=False, client=False)

        build_cube(hours, store, flags=True, progress=False, client=False)

        assert listed(store) == files(tmp_path / "cube")
        expected = open_dataset(hours, flags=True, progress=False).load()
        xr.testing.assert_identical(open_cube(store, flags=True).load(), expected)
        again = build_cube(hours, store, progress=False, client=False)
        assert {outcome.state for outcome in again.outcomes} == {"kept"}

    def test_damage_in_object_storage_is_found_and_repaired(self, hours: Path, endpoint: str) -> None:
        """Verification, repair and a second build work in object storage, too."""
        store = s3(endpoint, "damaged")
        build_cube(hours, store, progress=False, client=False)
        before = listed(store)
        key = next(key for key in before if key.startswith("RW/c."))
        obstore.put(store, key, before[key][:-9])

        report = verify_cube(store, errors="report", progress=False)

        assert [outcome.state for outcome in report.outcomes] == ["failed", "done"]
        repair_cube(store, progress=False)
        build_cube(hours, store, progress=False, client=False)
        assert listed(store) == before

    def test_etags_are_equal_with_and_without_quotes(self) -> None:
        """Azure's headers have quotes around an ETag and its listings none: both name the same state."""
        made = {"size": 3, "last_modified": None}

        assert _meta_stamp(made | {"e_tag": '"0x8DE"'}) == _meta_stamp(made | {"e_tag": "0x8DE"}) == "3-0x8DE"

    def test_an_address_is_a_store(self, hours: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment has the keys, as obstore reads them; the second open reads the cached records."""
        for key, value in (KEYS | {"aws_endpoint": endpoint, "aws_allow_http": "true"}).items():
            monkeypatch.setenv(key.upper(), value)

        build_cube(hours, "s3://cubes/by/address", progress=False, client=False)

        for _ in range(2):
            assert open_cube("s3://cubes/by/address").sizes["time"] == 8

    def test_a_replaced_day_raises(self, hours: Path, tmp_path: Path, endpoint: str) -> None:
        """A Dataset never combines the record of a day with the bytes of another."""
        store = s3(endpoint, "replaced")
        build_cube(hours, store, progress=False, client=False)
        ds = open_cube(store)
        build_cube(archive(tmp_path / hours.name, DAYS, seed=50), store, progress=False, client=False)

        with pytest.raises(CubeError, match="changed since the cube was opened"):
            ds.RW.isel(time=0).load()

    def test_stores_can_be_pickled(self, tmp_path: Path, endpoint: str) -> None:
        """A worker elsewhere finds the same store."""
        folder, bucket = Folder(tmp_path), Bucket(s3(endpoint, "travel"))
        folder.put("a/b", b"1")
        bucket.put("a/b", b"2")

        there = [pickle.loads(pickle.dumps(store)) for store in (folder, bucket)]  # noqa: S301 - our own

        assert [store.get("a/b") for store in there] == [b"1", b"2"]


class TestTrouble:
    """Errors for invalid places."""

    @pytest.mark.parametrize(
        ("place", "match"),
        [
            (7, "cannot hold a cube"),
            ("nonsense://bucket", "not an address of object storage"),
            (None, "cannot hold a cube"),
        ],
    )
    def test_an_invalid_place(self, place: Any, match: str) -> None:
        """Anything but a folder, address or store raises."""
        with pytest.raises(SettingsError, match=match):
            find_store(place)

    def test_an_unreachable_server(self, hours: Path) -> None:
        """The error names the address in one sentence, without the twenty lines of the object-storage client."""
        with pytest.raises(StorageError, match=r"cannot be reached \(.*127\.0\.0\.1:9/") as caught:
            build_cube(hours, s3("http://127.0.0.1:9", "x"), progress=False, client=False)

        assert len(str(caught.value).splitlines()) == 1
        assert "retries" not in str(caught.value)

    def test_a_missing_bucket(self, hours: Path, endpoint: str) -> None:
        """The error names the bucket."""
        with pytest.raises(StorageError, match="none"):
            build_cube(hours, s3(endpoint, "x", "none"), progress=False, client=False)

    def test_a_removed_cube(self, hours: Path, endpoint: str) -> None:
        """Reading raises an error that names it."""
        store = s3(endpoint, "gone")
        build_cube(hours, store, progress=False, client=False)
        ds = open_cube(store)
        for key in listed(store):
            obstore.delete(store, key)

        with pytest.raises(StorageError, match="no longer exists: has the cube been moved"):
            ds.RW.isel(time=0).load()

    def test_a_forbidden_place(self) -> None:
        """A server that rejects the keys makes each call raise."""

        class Refusing(http.server.BaseHTTPRequestHandler):
            def refuse(self) -> None:
                self.send_response(403)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_HEAD = do_PUT = refuse  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                return

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                with pytest.raises(NotWritable, match="was denied"):
                    open_cube(s3(f"http://127.0.0.1:{server.server_port}", "x"))
            finally:
                server.shutdown()
                thread.join()


class TestFarArchives:
    """Archives in object storage."""

    @pytest.fixture
    def far(self, hours: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """Return the address of two archives, with the keys in the environment."""
        for key, value in (KEYS | {"aws_endpoint": endpoint, "aws_allow_http": "true"}).items():
            monkeypatch.setenv(key.upper(), value)
        obstore.put(s3(endpoint, "archives"), hours.name, hours.read_bytes())
        more = archive(hours.parent / "more" / "RW201911.tar.gz", ["2019-11-01"], seed=30)
        obstore.put(s3(endpoint, "archives"), more.name, more.read_bytes())
        return "s3://cubes/archives/"

    def test_builders_fetch_their_archives(self, hours: Path, far: str, tmp_path: Path) -> None:
        """The cube equals that of the files; a second call keeps all."""
        build_cube(far, tmp_path / "cube", progress=False, client=False)

        again = build_cube([f"{far}{hours.name}"], tmp_path / "cube", progress=False, client=False)

        assert [(outcome.name, outcome.state) for outcome in again.outcomes] == [(f"{far}{hours.name}", "kept")]
        expected = open_dataset([hours, hours.parent / "more" / "RW201911.tar.gz"], progress=False)
        xr.testing.assert_identical(open_cube(tmp_path / "cube").load(), expected.load())

    @pytest.mark.filterwarnings("ignore")  # distributed's own, of ports and loops
    def test_workers_need_no_common_disk(self, far: str, endpoint: str, tmp_path: Path) -> None:
        """Workers build from object storage into object storage."""
        distributed = pytest.importorskip("distributed", reason="distributed is not installed")
        source = f"{far}RW201911.tar.gz"
        build_cube(source, tmp_path / "here", progress=False, client=False)
        store = s3(endpoint, "by-workers")

        with distributed.Client(  # what a worker is told is pickled, though it is a thread
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp",
            dashboard_address=None,
            set_as_default=False,
        ) as client:
            build_cube(source, store, progress=False, client=client)

        assert listed(store) == files(tmp_path / "here")

    def test_a_missing_archive(self, far: str, tmp_path: Path) -> None:
        """The error names it, or an address with nothing below."""
        with pytest.raises(StorageError, match=r"none.tar no longer exists"):
            build_cube(f"{far}none.tar", tmp_path / "cube", progress=False, client=False)
        with pytest.raises(NothingFound, match=r"no file below s3://cubes/empty/"):
            build_cube("s3://cubes/empty/", tmp_path / "cube", progress=False, client=False)
