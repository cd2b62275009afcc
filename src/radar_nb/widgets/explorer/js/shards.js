// Shards as radar_nb/cube/shards.py writes them: chunks, a note, and an index with a SUM-32C at the end.
import { Fault } from "./webspace.js";

export const NOTE_ROOM = 16384; // bytes that contain most notes, as there
const FOOT = 8, SUM = 4, LONGEST_NOTE = 4 << 20, MARK = 0x31626e72; // "rnb1"
const NEAR = 32768, MOST_BYTES = 64e6; // bytes between parts that one request reads, and of all parts that are read at once

const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  return sum;
});

// RFC 3720, B.4
export function crc32c(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = CASTAGNOLI[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

// How shards of an array are divided: steps, rows and columns of a shard and of a chunk, and bytes of a code.
export class Layout {
  constructor({ shape, chunk, itemsize }) {
    Object.assign(this, { shape, chunk, itemsize });
    this.grid = shape.map((length, axis) => length / chunk[axis]);
    this.indexBytes = 16 * this.grid.reduce((a, b) => a * b) + SUM;
    this.chunkBytes = itemsize * chunk.reduce((a, b) => a * b);
  }
  number(t, y, x) {
    return (t * this.grid[1] + y) * this.grid[2] + x;
  }
}

// A shard in a web space: its index and its note are read at once, its chunks on request.
export class ShardFile {
  constructor(space, key, layout) {
    Object.assign(this, { space, key, layout });
  }
  // `size`: bytes of the file when the page was written; it is asked for if that is no longer true.
  async open(size) {
    try {
      return await this.openAt(size);
    } catch (error) {
      if (!["cube_damaged", "cube_changed"].includes(error.key)) throw error;
      const now = await this.space.size(this.key);
      if (now === size || !now) throw this.damaged();
      this.replaced = true;
      return this.openAt(now);
    }
  }
  damaged() {
    return new Fault("cube_damaged", { url: new URL(this.key, this.space.root).href });
  }
  async openAt(size, room = NOTE_ROOM) {
    const length = Math.min(size, this.layout.indexBytes + FOOT + room);
    const { bytes, modified } = await this.space.read(this.key, { from: size - length, to: size });
    const view = new DataView(bytes.buffer, bytes.byteOffset, length), end = length - this.layout.indexBytes, foot = end - FOOT;
    if (foot < 0 || view.getUint32(length - SUM, true) !== crc32c(bytes.subarray(end, length - SUM))) throw this.damaged();
    const note = view.getUint32(foot, true);
    if (view.getUint32(foot + 4, true) !== MARK || note > LONGEST_NOTE) throw this.damaged();
    if (note > foot) {
      if (length === size || room > NOTE_ROOM) throw this.damaged();
      return this.openAt(size, note);
    }
    Object.assign(this, { modified, index: view, end, size, note: await inflateJson(bytes.subarray(foot - note, foot)).catch(() => { throw this.damaged(); }) });
    return this;
  }
  // Offset and length of a chunk; null if it has only fill values.
  span(number) {
    const word = (k) => this.index.getUint32(this.end + 16 * number + 4 * k, true), [low, high] = [word(0), word(1)];
    if (low === 0xffffffff && high === 0xffffffff) return null;
    const offset = low + 0x100000000 * high, length = word(2) + 0x100000000 * word(3);
    if (offset + length > this.size || length > this.layout.chunkBytes * 1.01 + 1024) throw this.damaged();
    return [offset, length];
  }
  // The bytes of chunks by their numbers, in as few requests as are sensible.
  async chunks(numbers) {
    const wanted = numbers.map((number) => [number, this.span(number)]).filter(([, span]) => span).sort(([, a], [, b]) => a[0] - b[0]);
    if (wanted.reduce((sum, [, [, length]]) => sum + length, 0) > MOST_BYTES) throw this.damaged();
    const parts = [], found = new Map();
    for (const [number, [offset, length]] of wanted) {
      const last = parts.at(-1);
      if (last && offset - last.to <= NEAR) last.to = Math.max(last.to, offset + length);
      else parts.push({ from: offset, to: offset + length, held: [] });
      parts.at(-1).held.push([number, offset, length]);
    }
    await Promise.all(parts.map(async ({ from, to, held }) => {
      const { bytes, modified } = await this.space.read(this.key, { from, to });
      if (modified !== this.modified) throw new Fault("cube_changed", { url: new URL(this.key, this.space.root).href });
      for (const [number, offset, length] of held) found.set(number, bytes.subarray(offset - from, offset - from + length));
    }));
    return found;
  }
  // The codes of a chunk. The decoder compares Zstandard's checksum, and writes no more than a chunk.
  decode(decoder, bytes) {
    const { chunkBytes, itemsize } = this.layout, codes = decoder.decode(bytes, chunkBytes);
    if (codes.byteLength !== chunkBytes) throw this.damaged();
    return itemsize === 1 ? codes : new Uint16Array(codes.buffer);
  }
}

async function inflateJson(bytes) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  const parts = [];
  let size = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    size += part.value.length;
    if (size > LONGEST_NOTE) throw new RangeError("the note inflates without end");
  }
  return JSON.parse(await new Blob(parts).text());
}
