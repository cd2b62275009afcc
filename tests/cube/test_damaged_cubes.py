"""Old, damaged or forged cubes: each is read correctly or refused; nothing outside is touched."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support import forked_readers
from support.cubes import archive, files
from support.damaged_cubes import DAMAGED, HOSTILE, edit, make_old, numbers, recorded, with_note
from support.side_files import with_checksum

from radar_nb.cube import checking
from radar_nb.cube.building import build_cube
from radar_nb.cube.checking import repair_cube, verify_cube
from radar_nb.cube.day_records import DayRecord, load_records
from radar_nb.cube.description import load_cube
from radar_nb.cube.opening import open_cube
from radar_nb.cube.shards import Shard, ShardEncoder, ShardFormat
from radar_nb.cube.stores import Folder, find_store
from radar_nb.errors import CubeError, DamagedShard, Incomplete
from radar_nb.reading.opening import open_dataset
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAYS = ("2019-10-14", "2019-10-15")
HOURS = ("00:50", "05:50")


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an archive of two days."""
    return archive(tmp_path_factory.mktemp("archives") / "RW201910.tar.gz", DAYS, hours=HOURS)


@pytest.fixture(scope="module")
def sound(hours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a cube of it, with flags; read-only."""
    folder = tmp_path_factory.mktemp("cubes") / "RW"
    build_cube(hours, folder, flags=True, client=False, progress=False)
    return folder


@pytest.fixture
def cube(sound: Path, tmp_path: Path) -> Path:
    """Return a copy of the cube, to be damaged."""
    return shutil.copytree(sound, tmp_path / "cube")


def shards(cube: Path, array: str = "RW") -> list[Path]:
    """Return the files of the days, in order."""
    return sorted((cube / array).glob("c.*"))


def calls(cube: Any, source: Path) -> list[Callable[[], object]]:
    """Return all calls on a cube."""
    return [
        lambda: open_cube(cube, flags=True).load(),
        lambda: verify_cube(cube, progress=False),
        lambda: repair_cube(cube, progress=False),
        lambda: build_cube(source, cube, overwrite=True, client=False, progress=False),
    ]


def test_a_day_whose_flags_are_lost_is_damaged_not_without_flags(cube: Path) -> None:
    """Flags that are missing, or not a file, do not become "no data"."""
    lost = shards(cube, "flags")[0]
    lost.unlink()
    lost.mkdir()

    with pytest.raises(DamagedShard, match=r"flags/c\.\d+\.0\.0 is missing: run repair_cube"):
        open_cube(cube, flags=True)
    left = open_cube(cube, flags=True, errors="report")
    assert "is missing" in str(left.attrs["problems"])
    assert set(left.time.dt.day.values) == {15}
    assert set(open_cube(cube).time.dt.day.values) == {14, 15}


def test_names_of_archives_in_a_forged_record_are_printable(cube: Path) -> None:
    """Control characters do not reach a terminal through the coordinate `source`."""
    recorded(cube, lambda record: record["origins"][0].__setitem__(0, "\x1b]0;owned\x07"))

    assert all(name.isprintable() for name in open_cube(cube).source.values)


class TestOldCubes:
    """Cubes of version 0.1.0."""

    @pytest.fixture
    def old(self, cube: Path) -> Path:
        """Return a cube in the old form."""
        make_old(cube)
        return cube

    def test_old_cubes_open_with_equal_values(self, hours: Path, old: Path) -> None:
        """Values, flags, coordinates and attributes are those of the archives."""
        expected = open_dataset(hours, flags=True, progress=False).load()

        xr.testing.assert_identical(open_cube(old, flags=True).load(), expected)

    def test_old_cubes_are_extended(self, old: Path, tmp_path: Path) -> None:
        """A build keeps the old days and adds new ones."""
        more = archive(tmp_path / "RW201911.tar.gz", ["2019-11-01"], hours=HOURS, seed=9)
        before = sorted(shard.read_bytes() for shard in shards(old))

        build_cube(more, old, client=False, progress=False)

        assert sorted(shard.read_bytes() for shard in shards(old)[:2]) == before
        assert open_cube(old).sizes["time"] == 3 * len(HOURS)

    def test_repair_updates_the_description_of_old_cubes(self, sound: Path, old: Path) -> None:
        """Verification names the old description, repair rewrites it, and the days are kept."""
        with pytest.raises(
            Incomplete, match=r"description: .*zarr\.json was written by an older version.*run repair_cube"
        ):
            verify_cube(old, progress=False)

        report = repair_cube(old, progress=False)

        assert [outcome.state for outcome in report.outcomes] == ["done", "kept", "kept"]
        assert not verify_cube(old, progress=False).failed
        described = {key for key in files(sound) if "/c." not in key}
        assert {key: files(old)[key] for key in described} == {key: files(sound)[key] for key in described}

    def test_a_damaged_projection_of_an_old_cube_is_an_error(self, old: Path) -> None:
        """An old cube has no checksum, so its projection is compared with the grid's."""
        path = old / "crs" / "zarr.json"
        path.write_text(path.read_text().replace("6370040,0", "6370140,0"))

        with pytest.raises(CubeError, match="crs does not belong to the grid de450: run repair_cube"):
            open_cube(old)
        repair_cube(old, progress=False)
        assert open_cube(old).crs.attrs["crs_wkt"].count("6370040,0") == 1

    def test_a_forged_projection_under_a_right_checksum_is_an_error(self, cube: Path) -> None:
        """Text and numbers of the projection are those of the grid, whatever the group's checksum says."""
        group = (cube / "zarr.json").read_text()
        for there, forged in (("6370040,0", "6370140,0"), ('axis": 6370040.0', 'axis": 6378137.0')):
            assert there in group
            (cube / "zarr.json").write_bytes(with_checksum(group.replace(there, forged).encode()))

            with pytest.raises(CubeError, match="crs does not belong to the grid de450: run repair_cube"):
                open_cube(cube)


class TestPlainReaders:
    """Readers that know nothing of radar_nb."""

    def test_scale_factors_are_decimal(self, sound: Path) -> None:
        """A count of one is 0.1 mm and not 0.10000000149, so comparisons with 0.1 are correct."""
        with xr.open_zarr(sound, chunks=None) as ds:
            assert ds.RW.encoding["scale_factor"] == 0.1

    def test_a_threshold_finds_the_real_cells(self, real_mirror: Path, tmp_path: Path) -> None:
        """Plain xarray counts the cells of 0.1 mm and more as the codes have them."""
        source = real_mirror / "climate_environment/CDC/grids_germany/hourly/radolan/recent/bin"
        build_cube(source, tmp_path / "cube", client=False, progress=False)
        codes = open_cube(tmp_path / "cube", packed=True).RW.isel(time=0).load()

        with xr.open_zarr(tmp_path / "cube", chunks=None) as ds:
            found = int((ds.RW.sel(time=codes.time) >= 0.1).sum())

        assert found == int(((codes >= 1) & (codes != 0xFFFF)).sum()) > 0

    def test_the_group_has_the_metadata_of_all_arrays(self, sound: Path) -> None:
        """Readers of consolidated metadata find the same as in the arrays' own files."""
        group = json.loads((sound / "zarr.json").read_bytes())

        found = group["consolidated_metadata"]["metadata"]

        own = {path.parent.name: json.loads(path.read_bytes()) for path in sound.glob("*/zarr.json")}
        assert found == own
        with xr.open_zarr(sound, chunks=None, consolidated=True) as ds:
            assert set(ds.variables) == set(own)


class TestDescription:
    """Coordinates and metadata."""

    def test_only_non_default_fields_are_described(self, sound: Path) -> None:
        """A field that a later version adds to the packing changes neither description nor fingerprint."""
        group = json.loads((sound / "zarr.json").read_bytes())

        assert group["attributes"]["radar_nb"]["packing"] == {
            "scale": 0.1,
            "bits": 4095,
            "missing": 8192,
            "marks": [],
        }

    @pytest.mark.parametrize(
        ("key", "damage"),
        [("x/c/0", damage) for damage in ("bit at 0.1", "bit at 0.9", "cut", "gone", "bomb")]
        + [("y/c/0", damage) for damage in ("bit at 0.5", "gone")],
    )
    def test_wrong_coordinates_raise_and_are_repaired(
        self, sound: Path, cube: Path, key: str, damage: str
    ) -> None:
        """Coordinates that differ from the grid's are never returned; repair restores every byte."""
        path = cube / key
        data = bytearray(path.read_bytes())
        if damage.startswith("bit"):
            data[int(float(damage[7:]) * len(data))] ^= 16
        elif damage == "bomb":
            data[4:8] = (1 << 31).to_bytes(4, "little")
        path.write_bytes(data[:-9] if damage == "cut" else data)
        if damage == "gone":
            path.unlink()

        with pytest.raises(CubeError, match=f"{key[0]} does not belong to the grid de450: run repair_cube"):
            open_cube(cube)
        with pytest.raises(Incomplete, match=f"description: .*{key} holds other values.*run repair_cube"):
            verify_cube(cube, progress=False)
        repair_cube(cube, progress=False)
        assert files(cube) == files(sound)

    @pytest.mark.parametrize("key", ["time/c/0", "time_bnds/c/0/0"])
    def test_a_damaged_time_axis_is_found_and_repaired(self, sound: Path, cube: Path, key: str) -> None:
        """radar_nb does not read it, but plain readers do."""
        path = cube / key
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

        with pytest.raises(Incomplete, match=f"description: .*{key} holds other values"):
            verify_cube(cube, progress=False)
        repair_cube(cube, progress=False)
        assert files(cube) == files(sound)

    @pytest.mark.parametrize("array", ["RW", "flags", "x", "y", "crs", "time", "time_bnds"])
    def test_changed_metadata_are_found_and_repaired(self, sound: Path, cube: Path, array: str) -> None:
        """One letter of an attribute is changed that only plain readers use."""
        edit(cube / array / "zarr.json", lambda content: content["attributes"].update(units="kn"))

        with pytest.raises(Incomplete, match=f"description: .*{array}/zarr.json describes the array differently"):
            verify_cube(cube, progress=False)
        repair_cube(cube, progress=False)
        assert files(cube) == files(sound)

    @pytest.mark.parametrize(
        ("array", "field", "value"),
        [
            ("RW", "codecs", [{"name": "bytes", "configuration": {"endian": "big"}}]),
            ("x", "codecs", [{"name": "bytes", "configuration": {"endian": "big"}}]),
            ("RW", "chunk_key_encoding", {"name": "v2", "configuration": {"separator": "/"}}),
        ],
    )
    def test_codecs_and_keys_are_compared(
        self, sound: Path, cube: Path, array: str, field: str, value: Any
    ) -> None:
        """Other readers find and unpack chunks by them; radar_nb does not read them."""
        make_old(cube)  # without a checksum, so that anyone can write it
        edit(cube / array / "zarr.json", lambda content: content.update({field: value}))

        with pytest.raises(Incomplete, match=f"{array}/zarr.json describes the array differently"):
            verify_cube(cube, progress=False)
        repair_cube(cube, progress=False)
        assert (cube / array / "zarr.json").read_bytes() == (sound / array / "zarr.json").read_bytes()

    def test_every_flipped_bit_of_the_group_is_an_error(self, cube: Path) -> None:
        """Its checksum covers names, units, projection and packing; a cube that still opens is unchanged."""
        path = cube / "zarr.json"
        whole = path.read_bytes()
        expected = load_cube(Folder(cube))
        silent = []
        for at in range(0, len(whole), 41):
            data = bytearray(whole)
            data[at] ^= 1 << at % 7
            path.write_bytes(data)
            try:
                found = load_cube(Folder(cube))
            except CubeError:
                continue
            if found is None or expected is None or found.metadata != expected.metadata:
                silent.append(at)

        assert silent == []


class TestForgedDescriptions:
    """A malicious cube."""

    @pytest.mark.parametrize("name", HOSTILE)
    def test_nothing_outside_is_touched(self, cube: Path, hours: Path, tmp_path: Path, name: str) -> None:
        """Reading, verifying, repairing and building raise, and files outside the cube are unchanged."""
        home = tmp_path / "home"
        home.mkdir()
        for victim in (".important.lock", ".notes.tmp", "c.286.0.0", "zarr.json"):
            (home / victim).write_bytes(b"alive")
        HOSTILE[name](cube)

        for call in calls(cube, hours):
            with pytest.raises(
                CubeError, match=r"is damaged|something other than a cube|regular file|larger than"
            ):
                call()

        assert files(home) == dict.fromkeys((".important.lock", ".notes.tmp", "c.286.0.0", "zarr.json"), b"alive")

    @pytest.mark.parametrize("array", ["RW", "flags"])
    def test_a_linked_folder_is_not_written_through(
        self, cube: Path, hours: Path, tmp_path: Path, array: str
    ) -> None:
        """Building and repairing refuse to follow it."""
        outside = tmp_path / "home"
        shutil.move(cube / array, outside)
        (outside / ".notes.tmp").write_bytes(b"alive")
        (cube / array).symlink_to(outside)
        shards(outside.parent, "home")[0].write_bytes(b"damaged")
        before = files(outside)

        for call in calls(cube, hours)[2:]:
            with pytest.raises(CubeError, match=r"is a link that leads out of .*remove the link"):
                call()

        assert files(outside) == before

    @pytest.mark.parametrize("key", ["", "..", "../x", "/etc/passwd", "a/../../x", "a\\b", "c:x", "a\0b", "./x"])
    def test_no_key_leads_out_of_a_store(self, tmp_path: Path, key: str) -> None:
        """Keys stay inside folders and buckets."""
        stores: list[Any] = [Folder(tmp_path)]
        obstore = pytest.importorskip("obstore", reason="obstore is not installed")
        stores.append(find_store(obstore.store.MemoryStore()))

        for store in stores:
            with pytest.raises(CubeError, match="would lead out of"):
                store.put(key, b"")
            with pytest.raises(CubeError, match="would lead out of"):
                store.remove(key)
            with pytest.raises(CubeError, match="would lead out of"):
                store.get(key)

    def test_a_forged_cube_in_a_bucket_is_refused(self, cube: Path, hours: Path) -> None:
        """Other objects in the bucket are unchanged, too."""
        obstore = pytest.importorskip("obstore", reason="obstore is not installed")
        bucket = obstore.store.MemoryStore()
        HOSTILE["a variable outside"](cube)
        for key, data in files(cube).items():
            obstore.put(bucket, key, data)
        obstore.put(bucket, "home/c.286.0.0", b"alive")
        store = find_store(bucket)

        for call in calls(store, hours):
            with pytest.raises(CubeError, match="is damaged"):
                call()

        assert bytes(obstore.get(bucket, "home/c.286.0.0").bytes()) == b"alive"


class TestForeignShards:
    """Shards under the name of another day."""

    @pytest.mark.parametrize("array", ["RW", "flags"])
    def test_a_shard_of_another_day_is_damage(self, sound: Path, cube: Path, hours: Path, array: str) -> None:
        """A shard of another day is refused, found by verification, removed and rebuilt."""
        first, second = shards(cube, array)
        shutil.copyfile(first, second)

        with pytest.raises(DamagedShard, match=f"should hold {DAYS[1]} of RW de450 .* and holds {DAYS[0]}"):
            open_cube(cube, flags=True).load()
        with pytest.raises(Incomplete, match=f"{DAYS[1]}: .* and holds {DAYS[0]}"):
            verify_cube(cube, progress=False)
        repair_cube(cube, progress=False)
        build_cube(hours, cube, client=False, progress=False)
        assert files(cube) == files(sound)

    def test_a_shard_of_a_terabyte_is_damage(self, sound: Path, cube: Path, hours: Path) -> None:
        """Its index may be sound: what verifies the shard would read all of it into memory."""
        path = shards(cube)[0]
        data = path.read_bytes()
        with path.open("wb") as file:  # sparse, so that it takes no space
            file.seek(1 << 40)
            file.write(data)

        with pytest.raises(Incomplete, match=r"has 1,099,5.* bytes, more than any day of this cube"):
            verify_cube(cube, progress=False)
        repair_cube(cube, progress=False)
        build_cube(hours, cube, client=False, progress=False)
        assert files(cube) == files(sound)

    def test_a_day_that_was_never_built_does_not_appear(self, cube: Path) -> None:
        """A copy of a shard under the name of a day without one is damage."""
        open_cube(cube)
        shutil.copy2(shards(cube)[0], cube / "RW" / "c.288.0.0")

        with pytest.raises(DamagedShard, match="should hold 2019-10-16"):
            open_cube(cube)
        assert open_cube(cube, errors="report").sizes["time"] == len(DAYS) * len(HOURS)

    @pytest.mark.parametrize("array", ["RW", "flags"])
    def test_a_shard_of_another_cube_is_damage(self, hours: Path, cube: Path, tmp_path: Path, array: str) -> None:
        """The same day of a cube with other chunks, codes or grid is refused."""
        build_cube(hours, tmp_path / "maps", flags=True, layout="maps", client=False, progress=False)
        whole = load_cube(Folder(cube))
        other = load_cube(Folder(tmp_path / "maps"))
        assert whole is not None
        assert other is not None
        formats = (other.flag_shards, whole.flag_shards) if array == "flags" else (other.shards, whole.shards)
        note = Shard.of(shards(tmp_path / "maps", array)[0].read_bytes(), formats[0], name="").note
        path = shards(cube, array)[0]
        path.write_bytes(with_note(path.read_bytes(), formats[1], note))

        with pytest.raises(
            DamagedShard, match=r"should hold 2019-10-14 of RW de450 .* and holds 2019-10-14 of RW"
        ):
            open_cube(cube, flags=True).load()

    def test_a_chunk_that_inflates_to_less_is_damage(self) -> None:
        """A chunk that inflates to less than its size raises: the rest would be uninitialised memory."""
        layout = ShardFormat(shape=(2, 4, 4), chunk=(2, 4, 4), dtype="u2", fill=9)
        encoder = ShardEncoder(layout)
        encoder.field(0)[:] = 1
        shard = Shard.of(encoder.finish(), layout, name="shard")
        short = layout.codec.encode(np.zeros(3, "u2"))

        with pytest.raises(DamagedShard, match=r"damaged in chunk \(0, 0, 0\)"):
            shard.decode((0, 0, 0), short, np.empty(layout.chunk, "u2"))


class TestForgedRecords:
    """Records of days, and their copies in the cache."""

    @pytest.fixture
    def record(self, sound: Path) -> dict[str, Any]:
        """Return the fields of a real record."""
        whole = load_cube(Folder(sound))
        assert whole is not None
        fields: dict[str, Any] = json.loads(
            zlib.decompress(Shard.of(shards(sound)[0].read_bytes(), whole.shards, name="").note)
        )
        return fields

    @pytest.mark.parametrize(
        "changes",
        [
            {"day": "2019-13-99"},
            {"day": 1 << 70},
            {"origins": []},
            {"origins": [[1, 2, "x"]]},
            {"of_step": "AAAA"},
            {"valid": None},
            {"valid": "////"},
            {"shifts": {"999": 1}},
            {"shifts": {"1": 1e999}},
            {"shifts": {"1": 1 << 62}},
            {"shifts": {"1": -(10**30)}},
            {"radars": 7},
        ],
        ids=str,
    )
    def test_a_record_that_contradicts_itself_is_damage(self, record: dict[str, Any], changes: Any) -> None:
        """Types, sizes and numbers of a record are checked."""
        note = zlib.compress(json.dumps(record | changes).encode())

        with pytest.raises(DamagedShard, match="record of its day"):
            DayRecord.of(note, name="shard")

    @pytest.mark.parametrize(
        "changes", [{"shifts": {"0": 18000}}, {"shifts": {"0": -3540}}, {"valid": "more than the grid"}], ids=str
    )
    def test_a_record_that_contradicts_its_cube_is_damage(
        self, cube: Path, record: dict[str, Any], changes: Any
    ) -> None:
        """A stamp lies in its step, and no frame has more cells than the grid."""
        whole = load_cube(Folder(cube))
        assert whole is not None
        if "valid" in changes:
            valid = np.frombuffer(base64.b64decode(record["valid"]), "<i4").copy()
            valid[valid > 0] = 450 * 450 + 1
            changes = {"valid": base64.b64encode(valid.tobytes()).decode()}
        path = shards(cube)[0]
        note = zlib.compress(json.dumps(record | changes).encode())
        path.write_bytes(with_note(path.read_bytes(), whole.shards, note))

        with pytest.raises(DamagedShard, match="has a record of its day that contradicts the cube"):
            open_cube(cube)

    @pytest.mark.parametrize(
        ("data", "times"), [(b"[", 100_000), (b" ", 1 << 26), (b"null", 1)], ids=["deep", "bomb", "null"]
    )
    def test_a_record_takes_no_more_memory_than_a_real_one(self, data: bytes, times: int) -> None:
        """Nesting and inflated size of records are limited."""
        with pytest.raises(DamagedShard, match="no valid record of its day"):
            DayRecord.of(zlib.compress(data * times, 1), name="shard")

    @pytest.mark.parametrize("kind", [kind for kind in DAMAGED if "record" in kind])
    def test_a_record_states_the_frames_of_its_shard(self, kind: str, cube: Path, hours: Path) -> None:
        """A day that claims frames which it lacks, or lacks those that it has, is damaged; a build mends it."""
        expected = open_cube(cube).load()
        DAMAGED[kind](cube)

        with pytest.raises(
            DamagedShard, match="has a record of its day that contradicts its chunks: run repair_cube"
        ):
            open_cube(cube)
        with pytest.raises(Incomplete, match="contradicts its chunks"):
            verify_cube(cube, progress=False)
        assert [outcome.state for outcome in repair_cube(cube, progress=False).outcomes].count("done") == 1
        build_cube(hours, cube, client=False, progress=False)
        xr.testing.assert_identical(open_cube(cube).load(), expected)

    def test_verification_counts_the_cells_of_each_frame(self, cube: Path) -> None:
        """A frame that lies in a chunk with others is not seen in the index; its cells are counted."""

        def one_more(record: dict[str, Any]) -> None:
            valid = np.frombuffer(base64.b64decode(record["valid"]), "<i4").copy()
            of_step = np.frombuffer(base64.b64decode(record["of_step"]), "<i2").copy()
            (absent, *_) = np.flatnonzero(valid < 0)
            valid[absent], of_step[absent] = 7, 0
            record |= {"valid": numbers("<i4", valid), "of_step": numbers("<i2", of_step)}

        recorded(cube, one_more)

        with pytest.raises(Incomplete, match=r"has 0 cells with data in step \d+, and its record states 7"):
            verify_cube(cube, progress=False)

    def test_verification_against_the_source_compares_times(self, cube: Path, hours: Path) -> None:
        """RW comes every ten minutes too, so a stamp ten minutes early is possible; the source decides."""
        recorded(cube, lambda record: record.update(shifts={"0": -600}))
        open_cube(cube)

        with pytest.raises(Incomplete, match="2019-10-14 has other times than the source: rewrite it"):
            verify_cube(cube, hours, progress=False)

    def test_many_damaged_days_are_not_all_read(self, cube: Path) -> None:
        """An error counts a hundred damaged days and reads no others; a report names all of them."""
        for number in range(150):
            (cube / "RW" / f"c.{number}.0.0").write_bytes(b"damaged")

        with pytest.raises(DamagedShard, match="at least 100 days are damaged"):
            open_cube(cube)
        assert open_cube(cube, errors="report").attrs["problems"].endswith("and 130 more")

    @pytest.mark.parametrize(
        "head",
        [
            b"null",
            b"[1]",
            b"[" * 100_000,
            b'["x", 24, [["a", "b"]], []]',
            b"[1, 1e999, [], []]",
            b'["x", 99999999999, [["a", "b", 1, 2, 0]], [{"origins": [], "shifts": {}}]]',
            b"\xff",
        ],
        ids=["null", "one", "deep", "short", "numbers", "huge", "bytes"],
    )
    def test_forged_copies_of_records_count_as_absent(self, cube: Path, head: bytes) -> None:
        """The shards are read instead."""
        expected = open_cube(cube).load()
        (path,) = cache_folder().glob("*.ledger")
        body = b"radar_nb ledger 3\n" + len(head).to_bytes(4, "little") + head
        path.write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))

        assert load_records(str(cube)) == {}
        xr.testing.assert_identical(open_cube(cube).load(), expected)

    def test_attributes_of_a_cube_are_printable(self, cube: Path) -> None:
        """Control characters of a description or a record would move the cursor of a terminal that prints them."""
        make_old(cube)  # without a checksum, so that anyone can write it
        edit(cube / "zarr.json", lambda group: group["attributes"].update(title="\x1b]0;owned\x07"))
        edit(cube / "RW" / "zarr.json", lambda array: array["attributes"].update(institution="\x9b2J"))
        whole = load_cube(Folder(cube))
        assert whole is not None
        path = shards(cube)[0]
        record = json.loads(zlib.decompress(Shard.of(path.read_bytes(), whole.shards, name="").note))
        record |= {"radars": ["\x1b[2J"], "doubled": ["\x1b[1A"]}
        path.write_bytes(with_note(path.read_bytes(), whole.shards, zlib.compress(json.dumps(record).encode())))

        ds = open_cube(cube)

        texts = [str(value) for attrs in (ds.attrs, ds.RW.attrs) for value in attrs.values()]
        assert all(text.isprintable() for text in texts)
        assert ds.attrs["title"] == "?]0;owned?"

    def test_a_pipe_in_place_of_the_copies_does_not_block(self, cube: Path) -> None:
        """Cached records are read only from regular files."""
        open_cube(cube)
        (path,) = cache_folder().glob("*.ledger")
        path.unlink()
        os.mkfifo(path)

        assert load_records(str(cube)) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_day_that_is_no_regular_file_is_damaged(sound: Path, cube: Path, hours: Path) -> None:
    """A pipe or a device under a day's name is damage, not a day that was never built; repair removes it."""
    path = shards(cube)[0]
    for make in (os.mkfifo, lambda place: place.symlink_to("/dev/zero")):
        path.unlink()
        make(path)

        with pytest.raises(Incomplete, match="is empty, cut short or damaged: run repair_cube"):
            verify_cube(cube, progress=False)
        repair_cube(cube, progress=False)
        build_cube(hours, cube, client=False, progress=False)

        assert files(cube) == files(sound)


def test_repair_keeps_a_day_that_was_rebuilt_meanwhile(
    sound: Path, cube: Path, hours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between verification and removal another process may rebuild the day."""
    shards(cube)[0].write_bytes(b"damaged")
    verify = checking.verify_cube

    def verify_and_lose_the_race(*arguments: Any, **options: Any) -> Any:
        report = verify(*arguments, **options)
        build_cube(hours, cube, client=False, progress=False)
        return report

    monkeypatch.setattr(checking, "verify_cube", verify_and_lose_the_race)

    report = repair_cube(cube, progress=False)

    assert [outcome.state for outcome in report.outcomes] == ["kept", "kept"]
    assert files(cube) == files(sound)


def test_other_processes_can_read_open_datasets(hours: Path, sound: Path) -> None:
    """Forked and spawned processes read cubes and archives, as dask arrays and as lazy ones."""
    methods = ["spawn"] if sys.platform in {"win32", "darwin"} else ["fork", "spawn"]  # not all fork safely
    command = [sys.executable, "-W", "ignore", forked_readers.__file__, ",".join(methods), str(hours), str(sound)]

    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603

    assert run.stdout.splitlines() == [f"{method} equal" for method in methods], run.stderr
