// Fields: requested ahead of the playhead, kept compressed within a budget, and a few of them inflated.
export const NO_VALUE = 0xffff;
const PACKED_BYTES = 96e6, OPEN_BYTES = 64e6; // limits of a browser's memory
const SOON = 12; // fields after the playhead that come before sums and series
const PATIENCE = 8000; // ms after which a field that was requested counts as lost

export async function inflate(bytes) {
  const { readable, writable } = new DecompressionStream("deflate"), writer = writable.getWriter();
  const whole = new Response(readable).arrayBuffer();
  await Promise.all([writer.write(bytes), writer.close(), whole]); // one failure fails all
  return whole;
}

// The 16-bit words of packed_fields.py: the low bytes of all come first, then the high ones.
function wordsOf(planes) {
  const low = new Uint8Array(planes), words = new Uint16Array(low.length / 2);
  for (let k = 0; k < words.length; k++) words[k] = low[k] | (low[words.length + k] << 8);
  return words;
}

// Decode the words: the number of runs of equal codes, these codes, the runs' lengths; or all codes. Plain bytes are words already.
export async function unpack(bytes, cells, plain) {
  const words = plain ? new Uint16Array(bytes.buffer) : wordsOf(await inflate(bytes)), runs = words[0] + 0x10000 * words[1];
  if (!runs) return words.subarray(2);
  const codes = new Uint16Array(cells);
  for (let k = 2, to = 0; k < runs + 2; k++) {
    const code = words[k], end = to + words[k + runs];
    if (end - to > 16) codes.fill(code, to, end);
    else for (let cell = to; cell < end; cell++) codes[cell] = code;
    to = end;
  }
  return codes;
}

export class FrameCache {
  // batch: number of fields that the kernel reads at once
  constructor(send, count, cells, batch) {
    Object.assign(this, { send, count, cells });
    this.budget = PACKED_BYTES;
    this.underway = 6 * batch; // largest number of requested fields
    this.most = Math.max(4, Math.min(48, Math.floor(OPEN_BYTES / (2 * cells))));
    this.packed = new Map(); // index -> {bytes, scale, offset, cells, plain: whether the bytes are words already}
    this.open = new Map(); // index -> field, the last used one at the end
    this.opening = new Map();
    this.asked = new Map(); // index -> when it was first requested
    this.hurried = new Set(); // those that were requested to be shown soon
    this.broken = new Map(); // index -> error text
    this.wet = new Float32Array(count).fill(NaN);
    this.bytes = 0;
    this.received = 0;
  }
  has(index) {
    return this.packed.has(index) || this.open.has(index);
  }
  known(index) {
    return this.has(index) || this.broken.has(index);
  }
  take({ index, problem, wet, scale, offset, cells, plain }, bytes, playhead) {
    this.asked.delete(index);
    if (problem) return this.broken.set(index, problem);
    this.wet[index] = wet;
    this.received += bytes.byteLength;
    if (this.packed.has(index)) return;
    // copied, since a message holds several fields and would live as long as one of them
    this.packed.set(index, { bytes: bytes.slice(), scale, offset, cells, plain });
    this.bytes += bytes.byteLength;
    while (this.bytes > this.budget && this.packed.size > 1) this.forget(playhead);
  }
  forget(playhead) {
    // remove the one that playing reaches last
    let far = -1, worst = -1;
    for (const i of this.packed.keys()) {
      const away = (i - playhead + this.count) % this.count;
      if (away > far) [far, worst] = [away, i];
    }
    this.bytes -= this.packed.get(worst).bytes.byteLength;
    this.packed.delete(worst);
  }
  get mean() {
    return this.packed.size ? this.bytes / this.packed.size : 60e3; // bytes of a field
  }
  // Request the fields from the playhead on, around the span, as many as the budget allows.
  wish(playhead, span) {
    const length = span[1] - span[0] + 1;
    const ahead = Math.min(length, Math.max(8, Math.floor((0.7 * this.budget) / this.mean)));
    const wanted = [];
    for (let k = 0; k < ahead && wanted.length < this.underway; k++) {
      let i = playhead + k;
      if (i > span[1]) i = span[0] + ((i - span[0]) % length);
      if (i < this.count && !this.known(i)) wanted.push(i);
    }
    const now = performance.now(), coming = new Set(wanted.filter((i) => now - this.asked.get(i) < PATIENCE)); // others were lost with a kernel
    const within = (i, some) => (i - playhead + this.count) % this.count < some;
    const urgent = within(wanted[0], 8) && !(coming.has(wanted[0]) && this.hurried.has(wanted[0]));
    if (coming.size === wanted.length || (coming.size > this.underway / 2 && !urgent)) return;
    this.asked = new Map(wanted.map((i) => [i, coming.has(i) ? this.asked.get(i) : now]));
    this.hurried = new Set(wanted.filter((i) => within(i, SOON)));
    this.send({ type: "frames", wanted, coming: [...coming], urgent: this.hurried.size });
  }
  async field(index) {
    const found = this.open.get(index);
    if (found) {
      this.open.delete(index);
      this.open.set(index, found);
      return found;
    }
    if (!this.packed.has(index)) return null;
    if (!this.opening.has(index)) this.opening.set(index, this.inflated(index));
    return this.opening.get(index);
  }
  async inflated(index) {
    const { bytes, scale, offset, cells, plain } = this.packed.get(index);
    try {
      const field = { codes: await unpack(bytes, this.cells, plain), scale, offset, cells };
      this.open.set(index, field);
      while (this.open.size > this.most) this.open.delete(this.open.keys().next().value);
      return field;
    } finally {
      this.opening.delete(index);
    }
  }
}

export const valueOf = (field, cell) => {
  const code = field.codes[cell];
  return code === NO_VALUE ? NaN : code * field.scale + field.offset;
};

// Which cells have their centre inside a polygon of [col, row] corners. It may have 50,000: each edge is looked at once.
export function inside(polygon, rows, cols) {
  const crossed = Array.from({ length: rows }, () => []), cells = []; // row -> where the line of its centres crosses an edge
  polygon.forEach(([x0, y0], k) => {
    const [x1, y1] = polygon[(k + 1) % polygon.length];
    const first = Math.max(0, Math.ceil(Math.min(y0, y1) - 0.5)), end = Math.min(rows, Math.ceil(Math.max(y0, y1) - 0.5));
    for (let row = first; row < end; row++) crossed[row].push(x0 + ((row + 0.5 - y0) * (x1 - x0)) / (y1 - y0));
  });
  crossed.forEach((at, row) => {
    at.sort((a, b) => a - b);
    for (let k = 0; k < at.length; k += 2) {
      const last = Math.min(cols - 1, Math.floor(at[k + 1] - 0.5));
      for (let col = Math.max(0, Math.floor(at[k] - 0.5) + 1); col <= last; col++) cells.push(row * cols + col);
    }
  });
  return cells;
}
