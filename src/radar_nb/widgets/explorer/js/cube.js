// The kernel of a page of a cube, in a worker: it reads the cube's shards and answers the explorer's requests.
import { inside, NO_VALUE } from "./cache.js";
import { buildFields, eachRun } from "./fields.js";
import { Layout, ShardFile } from "./shards.js";
import { DAY, MINUTE } from "./ticks.js";
import { totalMessage } from "./page.js";
import { Fault, WebSpace } from "./webspace.js";

const OPEN_SHARDS = 64, AT_ONCE = 6, DESCRIPTION = 4 << 20; // indexes in memory; chunks of time of a series; bytes
const WET_SHARE = 1e-3; // as in queries.py

const sorted = (value) => Array.isArray(value) ? value.map(sorted) : value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])])) : value;
const same = (one, other) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
const dayText = (day) => new Date(day * DAY).toISOString().slice(0, 10);

export class CubeKernel {
  // cube: what cube_page.py describes; send(message, ...buffers)
  constructor({ info, cube, texts }, decoder, send) {
    Object.assign(this, { about: info, cube, texts, decoder, send });
    this.space = new WebSpace(cube.url);
    this.layout = new Layout(cube.shards);
    this.tiles = cube.series && new Layout(cube.series.shards);
    this.table = Uint16Array.from({ length: 1 << (8 * cube.shards.itemsize) }, (_, code) => code);
    if (cube.classes) {
      this.table.fill(cube.classes.length);
      cube.classes.forEach((code, number) => (this.table[code] = number));
    }
    this.table[cube.fill] = NO_VALUE;
    this.sizes = new Map(cube.days.flatMap(([first, sizes]) => sizes.map((size, k) => [first + k, size])));
    this.files = new Map(); // key -> promise of a shard, the last used one at the end
    this.replaced = new Set(); // days that have changed since the page was written
    this.jobs = new Map();
    this.wanted = [];
    this.covered = new Uint8Array(this.layout.shape[1] * this.layout.shape[2]);
    this.edition = -1;
  }
  // ---- requests
  async ask(question) {
    const { type, id = type } = question;
    if (type === "frames") {
      this.wanted = question.wanted;
      return this.working || this.work();
    }
    if (type === "hello" || type === "year") return this.hello(question.year ?? this.year);
    if (type === "series") return void question.places.forEach((place) => this.job("series", { ...question, ...place }));
    return this.job(type, { ...question, id });
  }
  async job(type, question) {
    const { id } = question, job = Symbol(id);
    this.jobs.set(id, job);
    const alive = () => this.jobs.get(id) === job, { edition } = this;
    if (!["series", "total", "rain"].includes(type)) return;
    try {
      await this[type](question, () => alive() && edition === this.edition);
    } catch (error) {
      if (alive()) this.answer({ type: "problem", id, text: this.word(error) });
    }
  }
  answer(message, ...buffers) {
    this.send({ ...message, edition: this.edition }, ...buffers);
  }
  word(error) {
    return error instanceof Fault ? error.text(this.texts) : String(error);
  }
  async hello(year) {
    try {
      if (!this.checked) await this.check();
    } catch (error) {
      return this.send({ type: "info", problem: this.word(error) });
    }
    const { steps, every, minute, shifts } = this.cube, years = this.years();
    this.year = years.includes(year) ? year : years.at(-1);
    const days = [...this.sizes.keys()].filter((day) => this.yearOf(day) === this.year);
    [this.first, this.count] = [days[0] * steps, (days.at(-1) - days[0] + 1) * steps];
    const times = Array.from({ length: this.count }, (_, k) => ((this.first + k) * every + minute) * MINUTE);
    for (const [slot, length, seconds] of shifts) {
      for (let k = Math.max(slot, this.first); k < Math.min(slot + length, this.first + this.count); k++) times[k - this.first] += 1000 * seconds;
    }
    this.edition += 1;
    this.jobs.clear();
    this.wanted = [];
    this.answer({ type: "info", years, year: this.year, info: { ...this.about, count: this.count, times, batch: this.layout.chunk[0], alone: true, edition: this.edition } });
    if (this.covers) this.answer({ type: "coverage", plain: true }, this.covered.slice());
  }
  years() {
    return [...new Set([...this.sizes.keys()].map((day) => this.yearOf(day)))];
  }
  yearOf(day) {
    return new Date(day * DAY).getUTCFullYear();
  }
  // The description must be that of the cube for which the page was written: all sizes are known from the page.
  async check() {
    const { cube } = this, { bytes } = await this.space.read("zarr.json", { most: DESCRIPTION });
    let described;
    try {
      described = JSON.parse(new TextDecoder().decode(bytes)).attributes.radar_nb;
    } catch {
      described = null;
    }
    const { first } = described ?? {};
    const alike = Object.entries(cube.described).every(([name, value]) => same(described?.[name], value));
    if (!alike || !Number.isInteger(first)) throw new Fault("cube_changed", { url: new URL("zarr.json", cube.url).href });
    [this.begin, this.checked] = [first, true];
  }
  // ---- shards
  opened(key, layout, size) {
    const found = this.files.get(key) ?? new ShardFile(this.space, key, layout).open(size);
    this.files.delete(key);
    this.files.set(key, found);
    found.catch(() => this.files.delete(key));
    while (this.files.size > OPEN_SHARDS) this.files.delete(this.files.keys().next().value);
    return found;
  }
  // A day's shard, and how many cells of each frame have data, -1 without a frame.
  async day(day) {
    const size = this.sizes.get(day), { cube } = this;
    if (size === undefined) throw new Fault("cube_never_built", { day: dayText(day) });
    const file = await this.opened(`${cube.variable}/c.${day - this.begin}.0.0`, this.layout, size);
    if (!file.valid) {
      const { note } = file;
      let bytes;
      try {
        bytes = Uint8Array.from(atob(note.valid), (letter) => letter.charCodeAt(0));
      } catch {
        throw file.damaged();
      }
      if (note.day !== dayText(day) || !["", cube.fingerprint].includes(note.cube ?? "") || bytes.length !== 4 * cube.steps) throw file.damaged();
      file.valid = new Int32Array(bytes.buffer);
    }
    if (file.replaced) this.replaced.add(this.yearOf(day));
    return file;
  }
  // Read and do something with a file; once more if it was replaced between its index and its chunks.
  async again(act) {
    try {
      return await act();
    } catch (error) {
      if (error.key !== "cube_changed") throw error;
      this.files.clear();
      return act();
    }
  }
  // ---- fields: a slab is the part of a day that a chunk covers in time
  slabOf(index) {
    return Math.floor((this.first + index) / this.layout.chunk[0]);
  }
  load(slab) {
    const [length] = this.layout.chunk, day = Math.floor((slab * length) / this.cube.steps), t = slab % this.layout.grid[0];
    return this.again(async () => {
      const file = await this.day(day), [, rows, cols] = this.layout.grid;
      const numbers = Array.from({ length: rows * cols }, (_, k) => t * rows * cols + k);
      return { file, t, chunks: await file.chunks(numbers) };
    });
  }
  // The frames of a slab: words as cache.js takes them, null without a frame; share of wet cells, and cells with data.
  frames({ file, t, chunks }) {
    const { layout, cube } = this, [length] = layout.chunk, { scale, offset, least } = cube;
    const steps = Array.from({ length }, (_, k) => k).filter((k) => file.valid[t * length + k] >= 0), found = new Array(length).fill(null);
    const chunkOf = (y, x) => {
      const bytes = chunks.get(layout.number(t, y, x));
      return bytes && file.decode(this.decoder, bytes);
    };
    const start = Math.ceil(+((least - offset) / scale).toFixed(6));
    buildFields(layout, steps, chunkOf, this.table).forEach((words, k) => {
      let cells = 0, wet = 0;
      eachRun(words, (code, from, to) => {
        if (code === NO_VALUE) return;
        cells += to - from;
        if (code >= start) wet += to - from;
      });
      if (cells !== file.valid[t * length + steps[k]]) throw file.damaged();
      found[steps[k]] = { words, cells, wet: cells ? wet / cells : 0 };
    });
    return found;
  }
  async work() {
    this.working = true;
    let next = null;
    while (this.wanted.length) {
      const { edition } = this, slab = this.slabOf(this.wanted[0]);
      const loading = next?.slab === slab && next.edition === edition ? next.loading : this.load(slab);
      const later = this.wanted.find((index) => this.slabOf(index) !== slab);
      next = later === undefined ? null : { slab: this.slabOf(later), edition, loading: this.load(this.slabOf(later)) };
      next?.loading.catch(() => {}); // reported when it is wanted
      const [length] = this.layout.chunk, start = slab * length - this.first;
      try {
        const loaded = await loading;
        if (edition !== this.edition) continue;
        this.post(this.frames(loaded), start);
      } catch (error) {
        if (edition === this.edition) this.answer({ type: "frames", frames: this.inside(start, length).map((index) => ({ index, problem: this.word(error) })) });
      }
      if (edition === this.edition) this.wanted = this.wanted.filter((index) => this.slabOf(index) !== slab);
    }
    this.working = false;
  }
  inside(start, length) {
    return Array.from({ length }, (_, k) => start + k).filter((index) => index >= 0 && index < this.count);
  }
  post(frames, start) {
    const { scale, offset, steps } = this.cube, buffers = [], about = [];
    frames.forEach((frame, k) => {
      const index = start + k, slot = this.first + index;
      if (!frame) {
        const time = new Date((slot * this.cube.every + this.cube.minute) * MINUTE).toISOString().slice(0, 16).replace("T", " ");
        return about.push({ index, problem: this.texts.cube_no_frame.replace("{time}", `${time} UTC`) });
      }
      about.push({ index, scale, offset, cells: frame.cells, wet: frame.wet, plain: true });
      buffers.push(new Uint8Array(frame.words.buffer));
    });
    this.cover(frames.find(Boolean));
    this.answer({ type: "frames", frames: about, space: { requests: this.space.requests, bytes: this.space.bytes } }, ...buffers);
  }
  cover(frame) {
    if (!frame) return;
    let more = false;
    eachRun(frame.words, (code, from, to) => {
      if (code === NO_VALUE) return;
      for (let cell = from; cell < to; cell++) if (!this.covered[cell]) this.covered[cell] = more = 1;
    });
    if (!more) return;
    this.covers = true;
    this.answer({ type: "coverage", plain: true }, this.covered.slice());
  }
  // ---- jobs
  // The mean of some cells, or a cell's value: from the arrangement for series where less must be decoded there.
  async series({ id, span, near, cell, polygon }, alive) {
    const [, rows, cols] = this.layout.shape, cells = polygon ? inside(polygon, rows, cols) : [cell[0] * cols + cell[1]];
    const answer = (more, values) => this.answer({ type: "series", ...more, places: [{ id, cells: cells.length, values }] }), end = () => answer({ done: true });
    if (!cells.length) return end();
    if (polygon && this.cube.classes) throw new Fault("cube_classes");
    const tiles = this.hasSeries() && this.cost(this.tiles, cells) < this.cost(this.layout, cells) ? await this.yearFiles(cells) : null;
    const layout = tiles ? this.tiles : this.layout, [length] = layout.chunk, origin = tiles ? tiles.first : 0;
    const one = (index) => Math.floor((this.first + index - origin) / length);
    const parts = Array.from({ length: one(span[1]) - one(span[0]) + 1 }, (_, k) => one(span[0]) + k).sort((a, b) => Math.abs(a - one(near)) - Math.abs(b - one(near)));
    const groups = grouped(layout, cells, cols);
    let place = 0;
    const worker = async () => {
      while (place < parts.length && alive()) {
        const part = parts[place++], from = part * length + origin - this.first;
        const values = await this.again(() => tiles ? this.partOfYear(tiles, groups, part) : this.partOfDay(groups, part));
        const first = Math.max(from, span[0]), stop = Math.min(from + length, span[1] + 1);
        if (alive()) answer({ first }, values.slice(first - from, stop - from));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (alive()) end();
  }
  hasSeries() {
    return this.tiles && this.cube.series.years[this.year] && !this.replaced.has(this.year);
  }
  // Codes that must be decoded for some cells, for each step.
  cost(layout, cells) {
    return (grouped(layout, cells, this.layout.shape[2]).length * layout.chunkBytes) / layout.chunk[0];
  }
  // The shards of the year in which some cells lie; null if one of them is out of date or damaged.
  async yearFiles(cells) {
    const { series, variable, fingerprint } = this.cube, [, , cols] = this.layout.shape, { state, first, sizes } = series.years[this.year];
    const [, height, width] = this.tiles.shape, across = cols / width, files = new Map();
    const blocks = [...new Set(cells.map((cell) => Math.floor(Math.floor(cell / cols) / height) * across + Math.floor((cell % cols) / width)))];
    try {
      for (const block of blocks) {
        const [row, col] = [Math.floor(block / across), block % across];
        const file = await this.opened(`series/${this.year}/${variable}/c.0.${row}.${col}`, this.tiles, sizes[block]);
        if (!same(file.note, { year: this.year, part: [row, col], cube: fingerprint, state })) return null;
        files.set(block, file);
      }
    } catch (error) {
      if (["cube_damaged", "cube_gone", "cube_changed"].includes(error.key)) return null;
      throw error;
    }
    return { files, first, across };
  }
  async partOfDay(groups, part) {
    const { layout, cube } = this, [length] = layout.chunk, day = Math.floor((part * length) / cube.steps), t = part % layout.grid[0];
    if (!this.sizes.has(day)) return new Array(length).fill(null);
    const file = await this.day(day), numbers = groups.map(({ y, x }) => layout.number(t, y, x));
    const chunks = await file.chunks(numbers);
    return this.means(file, layout, groups, numbers.map((number) => chunks.get(number)));
  }
  async partOfYear({ files, across }, groups, t) {
    const { tiles } = this, [, high, wide] = tiles.grid, found = [];
    for (const { y, x } of groups) {
      const file = files.get(Math.floor(y / high) * across + Math.floor(x / wide)), number = tiles.number(t, y % high, x % wide);
      found.push([file, (await file.chunks([number])).get(number)]);
    }
    return this.means(found[0][0], tiles, groups, found.map(([, bytes]) => bytes));
  }
  // The mean of the cells that have data, for each step of a chunk; null if none has.
  means(file, layout, groups, chunks) {
    const [length, rows, cols] = layout.chunk, { scale, offset } = this.cube, sums = new Float64Array(length), counts = new Uint32Array(length);
    groups.forEach(({ cells }, k) => {
      if (!chunks[k]) return;
      const codes = file.decode(this.decoder, chunks[k]);
      for (let step = 0; step < length; step++) {
        for (const cell of cells) {
          const code = this.table[codes[step * rows * cols + cell]];
          if (code !== NO_VALUE) [sums[step], counts[step]] = [sums[step] + code, counts[step] + 1];
        }
      }
    });
    const { fround } = Math, [slope, start] = [fround(scale), fround(offset)]; // a cell's value is that of Python, in 32 bits
    return Array.from(sums, (sum, step) => (counts[step] ? fround(fround((sum / counts[step]) * slope) + start) : null));
  }
  async total({ how, span }, alive) {
    const size = this.covered.length, found = new Float64Array(size).fill(how === "sum" ? 0 : -1), counts = new Uint32Array(size), [length] = this.layout.chunk;
    for (let slab = this.slabOf(span[0]); slab <= this.slabOf(span[1]); slab++) {
      const start = slab * length - this.first, day = Math.floor((slab * length) / this.cube.steps);
      const frames = this.sizes.has(day) ? this.frames(await this.load(slab)) : [];
      if (!alive()) return;
      frames.forEach((frame, k) => {
        if (!frame || start + k < span[0] || start + k > span[1]) return;
        eachRun(frame.words, (code, from, to) => {
          if (code === NO_VALUE) return;
          for (let cell = from; cell < to; cell++) {
            counts[cell] += 1;
            if (how === "sum") found[cell] += code;
            else if (code > found[cell]) found[cell] = code;
          }
        });
      });
      const done = Math.min(start + length, span[1] + 1) - span[0];
      this.answer({ type: "progress", id: "total", done, count: span[1] - span[0] + 1 });
    }
    const { scale, offset } = this.cube;
    for (let cell = 0; cell < size; cell++) found[cell] = counts[cell] ? found[cell] * scale + (how === "sum" ? counts[cell] : 1) * offset : NaN;
    const { message, bytes } = totalMessage(found, counts, { how, span, info: this.about, scale });
    if (alive()) this.answer(message, bytes);
  }
  async rain({ start, span }, alive) {
    const [length] = this.layout.chunk;
    let was = true;
    for (let slab = this.slabOf(Math.max(start, span[0])); slab <= this.slabOf(span[1]); slab++) {
      const from = slab * length - this.first, day = Math.floor((slab * length) / this.cube.steps);
      const frames = this.sizes.has(day) ? this.frames(await this.load(slab)) : new Array(length).fill(null);
      if (!alive()) return;
      for (let k = Math.max(0, start - from); k < length && from + k <= span[1]; k++) {
        const wet = Boolean(frames[k]) && frames[k].wet >= WET_SHARE;
        if (wet && !was) return this.answer({ type: "rain", index: from + k });
        was = wet;
      }
    }
    this.answer({ type: "rain", index: null });
  }
}

// Cells by the chunks in which they lie, with their places in a step of the chunk.
function grouped(layout, cells, columns) {
  const [, rows, cols] = layout.chunk, found = new Map();
  for (const cell of cells) {
    const [row, col] = [Math.floor(cell / columns), cell % columns], [y, x] = [Math.floor(row / rows), Math.floor(col / cols)], key = `${y} ${x}`;
    if (!found.has(key)) found.set(key, { y, x, cells: [] });
    found.get(key).cells.push((row % rows) * cols + (col % cols));
  }
  return [...found.values()];
}
