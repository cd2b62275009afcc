"""Shards: values survive here and in every other implementation of Zarr, and damage is detected."""

from __future__ import annotations

import math
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import ZstdCodec

from radar_nb.cube.shards import Shard, ShardEncoder, ShardFormat, TileEncoder, split_by_chunk
from radar_nb.errors import DamagedShard

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = ShardFormat(shape=(12, 30, 20), chunk=(4, 10, 5), dtype="u2", fill=0xFFFF)


def fields(layout: ShardFormat = LAYOUT, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return fields of random codes, with one corner always missing."""
    codes = np.random.default_rng(seed).integers(0, 200, layout.shape).astype(layout.dtype)
    codes[:, : layout.chunk[1], : layout.chunk[2]] = layout.fill
    return codes


def encoded(
    codes: np.ndarray[Any, Any], steps: Any = None, note: bytes = b"", layout: ShardFormat = LAYOUT
) -> bytes:
    """Encode some steps."""
    encoder = ShardEncoder(layout)
    for step in range(len(codes)) if steps is None else steps:
        encoder.field(step)[:] = codes[step]
    return encoder.finish(note)


def decoded(data: bytes, layout: ShardFormat = LAYOUT) -> np.ndarray[Any, Any]:
    """Decode all chunks."""
    shard = Shard.of(data, layout, name="shard")
    codes = np.full(layout.shape, layout.fill, layout.dtype)
    for chunk in shard.chunks():
        start, length = shard.span(chunk) or (0, 0)
        out = np.empty(layout.chunk, layout.dtype)
        shard.decode(chunk, data[start : start + length], out)
        box = tuple(slice(n * c, (n + 1) * c) for n, c in zip(chunk, layout.chunk, strict=True))
        codes[box] = out
    return codes


def array(path: Path, codes: np.ndarray[Any, Any], layout: ShardFormat = LAYOUT) -> Any:
    """Return a Zarr array of two shards, the first missing and the second ours."""
    made = zarr.create_array(
        path,
        shape=(2 * layout.shape[0], *layout.shape[1:]),
        dtype=layout.dtype,
        chunks=layout.chunk,
        shards=layout.shape,
        compressors=ZstdCodec(level=1, checksum=True),
        filters=None,
        fill_value=layout.fill,
        chunk_key_encoding={"name": "default", "separator": "."},
    )
    (path / "c.1.0.0").write_bytes(encoded(codes, note=b"a note of ours", layout=layout))
    return made


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
class TestOtherReaders:
    """Implementations of Zarr that know nothing of radar_nb."""

    @pytest.fixture
    def layout(self, dtype: str) -> ShardFormat:
        """Return a shard format for a type of codes."""
        return ShardFormat(shape=(12, 30, 20), chunk=(4, 10, 5), dtype=dtype, fill=int(np.iinfo(dtype).max))

    def test_zarr_python(self, tmp_path: Path, layout: ShardFormat) -> None:
        """The reference implementation reads the written values, and the fill value elsewhere."""
        codes = fields(layout)

        read = array(tmp_path / "a", codes, layout)[:]

        np.testing.assert_array_equal(read[12:], codes)
        assert (read[:12] == layout.fill).all()

    def test_tensorstore(self, tmp_path: Path, layout: ShardFormat) -> None:
        """The same holds for tensorstore, written in C++."""
        tensorstore = pytest.importorskip("tensorstore", reason="tensorstore is not installed")
        codes = fields(layout)
        array(tmp_path / "a", codes, layout)
        spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{tmp_path / 'a'}/"}}

        read = tensorstore.open(spec, open=True).result().read().result()

        np.testing.assert_array_equal(read[12:], codes)
        assert (read[:12] == layout.fill).all()

    def test_zarrs(self, tmp_path: Path, layout: ShardFormat) -> None:
        """The same holds for zarrs, written in Rust."""
        pytest.importorskip("zarrs", reason="zarrs is not installed")
        codes = fields(layout)
        array(tmp_path / "a", codes, layout)

        with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
            read = np.asarray(zarr.open_array(tmp_path / "a", mode="r")[:])

        np.testing.assert_array_equal(read[12:], codes)
        assert (read[:12] == layout.fill).all()

    def test_zarr_python_writes_the_same_chunks(self, tmp_path: Path, layout: ShardFormat) -> None:
        """The chunks of its shards have our bytes; only the note is ours."""
        codes = fields(layout)
        made = array(tmp_path / "a", codes, layout)
        ours = (tmp_path / "a" / "c.1.0.0").read_bytes()
        made[12:] = codes
        theirs = (tmp_path / "a" / "c.1.0.0").read_bytes()

        assert len(theirs) == len(ours) - len(b"a note of ours") - 8
        with pytest.raises(DamagedShard, match="not written by radar_nb"):
            Shard.of(theirs, layout, name="shard")


class TestRoundTrip:
    """Values survive."""

    @settings(deadline=None)
    @given(st.data())
    def test_codes_survive(self, data: st.DataObject) -> None:
        """Any steps of any codes, in any layout, with any note, are restored; omitted steps are missing."""
        chunk = tuple(data.draw(st.integers(1, 4)) for _ in range(3))
        times = tuple(data.draw(st.integers(1, 3)) for _ in range(3))
        t, y, x = (c * n for c, n in zip(chunk, times, strict=True))
        layout = ShardFormat(shape=(t, y, x), chunk=chunk, dtype="u2", fill=9)  # type: ignore[arg-type]
        steps = sorted(data.draw(st.sets(st.integers(0, t - 1))))
        note = data.draw(st.binary(max_size=40))
        codes = np.random.default_rng(0).integers(8, 11, (t, y, x)).astype("u2")

        shard = encoded(codes, steps, note, layout)

        expected = np.where(np.isin(np.arange(t), steps)[:, None, None], codes, 9)
        np.testing.assert_array_equal(decoded(shard, layout), expected)
        assert Shard.of(shard, layout, name="shard").note == note

    def test_an_encoder_is_reusable(self) -> None:
        """A shard contains nothing of the previous one, even if that was never finished."""
        encoder = ShardEncoder(LAYOUT)
        for step in (0, 5, 11):
            encoder.field(step)[:] = 1
        encoder.begin()
        encoder.field(6)[:] = fields()[6]

        again = encoder.finish()

        assert again == encoded(fields(), [6])

    def test_memory_is_kept_for_the_next_shard(self) -> None:
        """Further shards need no memory of their own, so that a long build stays flat."""
        layout = ShardFormat(shape=(8, 200, 200), chunk=(4, 50, 50), dtype="u2", fill=9)
        codes, encoder, taken = fields(layout), ShardEncoder(layout), []
        tracemalloc.start()
        for _ in range(3):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            for step, field in enumerate(codes):
                encoder.field(step)[:] = field
            size = len(encoder.finish())
            taken.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()

        assert taken[0] > 2 * size
        assert max(taken[1:]) < 1.2 * size  # the shard that is returned, and a chunk

    def test_a_long_shard_of_tiles_is_never_in_memory(self) -> None:
        """Tiles are returned as soon as they are compressed, so that a year takes no more memory than a month."""
        taken = []
        for number in (2, 16):
            layout = ShardFormat(shape=(64 * number, 50, 50), chunk=(64, 10, 10), dtype="u2", fill=9)
            codes = fields(replace(layout, shape=(64, 50, 50)))
            tracemalloc.start()
            encoder = TileEncoder(layout)
            size = sum(len(encoder.put(64 * at, codes)) for at in range(number)) + len(encoder.finish())
            taken.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

        assert taken[1] < 1.1 * taken[0] < size

    def test_missing_chunks_take_no_space(self) -> None:
        """Chunks with only fill values are not stored."""
        shard = Shard.of(encoded(fields()), LAYOUT, name="shard")

        assert len(shard.chunks()) == math.prod(LAYOUT.grid) - LAYOUT.grid[0]
        assert shard.span((0, 0, 0)) is None

    def test_a_tail_is_enough(self) -> None:
        """Index and note are read from the last bytes."""
        data = encoded(fields(), note=b"note")
        tail = data[-LAYOUT.index_bytes - 30 :]

        shard = Shard.of(tail, LAYOUT, name="shard", size=len(data))

        assert shard.note == b"note"
        np.testing.assert_array_equal(shard.index, Shard.of(data, LAYOUT, name="shard").index)


class TestDamage:
    """Damage is detected."""

    @pytest.mark.parametrize("length", [0, 1, 3, 100, -1])
    def test_a_truncation(self, length: int) -> None:
        """A shard may be cut short anywhere."""
        data = encoded(fields())[:length]

        with pytest.raises(DamagedShard, match=rf"shard is cut short or damaged \({len(data):,} bytes\)"):
            Shard.of(data, LAYOUT, name="shard")

    def test_every_flipped_bit(self) -> None:
        """A flipped bit is detected by the index or its chunk, or has no effect."""
        codes = fields(seed=1)
        data = encoded(codes)
        foot = len(data) - LAYOUT.index_bytes - 8
        silent = []
        for at in (*range(0, foot - 4, 37), *range(foot, len(data), 5)):
            broken = bytearray(data)
            broken[at] ^= 1 << at % 8
            with suppress(DamagedShard):
                if not np.array_equal(decoded(bytes(broken)), codes):
                    silent.append(at)

        assert silent == []

    def test_chunks_beyond_the_end(self) -> None:
        """The index of another shard has a correct checksum."""
        long, short = encoded(fields()), encoded(np.zeros_like(fields()))
        forged = short[: -LAYOUT.index_bytes] + long[-LAYOUT.index_bytes :]

        with pytest.raises(DamagedShard, match="has chunks beyond its end"):
            Shard.of(forged, LAYOUT, name="shard")


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(1, 9))
def test_places_are_covered_once(places: list[int], size: int) -> None:
    """Each requested place is in one chunk, in the order of the chunks."""
    key = np.array(places, np.intp)

    found = list(split_by_chunk(key, size))

    assert [number for number, _, _ in found] == sorted({place // size for place in places})
    rebuilt = np.full(key.size, -1)
    for number, inside, at in found:
        rebuilt[at] = number * size + inside
    np.testing.assert_array_equal(rebuilt, key)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("https://host/YW/YW/c.18425", "ask who publishes the cube to repair it"),
        ("s3://cubes/YW/YW/c.18425", "run repair_cube"),
        ("YW/YW/c.18425", "run repair_cube"),
    ],
)
def test_the_remedy_fits_the_place(name: str, advice: str) -> None:
    """A cube that can only be read is not to be repaired by its reader."""
    with pytest.raises(DamagedShard, match=advice):
        Shard.of(bytes(LAYOUT.index_bytes + 8), LAYOUT, name=name)
