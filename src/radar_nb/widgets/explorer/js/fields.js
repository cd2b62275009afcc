// Fields from chunks: runs of equal codes, as cache.js takes them, in the order of rows.
import { NO_VALUE } from "./cache.js";
import { Fault } from "./webspace.js";

const LONGEST_RUN = 0xffff, RUNS_ROOM = 256e6; // cells of a run; bytes of the runs of a chunk of time

export class RunBuilder {
  constructor() {
    [this.words, this.size, this.code, this.cells] = [new Uint16Array(4096), 0, -1, 0];
  }
  flush() {
    for (let left = this.cells; left > 0; left -= LONGEST_RUN) {
      if (this.size + 2 > this.words.length) {
        const more = new Uint16Array(2 * this.words.length);
        more.set(this.words);
        this.words = more;
      }
      this.words[this.size++] = this.code;
      this.words[this.size++] = Math.min(left, LONGEST_RUN);
    }
  }
  add(code, count) {
    if (code !== this.code) {
      this.flush();
      [this.code, this.cells] = [code, 0];
    }
    this.cells += count;
  }
  // Rows of a chunk: `codes` from `start` on; `table` translates them.
  addCodes(codes, start, count, table) {
    for (let from = start, end = start + count, to; from < end; from = to) {
      const code = codes[from];
      for (to = from + 1; to < end && codes[to] === code; ) to++;
      this.add(table[code], to - from);
    }
  }
  finish() {
    this.flush();
    const runs = this.size / 2, found = new Uint16Array(2 + this.size);
    found.set([runs & 0xffff, runs >>> 16]);
    for (let k = 0; k < runs; k++) [found[2 + k], found[2 + runs + k]] = [this.words[2 * k], this.words[2 * k + 1]];
    return found;
  }
}

// Visit the runs of a field: code, first cell, and the one after the last.
export function eachRun(words, act) {
  const runs = words[0] + 0x10000 * words[1];
  for (let k = 2, from = 0; k < runs + 2; k++) {
    const to = from + words[k + runs];
    act(words[k], from, to);
    from = to;
  }
}

// The fields of steps of a chunk of time. Only the chunks of one row of chunks are decoded at a time.
export function buildFields(layout, steps, chunkOf, table) {
  const [, rows, cols] = layout.chunk, builders = steps.map(() => new RunBuilder());
  for (let y = 0; y < layout.grid[1]; y++) {
    const band = Array.from({ length: layout.grid[2] }, (_, x) => chunkOf(y, x));
    builders.forEach((builder, k) => {
      for (let row = 0; row < rows; row++) {
        for (const codes of band) {
          if (codes) builder.addCodes(codes, (steps[k] * rows + row) * cols, cols, table);
          else builder.add(NO_VALUE, cols);
        }
      }
    });
    if (builders.reduce((sum, { words }) => sum + words.byteLength, 0) > RUNS_ROOM) throw new Fault("cube_large_fields");
  }
  return builders.map((builder) => builder.finish());
}
