// Made by scripts/bundle_explorer.py from js/*.js: edit those, then run the script.

// ---- cache.js
// Fields: requested ahead of the playhead, kept compressed within a budget, and a few of them inflated.
const NO_VALUE = 0xffff;
const PACKED_BYTES = 96e6, OPEN_BYTES = 64e6; // limits of a browser's memory
const SOON = 12; // fields after the playhead that come before sums and series
const PATIENCE = 8000; // ms after which a field that was requested counts as lost

async function inflate(bytes) {
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
async function unpack(bytes, cells, plain) {
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

class FrameCache {
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

const valueOf = (field, cell) => {
  const code = field.codes[cell];
  return code === NO_VALUE ? NaN : code * field.scale + field.offset;
};

// Which cells have their centre inside a polygon of [col, row] corners. It may have 50,000: each edge is looked at once.
function inside(polygon, rows, cols) {
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

// ---- compare.js
// Two fields side by side: one is held, and a line that is dragged divides it from the one that plays.
// The held one is a field or total of this explorer, or what another explorer of the page shows, which then follows.
const CHANNEL = "radar-nb-explorer"; // an event of the page, so that explorers find each other

const comparing = {
  compare() {
    if (this.held) return this.endCompare();
    if (!this.shown) return;
    const other = this.otherPlayer(), canvas = this.$(".rnb-held"), source = other ? other.map.canvas : this.map.canvas;
    this.held = { other, name: this.titleNow(other ?? this) };
    [canvas.width, canvas.height] = [source.width, source.height];
    this.holdNow(source);
    canvas.hidden = this.$(".rnb-swipe").hidden = this.$(".rnb-heldname").hidden = false;
    this.$(".rnb-compare").setAttribute("aria-pressed", "true");
    this.map.placed = (place, unit) => {
      this.placeHeld(place, unit);
      this.lead();
    };
    this.map.put();
    this.setSwipe(50);
    this.say(this.texts.compare_hint);
  },
  endCompare() {
    this.$(".rnb-held").hidden = this.$(".rnb-swipe").hidden = this.$(".rnb-heldname").hidden = true;
    this.$(".rnb-compare").setAttribute("aria-pressed", "false");
    this.held = this.map.placed = null;
    this.say("");
  },
  // Another explorer in this page on the same grid.
  otherPlayer() {
    const found = [], same = ({ info }) => info && JSON.stringify([info.grid, info.shape]) === JSON.stringify([this.info.grid, this.info.shape]);
    window.dispatchEvent(new CustomEvent(CHANNEL, { detail: { ask: found } }));
    return found.find((player) => player !== this && player.shown && player.model !== this.model && same(player));
  },
  titleNow({ $, root, info }) {
    const time = root.querySelector(".rnb-time");
    return `${info.name ? `${info.name} ` : ""}${[...time.children].filter((node) => !node.matches(".rnb-beside")).map((node) => node.textContent).join(" ") || time.textContent}`;
  },
  holdNow(source) {
    this.$(".rnb-held").getContext("2d").drawImage(source, 0, 0);
    this.$(".rnb-heldname").textContent = this.held.name;
  },
  // The held field lies where the field lies.
  placeHeld(place, unit) {
    const { style } = this.$(".rnb-held");
    for (const [name, pixels] of Object.entries(place)) style[name] = unit(pixels);
    style.imageRendering = this.map.canvas.style.imageRendering;
    this.clipHeld(place.left / this.map.ratio, place.width / this.map.ratio);
  },
  clipHeld(left, width) {
    const at = (this.swipe / 100) * this.stage.clientWidth, share = Math.min(100, Math.max(0, (100 * (at - left)) / width));
    this.$(".rnb-held").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  },
  setSwipe(percent) {
    this.swipe = Math.min(98, Math.max(2, percent));
    const line = this.$(".rnb-swipe");
    line.style.left = `${this.swipe}%`;
    line.setAttribute("aria-valuenow", this.swipe.toFixed(0));
    this.$(".rnb-heldname").style.right = `calc(${100 - this.swipe}% + 8px)`;
    this.map.put();
  },
  wireSwipe(signal) {
    const line = this.$(".rnb-swipe"), listen = (type, act) => line.addEventListener(type, act, { signal });
    let down = false;
    listen("pointerdown", (event) => {
      down = true;
      line.setPointerCapture(event.pointerId);
    });
    listen("pointermove", (event) => {
      const box = this.stage.getBoundingClientRect();
      if (down) this.setSwipe((100 * (event.clientX - box.left)) / box.width);
    });
    listen("pointerup", () => (down = false));
    listen("keydown", (event) => {
      if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      event.stopPropagation();
      this.setSwipe(this.swipe + (event.key === "ArrowRight" || event.key === "ArrowUp" ? 5 : -5));
    });
    window.addEventListener(CHANNEL, ({ detail }) => detail.ask ? detail.ask.push(this) : this.heardOf(detail.player), { signal });
    this.followers = () => window.dispatchEvent(new CustomEvent(CHANNEL, { detail: { player: this } }));
  },
  // The other explorer shows another field, or this one does: both keep one time and one part of the map.
  heardOf(player) {
    if (this.held?.other !== player) return;
    this.held.name = this.titleNow(player);
    this.holdNow(player.map.canvas);
  },
  // Let the other explorer follow the time and the part of the map of this one.
  lead() {
    const other = this.held?.other;
    if (!other || other.closed) return;
    const time = this.info.times?.[this.playhead];
    const index = other.info.times && time !== undefined ? nearest(other.info.times, time) : this.playhead;
    if (index !== other.playhead && !other.total) other.seek(index);
    if (JSON.stringify(other.map.view) === JSON.stringify(this.map.view)) return;
    Object.assign(other.map.view, this.map.view);
    other.map.settle();
  },
};

function nearest(times, time) {
  let best = 0;
  times.forEach((other, k) => (best = Math.abs(other - time) < Math.abs(times[best] - time) ? k : best));
  return best;
}

// ---- format.js
// Numbers, times, sizes and markup as text.
const DIGITS = 3;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // texts of files are not trusted

// The number of decimals that a step needs, so that all its multiples are exact.
const digitsOf = (step) => [0, 1, 2].find((digits) => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6) ?? DIGITS;
// Letters without accents, for comparing names.
const folded = (text) => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "").replaceAll("ß", "ss");

const number = (value, decimal = ".", digits = null) =>
  digits !== null && !Number.isNaN(value) ? value.toFixed(digits).replace(/^-(0[.0]*)$/, "$1").replace(".", decimal) :
  Number.isNaN(value) ? "–" : String(+value.toFixed(value >= 100 ? 1 : DIGITS)).replace(".", decimal);

// Parse the numbers of a text: "9.18, 48.78", "9,18 48,78" and "9,18; 48,78" are equal.
function numbersOf(text) {
  let parts = text.split(/[;\s]+/).map((part) => part.replace(/,$/, "")).filter(Boolean);
  if (parts.some((part) => part.split(",").length > 2 || /\..*,|,.*\./.test(part)) || parts.length === 1) parts = text.split(/[,;\s]+/).filter(Boolean);
  return parts.map((part) => Number(part.replace(",", ".")));
}

const escaped = (text) => String(text).replace(CONTROLS, "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
// A text in one line, and not a formula to a spreadsheet (OWASP, "CSV Injection").
const plain = (text) => String(text).replace(CONTROLS, "").replace(/\s+/g, " ").trim().replace(/^[=+@-]/, "'$&");
// A cell of a CSV table.
const quoted = (text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const timeText = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
const bytesText = (bytes, decimal = ".") => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`.replace(".", decimal));
// A value as Python writes it.
function pythonOf(value) {
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(", ")}]`;
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object") return `{${Object.entries(value).filter(([, one]) => one !== undefined).map(([name, one]) => `${pythonOf(name)}: ${pythonOf(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}

// ---- gauges.js
// Rain gauges on the map: a circle in the colour of its class, with its amount.
const MANY = 60; // more gauges have numbers only where the map is zoomed

class Gauges {
  constructor({ places, times, values }) {
    Object.assign(this, { places, times, amounts: values });
    this.rows = new Map((times ?? []).map((time, k) => [time, k]));
  }
  // Amounts at the end of a field's interval, or summed over those that end in a span; null where one is missing.
  values(times, [first, last]) {
    if (!this.times) return this.amounts[0];
    if (first === last) return this.amounts[this.rows.get(times[first])] ?? this.places.map(() => null);
    const inside = this.amounts.filter((_, k) => this.times[k] >= times[first] && this.times[k] <= times[last]);
    const sum = (k) => inside.reduce((all, row) => (all === null || row[k] === null ? null : all + row[k]), inside.length ? 0 : null);
    return this.places.map((_, k) => sum(k));
  }
  draw(map, context, unit, { values, colourOf, textOf }) {
    const few = this.places.length <= MANY || map.view.zoom > 3;
    context.font = `600 ${10.5 * unit}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    this.places.forEach(([, col, row], k) => {
      const [x, y] = map.spot(col, row);
      if (x < 0 || y < 0 || x > map.over.width || y > map.over.height) return;
      context.beginPath();
      context.arc(x, y, 5 * unit, 0, 7);
      context.fillStyle = colourOf(values[k]);
      context.fill();
      context.lineWidth = 1.4 * unit;
      context.strokeStyle = map.tones.ink;
      context.stroke();
      if (few && values[k] !== null) map.word(context, textOf(values[k]), x + 8 * unit, y, unit, map.tones.ink);
    });
  }
}

// ---- keys.js
// The explorer's keys: what each does, in the order of their list, and the text that explains it.
const fieldsOf = (player, minutes) => Math.max(1, Math.round(minutes / (player.info.minutes || minutes / 12)));

const KEYS = [
  [["key_space"], "play", { " ": (p) => p.play() }],
  [["←", "→"], "key_steps", { ArrowLeft: (p) => p.step(-1), ArrowRight: (p) => p.step(1) }],
  [["Shift ←", "Shift →"], "key_hours", { "Shift+ArrowLeft": (p) => p.step(-fieldsOf(p, 60)), "Shift+ArrowRight": (p) => p.step(fieldsOf(p, 60)) }],
  [["key_page_up", "key_page_down"], "key_days", { PageUp: (p) => p.step(-fieldsOf(p, 1440)), PageDown: (p) => p.step(fieldsOf(p, 1440)) }],
  [["key_home", "key_end"], "key_ends", { Home: (p) => p.step(p.span[0] - p.playhead), End: (p) => p.step(p.span[1] - p.playhead) }],
  [["R"], "next_rain", { r: (p) => p.nextRain() }],
  [["[", "]"], "key_span", { "[": (p) => p.$(".rnb-from").click(), "]": (p) => p.$(".rnb-to").click() }],
  [["S", "M"], "total", { s: (p) => p.press("sum"), m: (p) => p.press("max") }],
  [["+", "−", "0"], "key_zoom", { "+": (p) => p.map.zoom(1.5), "-": (p) => p.map.zoom(1 / 1.5), 0: (p) => p.map.zoom(0) }],
  [["F"], "full_screen", { f: (p) => p.fullScreen() }],
  [["D"], "dark", { d: (p) => p.$(".rnb-dark").click() }],
  [["C"], "compare", { c: (p) => p.compare() }],
  [["?"], "keys", { "?": (p) => p.$(".rnb-keybox").showModal() }],
  [["key_esc"], "key_escape", { Escape: (p) => p.escape(), Enter: (p) => p.draft?.length >= 3 && p.finishArea(p.draft) }],
];
const ACTS = Object.assign({}, ...KEYS.map(([, , acts]) => acts));

// What a key does in the explorer; undefined if nothing.
function actOf(event) {
  const shifted = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
  return ACTS[shifted] ?? ACTS[event.key.toLowerCase()];
}

// ---- webspace.js
// Files of a web space, read whole or in parts by HTTP Range requests.
const TRIES = 3, TIMEOUT = 60e3; // ms for one request

// What went wrong, as the key of a text and its fields; `again` if another attempt may succeed.
class Fault extends Error {
  constructor(key, fields = {}, again = false) {
    super(key);
    Object.assign(this, { key, fields, again });
  }
  text(texts) {
    return Object.entries(this.fields).reduce((text, [name, value]) => text.replace(`{${name}}`, value), texts[this.key]);
  }
}

class WebSpace {
  constructor(root) {
    Object.assign(this, { root, requests: 0, bytes: 0 });
  }
  // The bytes from `from` to before `to` of a file, or all of it if it is no larger than `most`; and its time of change.
  async read(key, { from = 0, to, most = to - from }) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(new URL(key, this.root).href, to === undefined ? {} : { Range: `bytes=${from}-${to - 1}` }, most);
      } catch (error) {
        if (!error.again || attempt === TRIES) throw error;
        await new Promise((next) => setTimeout(next, 100 * 4 ** attempt));
      }
    }
  }
  async once(url, headers, most) {
    const response = await this.ask(url, { headers });
    if (headers.Range && response.status !== 206) throw await dropped(response, new Fault("cube_no_range", { url }));
    const modified = response.headers.get("last-modified"), bytes = new Uint8Array(most), reader = response.body.getReader();
    let size = 0;
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        if (size + part.value.length > most) throw new Fault("cube_too_large", { url });
        bytes.set(part.value, size);
        size += part.value.length;
      }
    } catch (error) {
      reader.cancel().catch(() => {});
      throw error instanceof Fault ? error : unreachable(url);
    }
    this.bytes += size;
    if (headers.Range && size < most) throw unreachable(url);
    return { bytes: bytes.subarray(0, size), modified };
  }
  async ask(url, options) {
    this.requests += 1;
    let response;
    try {
      // Chromium lets requests for parts of one file wait for each other if it may keep them
      response = await fetch(url, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
    } catch {
      throw unreachable(url);
    }
    const { status } = response;
    if (response.ok) return response;
    if ([403, 404, 410].includes(status)) throw await dropped(response, new Fault("cube_gone", { url, status }));
    if (status === 416) throw await dropped(response, new Fault("cube_changed", { url }));
    throw await dropped(response, new Fault("cube_server", { url, status }, status === 429 || status >= 500));
  }
  // Bytes of a file, as the server states them now.
  async size(key) {
    const response = await this.ask(new URL(key, this.root).href, { method: "HEAD" });
    return Number(response.headers.get("content-length"));
  }
}

const unreachable = (url) => new Fault("cube_unreachable", { url, origin: self.location.origin }, true);

async function dropped(response, fault) {
  await response.body?.cancel().catch(() => {});
  return fault;
}

// ---- map.js
// The map: codes coloured by a table, and on top of them borders, sites, graticule and the user's drawings.

const LIGHT = {
  dry: [0xfd, 0xfd, 0xfb], gap: [0xa8, 0xa2, 0x98], outside: [0xdd, 0xe1, 0xe6], ink: "#1a1a1a", soft: "#5a5a5a", water: "#5b84a6", lake: "#d3e2ec",
  halo: "rgba(255,255,255,.8)", degree: "#4a5568", graticule: "rgba(40,60,90,.22)",
};
const DARK = {
  dry: [0x1d, 0x21, 0x27], gap: [0x5a, 0x55, 0x4e], outside: [0x2d, 0x32, 0x39], ink: "#e8eaed", soft: "#9aa3ad", water: "#6d93b4", lake: "#24323d",
  halo: "rgba(0,0,0,.75)", degree: "#aab4c0", graticule: "rgba(200,215,235,.18)",
};
const PIN_COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#7a5c00", "#56b4e9", "#000000", "#e69f00"]; // Okabe, Ito

const abgr = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const rampColour = (ramp, share) => {
  const at = 6 * Math.round(share * (ramp.length / 6 - 1));
  return [0, 2, 4].map((k) => parseInt(ramp.slice(at + k, at + k + 2), 16));
};
const css = (rgb) => `rgb(${rgb.join(",")})`;

// Polar stereographic, true at 60 N, meridian 10 E, on a sphere or an ellipsoid (Snyder 1987, eq. 15-9, 21-33 to 21-40).
class Projection {
  constructor(grid) {
    this.grid = grid;
    this.e = Math.sqrt(1 - (grid.b / grid.a) ** 2);
    const phi = Math.PI / 3, sin = Math.sin(phi);
    const m = Math.cos(phi) / Math.sqrt(1 - (this.e * sin) ** 2);
    this.k = (grid.a * m) / this.t(phi);
  }
  t(phi) {
    const es = this.e * Math.sin(phi);
    return Math.tan(Math.PI / 4 - phi / 2) / ((1 - es) / (1 + es)) ** (this.e / 2);
  }
  // place in cells -> degrees
  lonlat(col, row) {
    const { grid } = this;
    const x = grid.x + col * grid.dx, y = grid.y + row * grid.dy, t = Math.hypot(x, y) / this.k;
    let phi = Math.PI / 2 - 2 * Math.atan(t);
    for (let n = 0; n < 6 && this.e; n++) {
      const es = this.e * Math.sin(phi);
      phi = Math.PI / 2 - 2 * Math.atan(t * ((1 - es) / (1 + es)) ** (this.e / 2));
    }
    return [10 + (Math.atan2(x, -y) * 180) / Math.PI, (phi * 180) / Math.PI];
  }
  cell(lon, lat) {
    const { grid } = this;
    const rho = this.k * this.t((lat * Math.PI) / 180), angle = ((lon - 10) * Math.PI) / 180;
    return [(rho * Math.sin(angle) - grid.x) / grid.dx, (-rho * Math.cos(angle) - grid.y) / grid.dy];
  }
  // km2 of one cell on the ground, at a place in cells: the scale is the same in all directions
  area(col, row) {
    const [, lat] = this.lonlat(col, row), d = 1e-4, phi = (lat * Math.PI) / 180;
    const east = this.k * this.t(phi) * d; // metres of the map for an angle d along the parallel
    const es = this.e * Math.sin(phi);
    const k = east / ((this.grid.a * Math.cos(phi) * d) / Math.sqrt(1 - es * es));
    return (this.grid.dx * this.grid.dy) / (k * k) / 1e6;
  }
}

class RadarMap {
  constructor(stage, info, texts) {
    Object.assign(this, { info, texts });
    [this.rows, this.cols] = info.shape;
    this.projection = new Projection(info.grid);
    this.canvas = stage.querySelector(".rnb-field");
    this.canvas.hidden = true; // black until it is painted
    this.over = stage.querySelector(".rnb-over");
    this.credit = stage.querySelector(".rnb-credit");
    this.tools = stage.querySelector(".rnb-tools");
    [this.canvas.width, this.canvas.height] = [this.cols, this.rows]; // a pixel is a cell; the page scales it
    this.paper = this.canvas.getContext("2d", { alpha: false });
    this.image = this.paper.createImageData(this.cols, this.rows);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.covered = null; // 1 where a field has ever had a value; null if unknown
    this.tones = LIGHT;
    this.opacity = 1;
    this.table = new Uint32Array(65536);
    this.tableOf = "";
    this.view = { x: 0, y: 0, zoom: 1 }; // shift in cells, and times the whole map
    this.layers = { borders: true, towns: true, sites: true, graticule: true, gauges: true };
    this.marks = [];
    this.draft = null;
  }
  // colours of codes that represent code * scale + offset; classes in the same unit
  paletteTable(field, classes, colours) {
    const key = [field.scale, field.offset, classes.join(), colours.join(), this.tones.ink].join(";");
    if (key === this.tableOf) return;
    this.tableOf = key;
    const tones = colours.map(abgr), dry = abgr(this.tones.dry);
    const starts = classes.map((limit) => Math.ceil(+((limit - field.offset) / field.scale).toFixed(6)));
    let from = 0, tone = dry;
    starts.forEach((start, k) => {
      const to = Math.min(65536, Math.max(from, start));
      this.table.fill(tone, from, to);
      [from, tone] = [to, tones[k]];
    });
    this.table.fill(tone, from);
  }
  paint(field, classes, colours) {
    this.paletteTable(field, classes, colours);
    const { codes } = field, { rows, cols, pixels, table, covered } = this;
    const gap = abgr(this.tones.gap), outside = abgr(this.tones.outside);
    for (let row = 0; row < rows; row++) {
      let to = (rows - 1 - row) * cols;
      for (let from = row * cols, end = from + cols; from < end; from++, to++) {
        const code = codes[from];
        pixels[to] = code !== NO_VALUE ? table[code] : !covered || covered[from] ? gap : outside;
      }
    }
    this.draw();
  }
  draw() {
    this.paper.putImageData(this.image, 0, 0);
    this.canvas.hidden = false;
  }
  // Show what another map shows until the first field of this one is painted.
  continue(before) {
    if (before.canvas.hidden || before.rows !== this.rows || before.cols !== this.cols) return;
    this.covered = before.covered;
    this.pixels.set(before.pixels);
    this.draw();
  }
  setOpacity(share) {
    this.opacity = share;
    this.canvas.style.opacity = share;
  }
  setDark(on) {
    this.tones = on ? DARK : LIGHT;
    this.over.parentElement.classList.toggle("rnb-darkmap", on);
  }
  blank() {
    this.pixels.fill(abgr(this.tones.gap));
    this.draw();
  }
  holds(col, row) {
    return col >= 0 && row >= 0 && col < this.cols && row < this.rows;
  }
  resize() {
    const box = this.over.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (!width || !height || (this.over.width === width && this.over.height === height)) return;
    [this.over.width, this.over.height] = [width, height];
    this.ratio = ratio;
    this.settle();
  }
  // device pixels of a cell, and the left and lower edge of the map
  get frame() {
    const { width, height } = this.over, fit = Math.min(width / this.cols, height / this.rows);
    const size = fit * this.view.zoom;
    return {
      size,
      left: width / 2 - (this.cols / 2 + this.view.x) * size,
      bottom: height / 2 + (this.rows / 2 + this.view.y) * size,
    };
  }
  // device pixels -> cells, and back
  place(clientX, clientY) {
    const box = this.over.getBoundingClientRect(), { size, left, bottom } = this.frame;
    const x = (clientX - box.left) * (this.over.width / box.width), y = (clientY - box.top) * (this.over.height / box.height);
    return [(x - left) / size, (bottom - y) / size];
  }
  spot(col, row) {
    const { size, left, bottom } = this.frame;
    return [left + col * size, bottom - row * size];
  }
  zoom(times, at) {
    const before = at && this.place(...at);
    this.view.zoom = Math.min(40, Math.max(1, this.view.zoom * times));
    if (before) {
      const now = this.place(...at);
      this.view.x += before[0] - now[0];
      this.view.y += before[1] - now[1];
    }
    this.settle();
  }
  // Put a place into the middle.
  lookAt(col, row, zoom = Math.max(this.view.zoom, 4)) {
    Object.assign(this.view, { x: col - this.cols / 2, y: row - this.rows / 2, zoom: Math.min(40, Math.max(1, zoom)) });
    this.settle();
  }
  settle() {
    const free = 1 - 1 / this.view.zoom;
    const bound = (value, length) => Math.min((length / 2) * free, Math.max((-length / 2) * free, value));
    this.view.x = bound(this.view.x, this.cols);
    this.view.y = bound(this.view.y, this.rows);
    this.over.classList.toggle("rnb-zoomed", this.view.zoom > 1);
    this.put();
    this.drawOver();
  }
  put() {
    const { size, left, bottom } = this.frame, unit = (pixels) => `${pixels / this.ratio}px`;
    const place = { left: left, top: bottom - this.rows * size, width: this.cols * size, height: this.rows * size };
    for (const [name, pixels] of Object.entries(place)) this.canvas.style[name] = unit(pixels);
    this.placed?.(place, unit);
    this.canvas.style.imageRendering = size < 1 ? "auto" : "pixelated";
  }
  drawOver() {
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.over.width, this.over.height);
    const unit = this.ratio || 1;
    context.lineJoin = "round";
    this.labels = this.layers.graticule ? this.drawGraticule(context, unit) : []; // boxes of all words
    if (this.layers.borders) this.drawBorders(context, unit);
    if (this.layers.sites) this.drawSites(context, unit);
    if (this.layers.towns) this.drawTowns(context, unit);
    if (this.layers.gauges) this.drawGauges?.(context, unit);
    this.marks.forEach((mark) => this.drawMark(context, mark, unit));
    if (this.draft) this.drawArea(context, [this.draft], this.tones.ink, unit, false);
    this.drawScale(context, unit);
  }
  trace(context, line) {
    const { size, left, bottom } = this.frame;
    for (let k = 0; k < line.length; k += 2) {
      context[k ? "lineTo" : "moveTo"](left + line[k] * size, bottom - line[k + 1] * size);
    }
  }
  drawLines(context, lines, colour, width) {
    context.beginPath();
    lines.forEach((line) => this.trace(context, line));
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
  // km on the ground from the left to the right edge of what is shown
  get widthKm() {
    const cell = Math.sqrt(this.projection.area(...this.place(...this.centre())));
    return (Math.min(this.over.width, this.cols * this.frame.size) / this.frame.size) * cell;
  }
  drawBorders(context, unit) {
    const { lines } = this.info, wide = this.widthKm;
    const kinds = [["large", Infinity, 0.9], ["medium", 700, 0.7], ["small", 350, 0.6]].filter(([, most]) => wide <= most);
    context.fillStyle = this.tones.lake;
    for (const [kind, , width] of kinds) {
      this.drawLines(context, lines[`lakes_${kind}`], this.tones.water, 0.5 * unit);
      context.fill();
      this.drawLines(context, lines[`rivers_${kind}`], this.tones.water, width * unit);
    }
    context.setLineDash([4 * unit, 2.5 * unit]);
    this.drawLines(context, lines.states, this.tones.soft, 0.6 * unit);
    context.setLineDash([]);
    this.drawLines(context, lines.neighbours, this.tones.soft, 0.7 * unit);
    this.drawLines(context, lines.germany, this.tones.ink, 1.1 * unit);
  }
  // names of towns by inhabitants and scale, the largest first, none over another (as radar_nb.plots.labels)
  drawTowns(context, unit) {
    const wide = this.widthKm, { width, height } = this.over, inch = 96 * unit;
    const reserved = [[width - 0.26 * width, height - 34 * unit, width, height], this.boxOf(this.credit, unit), [0, 0, 44 * unit, 0.6 * height]];
    const place = (left, top, right, bottom) => {
      if (left < 2 || top < 2 || right > width - 2 || bottom > height - 2) return false;
      if ([...reserved, ...this.labels].some(([a, b, c, d]) => left < c && right > a && top < d && bottom > b)) return false;
      return this.labels.push([left, top, right, bottom]);
    };
    let free = Math.max(3, Math.round((0.9 * width * height) / (inch * inch)));
    context.textBaseline = "middle";
    for (const [name, col, row, people, beside] of this.info.towns) {
      if (people < 0.4 * wide * wide || !free) break;
      const [x, y] = this.spot(col, row);
      if ((beside && wide > 60) || x < 0 || y < 0 || x > width || y > height) continue;
      const letters = (people >= 1e5 ? 12 : 11) * unit, gap = 5 * unit, half = 0.62 * letters;
      context.font = `${letters}px system-ui, sans-serif`;
      const long = context.measureText(name).width;
      const ways = [[x + gap, y], [x - gap - long, y], [x - long / 2, y - gap - half], [x - long / 2, y + gap + half]];
      const way = ways.find(([left, middle]) => place(left - 2 * unit, middle - half, left + long + 2 * unit, middle + half));
      if (!way) continue;
      free -= 1;
      this.word(context, name, ...way, unit, this.tones.ink);
      context.beginPath();
      context.arc(x, y, 2.2 * unit, 0, 7);
      context.fillStyle = "#fff";
      context.fill();
      context.lineWidth = 1 * unit;
      context.strokeStyle = this.tones.ink;
      context.stroke();
    }
  }
  // Where an element of the stage lies, in device pixels.
  boxOf({ offsetLeft, offsetTop, offsetWidth, offsetHeight }, unit) {
    return [offsetLeft, offsetTop, offsetLeft + offsetWidth, offsetTop + offsetHeight].map((pixels) => pixels * unit);
  }
  // Returns the boxes of its labels.
  drawGraticule(context, unit) {
    const boxes = [], [, top, right, low] = this.boxOf(this.tools, unit);
    this.drawLines(context, this.info.graticule.map((g) => g.line), this.tones.graticule, 0.6 * unit);
    context.font = `${10 * unit}px system-ui, sans-serif`;
    context.textBaseline = "bottom";
    const { left, bottom } = this.frame;
    for (const { degree, east, line } of this.info.graticule) {
      const label = `${String(degree).replace(".", this.texts.decimal)}° ${east ? this.texts.east : "N"}`;
      const boxAt = (rim) => {
        for (let k = 2; k < line.length; k += 2) {
          const [x0, y0] = this.spot(line[k - 2], line[k - 1]), [x1, y1] = this.spot(line[k], line[k + 1]);
          const share = east ? (rim - y0) / (y1 - y0) : (rim - x0) / (x1 - x0);
          if (!(share >= 0 && share < 1)) continue;
          const [start, base] = east ? [x0 + share * (x1 - x0) + 3 * unit, rim] : [rim, y0 + share * (y1 - y0) - 1 * unit];
          return [start, base - 11 * unit, start + context.measureText(label).width, base];
        }
        return null;
      };
      let box = boxAt(east ? Math.min(this.over.height, bottom) - 2 * unit : Math.max(0, left) + 4 * unit);
      if (!east && box && box[0] < right && box[3] > top && box[1] < low) box = boxAt(right + 4 * unit); // beside the tools
      if (!box || box[0] < 0 || box[2] > this.over.width) continue; // a part of a word says nothing
      this.word(context, label, box[0], box[3], unit, this.tones.degree);
      boxes.push(box);
    }
    return boxes;
  }
  word(context, text, x, y, unit, colour) {
    context.lineWidth = 3 * unit;
    context.strokeStyle = this.tones.halo;
    context.strokeText(text, x, y);
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }
  drawSites(context, unit) {
    context.lineWidth = 0.9 * unit;
    context.strokeStyle = this.tones.ink;
    context.fillStyle = "#fff";
    for (const [, col, row] of this.info.sites) {
      const [x, y] = this.spot(col, row), r = 4 * unit;
      context.beginPath();
      context.moveTo(x, y - r);
      context.lineTo(x + r, y + 0.75 * r);
      context.lineTo(x - r, y + 0.75 * r);
      context.closePath();
      context.fill();
      context.stroke();
    }
  }
  drawArea(context, rings, colour, unit, closed = true) {
    context.beginPath();
    for (const ring of rings) {
      this.trace(context, ring.flat());
      if (closed) context.closePath();
    }
    context.lineWidth = 4 * unit;
    context.strokeStyle = this.tones.halo;
    context.stroke();
    context.lineWidth = 2 * unit;
    context.strokeStyle = colour;
    context.stroke();
  }
  drawMark(context, { cell, polygon, rings, colour, label }, unit) {
    const corner = polygon && polygon.reduce((a, b) => (b[1] > a[1] ? b : a));
    const [x, y] = polygon ? this.spot(...corner) : this.spot(cell[1] + 0.5, cell[0] + 0.5);
    if (polygon) this.drawArea(context, rings ?? [polygon], colour, unit);
    context.beginPath();
    context.arc(x, y, 8 * unit, 0, 7);
    context.fillStyle = colour;
    context.fill();
    context.lineWidth = 1.5 * unit;
    context.strokeStyle = "#fff";
    context.stroke();
    context.fillStyle = "#fff";
    context.font = `600 ${10 * unit}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(label, x, y + 0.5 * unit);
    context.textAlign = "left";
  }
  drawScale(context, unit) {
    const middle = this.place(...this.centre()), km = Math.sqrt(this.projection.area(...middle)); // of a cell
    const { size } = this.frame;
    const steps = [500, 200, 100, 50, 20, 10, 5, 2, 1];
    const length = steps.find((step) => (step / km) * size <= 0.22 * this.over.width) ?? 1;
    const width = (length / km) * size, right = this.over.width - 14 * unit, y = this.over.height - 16 * unit;
    context.font = `${10.5 * unit}px system-ui, sans-serif`;
    context.textAlign = "right";
    context.textBaseline = "bottom";
    this.word(context, `${length} km`, right, y - 3 * unit, unit, this.tones.ink);
    context.textAlign = "left";
    for (const [colour, line] of [[this.tones.halo, 4], [this.tones.ink, 1.4]]) {
      context.beginPath();
      context.moveTo(right - width, y - 3 * unit);
      context.lineTo(right - width, y);
      context.lineTo(right, y);
      context.lineTo(right, y - 3 * unit);
      context.strokeStyle = colour;
      context.lineWidth = line * unit;
      context.stroke();
    }
  }
  centre() {
    const box = this.over.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + box.height / 2];
  }
}

// ---- ticks.js
// Ticks of an axis: of times at whole minutes, hours, days or months of the zone in which they are.

const MINUTE = 60e3;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY];
const MONTHS = [1, 2, 3, 6, 12, 24, 60];

const niceStep = (range, count) => {
  const raw = range / count, power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find((k) => k * power >= raw * 0.999);
};

// Decimals of an axis with this step.
const stepDigits = (step) => Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));

// Return the next tick at or after a time; a step below a minute counts months.
function nextMark(time, step) {
  if (step >= MINUTE) return Math.ceil(time / step) * step;
  const date = new Date(time), start = Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
  const month = 12 * date.getUTCFullYear() + date.getUTCMonth() + (start < time ? 1 : 0);
  const mark = Math.ceil(month / step) * step;
  return Date.UTC(Math.floor(mark / 12), mark % 12);
}

// Return [index, text] of at most so many ticks on the fields from first to last; numbers for fields without times.
function ticks(times, first, last, most) {
  if (last <= first) return [];
  if (!times) {
    const step = Math.max(1, Math.ceil(niceStep(last - first, most)));
    const start = Math.ceil((first + 1) / step) * step; // numbers from 1, fields from 0
    return Array.from({ length: Math.max(0, Math.floor((last + 1 - start) / step) + 1) }, (_, k) => [start + k * step - 1, `${start + k * step}`]);
  }
  const length = times[last] - times[first];
  const step = STEPS.find((step) => length / step <= most) ?? MONTHS.find((step) => length / (step * 30 * DAY) <= most) ?? 120;
  const found = [];
  let index = first;
  for (let mark = nextMark(times[first], step); mark <= times[last]; mark = nextMark(mark + 1, step)) {
    while (times[index] < mark) index += 1;
    if (found.length && found.at(-1)[0] === index) continue; // a gap: two ticks on one field
    const text = timeText(mark);
    found.push([index, step < MINUTE ? text.slice(0, 7) : text.endsWith("00:00") ? text.slice(0, 10) : text.slice(11)]);
  }
  return found;
}

// ---- controls.js
// The actions of the explorer's controls, keys and pointer.

const boxOf = ([x0, y0], [x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]];

const controls = {
  wire() {
    const { signal } = this.ended;
    const on = (selector, type, act) => this.root.querySelectorAll(selector).forEach((node, k) => node.addEventListener(type, (event) => act(event, k), { signal }));
    for (const type of ["click", "change", "keyup", "pointerup", "wheel"]) this.root.addEventListener(type, () => this.keepView(), { signal, passive: true });
    on(".rnb-play", "click", () => this.play());
    on(".rnb-back", "click", () => this.step(-1));
    on(".rnb-forward", "click", () => this.step(1));
    on(".rnb-rain", "click", () => this.nextRain());
    on(".rnb-slider", "input", (event) => this.seek(Number(event.target.value)));
    on(".rnb-from", "click", () => this.setSpan(this.playhead, Math.max(this.playhead, this.span[1])));
    on(".rnb-to", "click", () => this.setSpan(Math.min(this.playhead, this.span[0]), this.playhead));
    on(".rnb-whole", "click", () => this.setSpan(0, this.info.count - 1));
    on(".rnb-total", "click", ({ currentTarget }) => this.askTotal(currentTarget.dataset.how));
    on(".rnb-last", "change", ({ target }) => this.askLast(Number(target.value)));
    on(".rnb-tz", "change", ({ target }) => this.setZone(target.value));
    on(".rnb-kind", "change", ({ target }) => this.choose(() => (this.kind = target.value)));
    on(".rnb-loop", "change", ({ target }) => (this.loop = target.value));
    on(".rnb-opacity", "input", ({ target }) => this.map.setOpacity(target.value / 100));
    on(".rnb-dark", "change", ({ target }) => this.setDark(target.checked));
    on(".rnb-full", "click", () => this.fullScreen());
    on(".rnb-compare", "click", () => this.compare());
    on(".rnb-keys", "click", () => this.$(".rnb-keybox").showModal());
    on(".rnb-unzoom", "click", () => this.chart.zoom(null));
    on(".rnb-areas", "click", () => this.$(".rnb-file").click());
    on(".rnb-file", "change", ({ target }) => this.askAreas(target));
    on(".rnb-goto input[type=text]", "input", () => this.suggest());
    on(".rnb-goto input[type=text]", "blur", () => setTimeout(() => this.suggest([]), 200));
    this.wireTimeline(signal);
    this.wireSwipe(signal);
    this.chart.wire(signal);
    on(".rnb-unit", "change", (event) => this.choose(() => (this.unit = this.info.units[event.target.value])));
    on(".rnb-palette", "change", (event) => this.choose(() => (this.palette = event.target.value)));
    on(".rnb-limits", "change", (event) => this.chooseLimits(event.target));
    on(".rnb-limits", "keydown", (event) => event.key === "Enter" && event.target.blur());
    on("[data-layer]", "change", ({ target }) => {
      this.map.layers[target.dataset.layer] = target.checked;
      this.map.drawOver();
    });
    on(".rnb-mode", "click", (_, k) => this.setMode(["point", "box", "polygon"][k]));
    on(".rnb-zoomin", "click", () => this.map.zoom(1.5));
    on(".rnb-zoomout", "click", () => this.map.zoom(1 / 1.5));
    on(".rnb-fit", "click", () => this.map.zoom(0));
    on(".rnb-export", "click", ({ currentTarget }) => this.export(currentTarget.dataset.what));
    on(".rnb-pagebox", "close", ({ currentTarget }) => currentTarget.returnValue === "make" && this.askFile("page"));
    on(".rnb-goto", "submit", (event) => this.goTo(event));
    on(".rnb-copy", "click", () => this.copy());
    this.root.addEventListener("keydown", (event) => this.key(event), { signal });
    this.wirePointer(this.$(".rnb-over"), signal);
    this.setMode("point");
    const handlers = {
      "change:index": () => this.follow(this.model.get("index")),
      "change:span": () => {
        const span = this.model.get("span"), here = span[1] < this.info.count; // else it belongs to data that are about to come
        if (here && span.some((edge, k) => edge !== this.span[k])) this.setSpan(...span);
      },
    };
    for (const [name, act] of Object.entries(handlers)) {
      this.model.on(name, act);
      signal.addEventListener("abort", () => this.model.off(name, act));
    }
    this.watchLook(signal);
  },
  // Redraw for another size, screen resolution or theme of Jupyter.
  watchLook(signal) {
    const redraw = () => this.redraw(), look = { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] };
    const size = new ResizeObserver(redraw);
    // JupyterLab hides its page for a moment while it changes the theme
    const theme = new MutationObserver(() => [redraw(), requestAnimationFrame(() => signal.aborted || redraw())]);
    for (const selector of [".rnb-stage", ".rnb-chart", ".rnb-timeline"]) size.observe(this.$(selector));
    theme.observe(document.body, look);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, { signal });
    const resolution = () => {
      if (signal.aborted) return;
      redraw();
      matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`).addEventListener("change", resolution, { once: true, signal });
    };
    resolution();
    signal.addEventListener("abort", () => [size, theme].forEach((observer) => observer.disconnect()));
  },
  step(count) {
    if (this.playing) this.play(false);
    this.seek(this.playhead + count);
  },
  choose(act) {
    act();
    this.classes();
    this.drawChart();
    this.listMarks();
  },
  chooseLimits(input) {
    const limits = numbersOf(input.value);
    const rising = limits.length > 1 && limits.every((limit, k) => Number.isFinite(limit) && (!k || limit > limits[k - 1]));
    if (input.value.trim() && !rising) {
      this.say(this.texts.wrong_limits, "warn");
      return this.classes();
    }
    this.scale.owner.chosen = rising ? limits : undefined; // an empty input restores the default
    this.classes();
  },
  key(event) {
    if (this.$("dialog[open]")) return; // Escape closes it
    if (event.key === "Enter" && event.target.matches(".rnb-goto input")) return this.goTo(event);
    if (event.target.matches("input[type=text], textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const onSlider = event.target.matches(".rnb-slider, .rnb-opacity, .rnb-swipe"), act = actOf(event);
    if (!act || (event.key === "Enter" && !this.draft) || (onSlider && !event.target.matches(".rnb-slider")) || (onSlider && !/Arrow|Home|End|Page| /.test(event.key))) return;
    if (event.key === " " && event.target.matches("button, input[type=checkbox]")) return;
    event.preventDefault();
    event.stopPropagation();
    act(this);
  },
  escape() {
    this.setMode("point");
    this.say("");
  },
  press(how) {
    [...this.root.querySelectorAll(".rnb-total")].find((node) => node.dataset.how === how)?.click();
  },
  async fullScreen() {
    try {
      await (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen());
    } catch {
      this.say(this.texts.no_full_screen, "warn"); // a frame that may not, such as a preview
    }
  },
  setDark(on) {
    this.$(".rnb-dark").checked = on;
    this.map.setDark(on);
    this.classes();
    this.map.drawOver();
  },
  setMode(mode) {
    this.mode = mode;
    this.draft = null;
    this.map.draft = null;
    this.map.drawOver();
    this.root.querySelectorAll(".rnb-mode").forEach((node, k) => node.setAttribute("aria-pressed", ["point", "box", "polygon"][k] === mode));
    this.stage.dataset.mode = mode;
    if (mode !== "point") this.say(this.texts[`${mode}_hint`]);
  },
  wirePointer(canvas, signal) {
    let start = null, moved = false;
    const listen = (type, act, more = {}) => canvas.addEventListener(type, act, { signal, ...more });
    listen("pointerdown", (event) => {
      if (event.button) return;
      this.stage.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      [start, moved] = [{ x: event.clientX, y: event.clientY, place: this.map.place(event.clientX, event.clientY), view: { ...this.map.view } }, false];
    });
    listen("pointermove", (event) => {
      this.pointer = [event.clientX, event.clientY];
      this.readOut();
      if (this.draft) this.drawDraft([...this.draft, this.map.place(...this.pointer)]);
      if (!start) return;
      moved ||= Math.hypot(event.clientX - start.x, event.clientY - start.y) > 4;
      if (!moved) return;
      if (this.mode === "box") return this.drawDraft(boxOf(start.place, this.map.place(...this.pointer)));
      if (this.mode === "polygon") return;
      const { size } = this.map.frame, ratio = this.map.ratio;
      this.map.view.x = start.view.x - ((event.clientX - start.x) * ratio) / size;
      this.map.view.y = start.view.y + ((event.clientY - start.y) * ratio) / size;
      this.map.settle();
    });
    listen("pointerup", (event) => {
      if (!start) return;
      const from = start.place, place = this.map.place(event.clientX, event.clientY);
      start = null;
      if (this.mode === "polygon") this.draft = [...(this.draft ?? []), place];
      else if (this.mode === "box" && moved) this.finishArea(boxOf(from, place).slice(0, 4));
      else if (!moved && this.mode === "point") this.pin(...place);
    });
    listen("pointercancel", () => (start = null));
    listen("dblclick", () => this.draft?.length >= 3 && this.finishArea(this.draft.slice(0, -1)));
    listen("pointerleave", () => {
      this.pointer = null;
      this.readOut();
    });
    listen("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page keeps its own scrolling
      event.preventDefault();
      this.map.zoom(event.deltaY < 0 ? 1.25 : 0.8, [event.clientX, event.clientY]);
    }, { passive: false });
  },
  drawDraft(polygon) {
    this.map.draft = polygon;
    this.map.drawOver();
  },
  finishArea(polygon) {
    this.setMode("point");
    this.say("");
    if (polygon.length > 2) this.addMark({ polygon: polygon.map((corner) => corner.map((k) => +k.toFixed(2))) });
  },
  pin(col, row, name) {
    [col, row] = [Math.floor(col), Math.floor(row)];
    if (!this.map.holds(col, row)) return this.say(this.texts.off_map, "warn");
    this.addMark({ cell: [row, col], name });
  },
  // Convert pairs of degrees to cells: longitude first, or latitude first if only that is on the map.
  cellsOf(pairs) {
    const orders = [([lon, lat]) => [lon, lat], ([lat, lon]) => [lon, lat]];
    const found = orders.map((order) => pairs.map((pair) => this.map.projection.cell(...order(pair))));
    return found.find((cells) => cells.some(([col, row]) => this.map.holds(col, row)));
  },
  // Towns on the map whose names begin with what was typed, or contain it.
  suggest(towns = this.townsLike(this.$(".rnb-goto input").value)) {
    const list = this.$(".rnb-found"), input = this.$(".rnb-goto input");
    list.innerHTML = towns.map(([name]) => `<li role="option">${escaped(name)}</li>`).join("");
    list.hidden = !towns.length;
    input.setAttribute("aria-expanded", String(Boolean(towns.length)));
    list.querySelectorAll("li").forEach((node, k) => (node.onpointerdown = (event) => {
      event.preventDefault();
      this.goToTown(towns[k]);
    }));
  },
  townsLike(text, most = 7) {
    const wanted = folded(text.trim());
    if (wanted.length < 2 || !/\p{L}/u.test(wanted)) return [];
    const names = this.info.towns.map((town) => [folded(town[0]), town]);
    const found = names.filter(([name]) => name.startsWith(wanted));
    return [...found, ...names.filter(([name]) => !name.startsWith(wanted) && name.includes(wanted))].slice(0, most).map(([, town]) => town);
  },
  goToTown([name, col, row]) {
    this.suggest([]);
    this.$(".rnb-goto input").value = "";
    this.say("");
    this.pin(col, row, name);
    this.map.lookAt(col, row);
  },
  // A town, one place, or the corners of an area in pairs of degrees.
  goTo(event) {
    event.preventDefault();
    const input = this.$(".rnb-goto input"), text = input.value.trim();
    if (/\p{L}{2}/u.test(text)) {
      const named = this.info.towns.filter(([name]) => folded(name) === folded(text));
      if (named.length === 1) return this.goToTown(named[0]);
      if (this.info.alone) return this.takeTown({ name: text });
      return this.ask({ type: "town", name: text });
    }
    const numbers = numbersOf(input.value.replace(/[°NEOÖ]/gi, " "));
    const pairs = Array.from({ length: numbers.length / 2 }, (_, k) => numbers.slice(2 * k, 2 * k + 2));
    if (!numbers.every(Number.isFinite) || numbers.length % 2 || pairs.length === 0 || pairs.length === 2) return this.say(this.texts.wrong_place, "warn");
    const places = this.cellsOf(pairs);
    if (!places) return this.say(this.texts.off_map, "warn");
    this.say("");
    input.value = "";
    if (places.length === 1) this.pin(...places[0]);
    else this.finishArea(places);
  },
  takeTown({ name, lon, lat }) {
    if (lon === undefined) return this.say(this.texts.unknown_town.replace("{name}", name), "warn");
    const [col, row] = this.map.projection.cell(lon, lat);
    if (!this.map.holds(Math.floor(col), Math.floor(row))) return this.say(this.texts.off_map, "warn");
    this.goToTown([name, col, row]);
  },
};

// ---- shards.js
// Shards as radar_nb/cube/shards.py writes them: chunks, a note, and an index with a SUM-32C at the end.

const NOTE_ROOM = 16384; // bytes that contain most notes, as there
const FOOT = 8, SUM = 4, LONGEST_NOTE = 4 << 20, MARK = 0x31626e72; // "rnb1"
const NEAR = 32768, MOST_BYTES = 64e6; // bytes between parts that one request reads, and of all parts that are read at once

const CASTAGNOLI = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  return sum;
});

// RFC 3720, B.4
function crc32c(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = CASTAGNOLI[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

// How shards of an array are divided: steps, rows and columns of a shard and of a chunk, and bytes of a code.
class Layout {
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
class ShardFile {
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

// ---- fields.js
// Fields from chunks: runs of equal codes, as cache.js takes them, in the order of rows.

const LONGEST_RUN = 0xffff, RUNS_ROOM = 256e6; // cells of a run; bytes of the runs of a chunk of time

class RunBuilder {
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
function eachRun(words, act) {
  const runs = words[0] + 0x10000 * words[1];
  for (let k = 2, from = 0; k < runs + 2; k++) {
    const to = from + words[k + runs];
    act(words[k], from, to);
    from = to;
  }
}

// The fields of steps of a chunk of time. Only the chunks of one row of chunks are decoded at a time.
function buildFields(layout, steps, chunkOf, table) {
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

// ---- zones.js
// Time zones: times are UTC inside and are shown in a zone, whose rules the browser knows.

const HOME = "Europe/Berlin";

class Zone {
  constructor(name, locale) {
    this.name = name;
    this.shifts = new Map();
    const parts = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" };
    this.clock = new Intl.DateTimeFormat("en", { timeZone: name, hourCycle: "h23", ...parts });
    this.words = new Intl.DateTimeFormat(locale === "de" ? "de" : "en-GB", { timeZone: name, timeZoneName: "short" }); // en-GB writes CEST, en GMT+2
  }
  // Milliseconds from UTC: known for a day at once, unless the clocks change on it.
  shift(ms) {
    if (this.name === "UTC") return 0;
    const day = Math.floor(ms / DAY) * DAY, start = this.at(day);
    return start === this.at(day + DAY) ? start : this.at(Math.floor(ms / HOUR) * HOUR);
  }
  at(ms) {
    if (!this.shifts.has(ms)) {
      const part = Object.fromEntries(this.clock.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
      this.shifts.set(ms, Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute) - ms);
    }
    return this.shifts.get(ms);
  }
  local(ms) {
    return ms + this.shift(ms);
  }
  word(ms) {
    return this.name === "UTC" ? "UTC" : this.words.formatToParts(ms).find(({ type }) => type === "timeZoneName").value;
  }
}

// The zones to choose from: UTC, that of the data, Germany's, and that of this computer.
function zoneNames(own) {
  const here = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = (name) => {
    try {
      return Boolean(new Intl.DateTimeFormat("en", { timeZone: name }));
    } catch {
      return false;
    }
  };
  return [...new Set(["UTC", own ?? HOME, HOME, here])].filter(known);
}

// ---- totals.js
// Totals on the map: sum or maximum over the span, and the sum of the last hours up to the playhead.

const totals = {
  askTotal(how) {
    const asked = this.$(".rnb-total[aria-pressed=true]")?.dataset.how;
    this.endLast();
    if (!how) return asked && !this.total ? this.stop("total") : this.leaveTotal();
    if (this.playing) this.play(false);
    this.pressTotal(how);
    this.say(`${this.texts.total} …`, "busy", "total");
    this.ask({ type: "total", how, span: this.span });
  },
  // The sum of the last hours, which follows the playhead; 0 ends it.
  askLast(hours) {
    if (!hours) return this.leaveTotal();
    if (this.playing) this.play(false);
    this.lastHours = hours;
    this.pressTotal(null);
    this.$(".rnb-last").value = String(hours);
    if (this.lastAsked) return; // the answer asks again
    const span = this.spanOfLast();
    this.lastAsked = true;
    this.ask({ type: "total", how: "sum", span });
  },
  // Fields of the hours that end at the playhead, by their times: some may be missing.
  spanOfLast() {
    const { times } = this.info, start = times[this.playhead] - 60 * MINUTE * this.lastHours;
    let first = this.playhead;
    while (first > 0 && times[first - 1] > start) first -= 1;
    return [first, this.playhead];
  },
  endLast() {
    [this.lastHours, this.lastAsked] = [0, false];
    if (this.$(".rnb-last")) this.$(".rnb-last").value = "";
    this.pressTotal("");
  },
  pressTotal(how) {
    this.$$(".rnb-total").forEach((node) => node.setAttribute("aria-pressed", node.dataset.how === how));
  },
  async takeTotal(message, bytes) {
    const field = { codes: await unpack(bytes, this.cache.cells, message.plain), scale: message.scale, offset: message.offset };
    if (this.closed) return;
    this.lastAsked = false;
    if (this.lastHours && message.span[1] !== this.playhead) return this.askLast(this.lastHours); // it went on
    if (this.playing) this.play(false);
    this.total = { ...message, field, hours: this.lastHours };
    this.shown = { field };
    this.pressTotal(this.lastHours ? null : message.how);
    Object.assign(this.stage.dataset, { total: message.how, last: this.lastHours || "" });
    this.$(".rnb-waiting").hidden = true;
    this.titleOfTotal();
    this.classes();
    this.followers();
    const holes = this.holes(message.span), notes = [];
    if (holes) notes.push(this.texts.holes.replace("{count}", holes));
    if (message.least_share < 1) notes.push(this.texts.partly.replace("{share}", (100 * message.least_share).toFixed(0)));
    this.say(notes.join(" "), "warn");
  },
  titleOfTotal() {
    const { how, span, hours } = this.total;
    const words = hours ? this.texts.last_hours.replace("{hours}", hours) : how === "sum" ? this.texts.sum : this.texts.max;
    const text = hours ? this.timeText(span[1]).split(",")[0] : this.spanText(...span);
    this.$(".rnb-time").innerHTML = `<b class="rnb-sumname">${escaped(words)}</b> <span class="rnb-date">${escaped(text)}</span>`;
  },
  leaveTotal() {
    this.endLast();
    if (!this.total) return;
    this.total = null;
    delete this.stage.dataset.total;
    this.shown = null;
    this.say("");
    this.classes();
    this.show();
  },
};

// ---- timeline.js
// The timeline below the map: share of wet cells of each field, loaded fields, the span, and the time.

const LABELS = 15, NAMES = 13; // CSS pixels below and above the bars

const timeline = {
  timelineSoon() {
    this.pendingTimeline ??= setTimeout(() => {
      this.pendingTimeline = null;
      this.drawTimeline();
    }, 120);
  },
  placeHead() {
    this.$(".rnb-head").style.left = `${(100 * (this.playhead + 0.5)) / this.info.count}%`;
    this.chart.place(this.playhead);
  },
  drawTimeline() {
    const canvas = this.$(".rnb-timeline canvas"), ratio = window.devicePixelRatio || 1;
    const box = canvas.getBoundingClientRect(), { count } = this.info, { clock } = this;
    if (!box.width) return;
    [canvas.width, canvas.height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--rnb-${name}`);
    const { width } = box, height = box.height - LABELS - NAMES, x = (index) => (index / count) * width;
    context.scale(ratio, ratio);
    context.translate(0, NAMES);
    context.fillStyle = colour("track");
    context.fillRect(0, 0, width, height);
    this.drawWet(context, { width, height, wet: colour("wet"), held: colour("held") });
    context.fillStyle = colour("veil");
    context.fillRect(0, 0, x(this.span[0]), height);
    context.fillRect(x(this.span[1] + 1), 0, width, height);
    context.font = "10.5px system-ui, sans-serif";
    context.textBaseline = "bottom";
    this.drawNames(context, { width, height, x, colour });
    for (const [index, text] of ticks(clock, 0, count - 1, Math.floor(width / 90))) {
      const left = x(index + (clock ? 1 : 0.5)), words = context.measureText(text).width;
      context.fillStyle = colour("held");
      context.fillRect(Math.min(width - 1, Math.round(left)), height, 1, 4);
      context.fillStyle = colour("quiet");
      context.fillText(text, Math.min(width - words, Math.max(0, left - words / 2)), box.height - NAMES);
    }
  },
  // What the bars show, to which value; and where observation ends and the forecast begins.
  drawNames(context, { width, height, x, colour }) {
    const most = this.number(100 * this.mostWet(), this.mostWet() < 0.1 ? 1 : 0), name = this.texts.wet_share.replace("{most}", most);
    const { boundary = NaN } = this.info, words = context.measureText(name).width + 12, at = x(boundary + 1);
    const observed = this.texts.observed, forecast = this.texts.forecast, ahead = context.measureText(forecast).width;
    const behind = at <= words; // the line would cross the name
    context.fillStyle = colour("quiet");
    context.fillText(name, behind ? at + ahead + 18 : 0, 0);
    if (Number.isNaN(boundary)) return;
    context.fillStyle = colour("ink");
    context.fillRect(Math.round(at) - 1, -NAMES, 2, height + NAMES);
    const left = at - 6 - context.measureText(observed).width, right = at + 6;
    if (left > (behind ? 0 : words)) context.fillText(observed, left, 0);
    if (right + ahead < width) context.fillText(forecast, right, 0);
  },
  mostWet() {
    let most = 0.02;
    for (const share of this.cache.wet) if (share > most) most = share;
    return most;
  },
  // Time and share of wet cells under the pointer.
  wireTimeline(signal) {
    const slider = this.$(".rnb-slider"), word = this.$(".rnb-pointed");
    slider.addEventListener("pointermove", (event) => {
      const box = slider.getBoundingClientRect(), { count, boundary } = this.info;
      const index = Math.min(count - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * count)));
      const wet = this.cache.wet[index], share = Number.isNaN(wet) ? this.texts.waiting : this.texts.wet_of.replace("{share}", this.number(100 * wet, 1));
      const ahead = boundary !== undefined && index > boundary ? `, +${(this.info.times[index] - this.info.times[boundary]) / MINUTE} min` : "";
      word.innerHTML = `<b>${escaped(this.timeText(index).split(",")[0])}</b>${ahead} · ${escaped(share)}`;
      word.hidden = false;
      word.style.left = `${Math.min(box.width - word.offsetWidth / 2, Math.max(word.offsetWidth / 2, event.clientX - box.left))}px`;
    }, { signal });
    slider.addEventListener("pointerleave", () => (word.hidden = true), { signal });
  },
  // one bar per field; if there are many, one per pixel, for its wettest field
  drawWet(context, { width, height, wet, held }) {
    const { count } = this.info, bars = Math.min(count, Math.floor(width));
    const most = this.mostWet();
    for (let bar = 0; bar < bars; bar++) {
      const first = Math.floor((bar * count) / bars), stop = Math.floor(((bar + 1) * count) / bars);
      let share = 0, here = true;
      for (let i = first; i < stop; i++) {
        if (this.cache.wet[i] > share) share = this.cache.wet[i];
        here &&= this.cache.has(i);
      }
      const left = (bar / bars) * width, tall = (share / most) * (height - 4);
      context.fillStyle = wet;
      if (tall) context.fillRect(left, height - 2 - tall, width / bars, tall);
      context.fillStyle = held;
      if (here) context.fillRect(left, height - 2, width / bars, 2);
    }
  },
  // ---- the span
  setSpan(first, last) {
    const { count } = this.info;
    this.span = [Math.max(0, Math.min(first, last)), Math.min(count - 1, Math.max(first, last))];
    this.setSpanText();
    this.publish("span", this.span);
    this.leaveTotal();
    this.chart.zoom(null);
    this.askSeries(this.marks);
    this.listMarks();
    this.drawTimeline();
    this.drawChart();
  },
  setSpanText() {
    const whole = this.span[0] === 0 && this.span[1] === this.info.count - 1;
    this.$(".rnb-span").textContent = whole ? this.texts.whole : this.spanText(...this.span);
    this.$(".rnb-whole").hidden = whole;
  },
  spanText(first, last) {
    if (!this.info.times) return `${first + 1} – ${last + 1}`;
    const [from, to] = [first, last].map((index) => timeText(this.clock[index]));
    return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to} ${this.zone.word(this.info.times[last])}`;
  },
  // number of missing fields in a span
  holes([first, last]) {
    const { times, minutes } = this.info;
    return times && minutes ? Math.max(0, Math.round((times[last] - times[first]) / (minutes * MINUTE)) - (last - first)) : 0;
  },
};

// ---- chart.js
// Series beside the map: rain, its running sum, or moving sums of several places, with zoom and read-out.

const EDGES = { left: 44, right: 46, top: 18, bottom: 20 };

// The sum from the first field on; missing fields add nothing.
function runningSum(values, [first, last]) {
  const sums = new Float64Array(values.length).fill(NaN);
  let sum = 0, seen = false;
  for (let i = first; i <= last; i++) {
    if (!Number.isNaN(values[i])) [sum, seen] = [sum + values[i], true];
    if (seen) sums[i] = sum;
  }
  return sums;
}

// The sum of the fields of some hours that end at each field; missing if one of them is missing.
function movingSum(values, times, minutes, hours) {
  const length = Math.round((60 * hours) / minutes), sums = new Float64Array(values.length).fill(NaN);
  let sum = 0, gaps = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) gaps += 1;
    else sum += values[i];
    const out = i - length;
    if (out >= 0) {
      if (Number.isNaN(values[out])) gaps -= 1;
      else sum -= values[out];
    }
    if (i >= length - 1 && !gaps && times[i] - times[i - length + 1] < (length - 0.5) * minutes * MINUTE) sums[i] = Math.max(0, sum);
  }
  return sums;
}

class Chart {
  constructor(box, player) {
    Object.assign(this, { box, player, canvas: box.querySelector("canvas"), head: box.querySelector(".rnb-rule"), now: box.querySelector(".rnb-chartnow") });
    this.window = null; // the first and last field that are zoomed to
    this.pointed = null;
  }
  get span() {
    const { span } = this.player;
    if (!this.window) return span;
    const [first, last] = [Math.max(span[0], this.window[0]), Math.min(span[1], this.window[1])];
    return last > first ? [first, last] : span;
  }
  // What is drawn: {values, factor, sums} of a mark, on the left axis or, beside rain, on the right.
  traces(mark) {
    const { info, kind, span, unit } = this.player, rain = { values: mark.values, factor: unit.factor };
    if (!info.sums || kind === "rain") return [rain];
    const sums = { values: runningSum(mark.values, span), factor: 1, sums: true };
    if (kind === "both") return [rain, sums];
    return kind === "sum" ? [sums] : [{ values: movingSum(mark.values, info.times, info.minutes, Number(kind)), factor: 1, sums: true }];
  }
  draw() {
    const { canvas, player, span } = this, box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    if (!box.width) return; // hidden: the picture stays
    [canvas.width, canvas.height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas), quiet = style.getPropertyValue("--rnb-quiet");
    const both = player.kind === "both" && player.info.sums, right = both ? EDGES.right : 12;
    const width = box.width - EDGES.left - right, height = box.height - EDGES.top - EDGES.bottom;
    if (width <= 0 || height <= 0) return;
    const count = span[1] - span[0] + 1, x = (index) => EDGES.left + ((index - span[0]) / count) * width;
    this.axis = { count, first: span[0], width };
    this.drawn = player.marks.map((mark) => ({ mark, traces: this.traces(mark) }));
    context.scale(ratio, ratio);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const all = this.drawn.flatMap(({ traces }) => traces), edge = EDGES.left + width;
    const main = this.axisOf(all.filter(({ sums }) => !both || !sums), height), second = both && this.axisOf(all.filter(({ sums }) => sums), height);
    this.drawAxis(context, main, { at: EDGES.left - 5, align: "right", quiet, rule: style.getPropertyValue("--rnb-rule"), edge });
    if (second) this.drawAxis(context, second, { at: edge + 5, align: "left", quiet });
    const mm = player.texts.running_mm, names = { rain: player.unit.name, both: player.unit.name, sum: mm };
    context.textAlign = "left";
    context.fillText(player.info.sums ? names[player.kind] ?? player.texts.moving_mm.replace("{hours}", player.kind) : player.unit.name, 0, 6);
    context.textAlign = "right";
    if (second) context.fillText(mm, box.width, 6);
    this.timeAxis(context, span, { x, bottom: EDGES.top + height, right: edge, quiet });
    for (const { mark, traces } of this.drawn) {
      for (const { values, factor, sums } of traces) {
        const { y } = sums && second ? second : main;
        context.beginPath();
        this.trace(context, values, span, x, (value) => y(value * factor));
        context.strokeStyle = mark.colour;
        context.lineWidth = sums ? 2 : 1.5;
        context.lineJoin = "round";
        context.setLineDash(sums && second ? [5, 3] : []);
        context.stroke();
        context.setLineDash([]);
        if (sums || this.drawn.length > 1) continue;
        this.fill(context, values, span, x, (value) => y(value * factor), mark.colour);
      }
    }
    if (this.dragged) {
      context.fillStyle = style.getPropertyValue("--rnb-veil");
      const [from, to] = this.dragged.map((index) => x(index));
      context.fillRect(EDGES.left, EDGES.top, from - EDGES.left, height);
      context.fillRect(to, EDGES.top, edge - to, height);
    }
    this.place(player.playhead);
    this.readOut();
  }
  // Values from the lowest to the highest on so many pixels: ticks, their decimals, and where a value lies.
  axisOf(traces, height) {
    let low = 0, high = 0;
    for (const { values, factor } of traces) {
      for (let i = this.span[0]; i <= this.span[1]; i++) {
        const value = values[i] * factor;
        if (value > high) high = value;
        if (value < low) low = value;
      }
    }
    if (high === low) high = low + 1;
    const step = niceStep(high - low, 4), top = Math.ceil(high / step - 1e-9) * step, floor = Math.floor(low / step) * step;
    return { step, top, floor, y: (value) => EDGES.top + (1 - (value - floor) / (top - floor)) * height };
  }
  drawAxis(context, { step, top, floor, y }, { at, align, quiet, rule, edge }) {
    context.textAlign = align;
    for (let value = floor; value <= top + step / 2; value += step) {
      if (rule) {
        context.fillStyle = rule;
        context.fillRect(EDGES.left, Math.round(y(value)), edge - EDGES.left, 1);
      }
      context.fillStyle = quiet;
      context.fillText(this.player.number(value, stepDigits(step)), at, y(value));
    }
  }
  trace(context, values, span, x, y) {
    const { times, minutes } = this.player.info;
    let down = false;
    for (let i = span[0]; i <= span[1]; i++) {
      if (Number.isNaN(values[i])) down = false;
      else {
        if (down && times && minutes && times[i] - times[i - 1] > 1.5 * minutes * MINUTE) down = false; // a gap
        context[down ? "lineTo" : "moveTo"](x(i), y(values[i]));
        context.lineTo(x(i + 1), y(values[i])); // the interval ends at the time of the field
        down = true;
      }
    }
  }
  fill(context, values, span, x, y, colour) {
    context.globalAlpha = 0.3;
    context.fillStyle = colour;
    for (let i = span[0]; i <= span[1]; i++) {
      if (values[i]) context.fillRect(x(i), Math.min(y(values[i]), y(0)), x(i + 1) - x(i), Math.abs(y(0) - y(values[i])));
    }
    context.globalAlpha = 1;
  }
  timeAxis(context, span, { x, bottom, right, quiet }) {
    const { clock } = this.player;
    for (const [index, text] of ticks(clock, ...span, Math.max(2, Math.floor((right - EDGES.left) / 72)))) {
      const left = x(index + (clock ? 1 : 0.5)), short = clock ? text.replace(/^\d{4}-(?=\d\d-)/, "") : text;
      const half = context.measureText(short).width / 2;
      context.fillStyle = quiet;
      context.fillRect(Math.round(left), bottom, 1, 4);
      context.textAlign = "left";
      context.fillText(short, Math.min(right + 8 - 2 * half, Math.max(EDGES.left, left - half)), bottom + 12);
    }
  }
  place(playhead) {
    if (!this.axis) return;
    const { count, first, width } = this.axis, at = playhead - first + 0.5;
    this.head.hidden = at < 0 || at > count;
    this.head.style.left = `${EDGES.left + (at / count) * width}px`;
  }
  index(clientX) {
    const box = this.canvas.getBoundingClientRect(), { width, count, first } = this.axis;
    return first + Math.min(count - 1, Math.max(0, Math.floor(((clientX - box.left - EDGES.left) / width) * count)));
  }
  // Values of all places at the pointed time, or how to zoom.
  readOut() {
    const { player, pointed, drawn } = this;
    if (pointed === null || !drawn) return (this.now.textContent = player.texts.chart_hint);
    const value = (k, { values, factor, sums }) => {
      const number = player.number(values[pointed] * factor, player.digits(factor));
      return k ? `, Σ ${number} mm` : `${number} ${escaped(sums ? "mm" : player.unit.name.split(" in ")[0])}`;
    };
    const words = drawn.slice(0, 8).map(({ mark, traces }) => `<span><i style="background:${mark.colour}">${escaped(mark.label)}</i> ${traces.map((trace, k) => value(k, trace)).join("")}</span>`);
    this.now.innerHTML = `<b>${escaped(player.timeText(pointed).split(",")[0])}</b> ${words.join(" ")}`;
  }
  wire(signal) {
    let start = null;
    const listen = (type, act) => this.canvas.addEventListener(type, act, { signal });
    listen("pointerdown", (event) => {
      if (event.button || !this.axis) return;
      this.canvas.setPointerCapture(event.pointerId);
      start = { x: event.clientX, index: this.index(event.clientX) };
    });
    listen("pointermove", (event) => {
      if (!this.axis) return;
      this.pointed = this.index(event.clientX);
      if (!start || Math.abs(event.clientX - start.x) < 5) return this.readOut();
      this.dragged = [Math.min(start.index, this.pointed), Math.max(start.index, this.pointed) + 1];
      this.draw();
    });
    listen("pointerup", (event) => {
      if (!start) return;
      const { dragged } = this;
      [start, this.dragged] = [null, null];
      if (dragged) this.zoom(dragged[1] - dragged[0] > 2 ? [dragged[0], dragged[1] - 1] : this.window);
      else this.player.seek(this.index(event.clientX));
    });
    listen("pointercancel", () => ([start, this.dragged] = [null, null]));
    listen("pointerleave", () => {
      this.pointed = null;
      this.readOut();
    });
    listen("dblclick", () => this.zoom(null));
  }
  zoom(window) {
    this.window = window;
    this.player.$(".rnb-unzoom").hidden = !window;
    this.draw();
  }
}

// ---- present.js
// How old the shown forecast is, and what it says of places: computed here, since a page may be opened late.

const LOOK = 5000; // ms between two looks at the clock
const EARLY = 10 * MINUTE; // a forecast from further ahead is one of a wrong clock

class Present {
  constructor(player) {
    Object.assign(this, { player, info: player.info, texts: player.texts, box: player.$(".rnb-present") });
    this.zone = new Zone(this.info.timezone ?? "UTC", this.texts.locale);
    const timer = setInterval(() => this.look(), LOOK), { signal } = player.ended;
    signal.addEventListener("abort", () => clearInterval(timer));
    document.addEventListener("visibilitychange", () => this.look(), { signal }); // timers rest while a page is hidden
    this.look();
  }
  look() {
    const lines = this.info.present ? this.forecast(Date.now(), this.info.present) : this.silence(Date.now());
    const html = lines.map(([text, kind]) => `<p class="${kind}">${escaped(text)}</p>`).join("");
    this.player.root.classList.toggle("rnb-old", lines.some(([, kind]) => kind === "rnb-stale"));
    if (this.html !== html) this.box.innerHTML = this.html = html;
    this.box.hidden = !html;
  }
  // The age of the forecast by this computer's clock, and the answers that hold now.
  forecast(now, { product, nominal, stale_after, answers }) {
    const age = now - nominal, early = age < -EARLY, old = age > stale_after, { texts } = this;
    const time = timeText(this.zone.local(nominal)), today = timeText(this.zone.local(now)).slice(0, 10) === time.slice(0, 10);
    const stated = texts.age.replace("{product}", product).replace("{time}", `${today ? time.slice(11) : time} ${this.zone.word(nominal)}`);
    const lines = [[stated.replace("{age}", this.length(age)), early || old ? "rnb-stale" : ""]];
    if (early || old) lines.push([early ? texts.clock_wrong : texts.stale, "rnb-stale"]);
    const holding = (early ? null : answers.find(({ until }) => now < until)) ?? answers.at(-1);
    return [...lines, ...holding.lines.map(([text, known]) => [text, known ? "" : "rnb-unknown"])];
  }
  // A kernel that has said nothing for a minute follows no server.
  silence(now) {
    const quiet = now - this.player.heard;
    return quiet > this.info.heartbeat ? [[this.texts.unheard.replace("{age}", this.length(quiet)), "rnb-stale"]] : [];
  }
  length(ms) {
    const minutes = Math.floor(Math.abs(ms) / MINUTE), { texts } = this, sign = ms < 0 && minutes ? "-" : "";
    if (minutes < 120) return `${sign}${minutes} min`;
    if (minutes < 48 * 60) return `${sign}${Math.floor(minutes / 60)} h ${minutes % 60} min`;
    return `${sign}${Math.floor(Math.abs(ms) / (24 * HOUR))} ${texts.days}`;
  }
}

// ---- layout.js
// The explorer's HTML.

const ICONS = {
  play: "M5 3.5v13l11-6.5z", pause: "M5 3.5h3.5v13H5zM11.5 3.5H15v13h-3.5z",
  back: "M12.5 4v12L5 10z M4 4h1.6v12H4z", forward: "M7.5 4v12l7.5-6z M14.4 4H16v12h-1.6z",
  rain: "M10 2.5c3 4 5 6.6 5 9a5 5 0 0 1-10 0c0-2.4 2-5 5-9z",
  plus: "M9.2 4h1.6v5.2H16v1.6h-5.2V16H9.2v-5.2H4V9.2h5.2z", minus: "M4 9.2h12v1.6H4z",
  fit: "M3 3h5v1.6H4.6V8H3z M12 3h5v5h-1.6V4.6H12z M3 12h1.6v3.4H8V17H3z M15.4 12H17v5h-5v-1.6h3.4z",
  point: "M10 2a5.5 5.5 0 0 1 5.500 5.500C15.500 11.500 10 18 10 18S4.500 11.500 4.500 7.500A5.500 5.500 0 0 1 10 2z M10 5.300a2.200 2.200 0 1 0 0 4.400 2.200 2.200 0 1 0 0-4.400z",
  box: "M3 4.500h14v11H3z M4.600 6.100v7.800h10.800V6.100z", polygon: "M10 2.500l7.500 5.600-2.900 9H5.400l-2.900-9z M10 4.500L4.400 8.700l2.200 6.800h6.800l2.200-6.800z",
  full: "M3 3h6v1.600H5.700l3.600 3.600-1.100 1.100L4.600 5.700V9H3z M11 15.400h3.300l-3.600-3.600 1.100-1.100 3.600 3.600V11H17v6h-6z",
  swipe: "M9.200 2h1.600v16H9.200z M2 5h5.500v10H2z M3.600 6.600v6.800H6V6.600z M12.500 5H18v10h-5.500z",
  file: "M2.500 4h5.200l1.800 2h8v10h-15z M4.100 7.600v6.800h11.800V7.600z",
  close: "M5.100 4L10 8.900 14.900 4 16 5.100 11.100 10 16 14.900 14.900 16 10 11.100 5.100 16 4 14.900 8.900 10 4 5.100z",
};
const icon = (name) => `<svg viewBox="0 0 20 20" aria-hidden="true"><path fill-rule="evenodd" d="${ICONS[name]}"/></svg>`;
const HOURS = [1, 6, 24]; // of sums that end now
const SPEEDS = [2, 5, 10, 15, 30, 60];
const button = (name, glyph, label, key = "") =>
  `<button type="button" class="rnb-${name}" aria-label="${escaped(label)}" title="${escaped(label)}${key && ` (${key})`}">${icon(glyph)}</button>`;
const options = (values, chosen) => values.map(([value, text]) => `<option value="${escaped(value)}"${value === chosen ? " selected" : ""}>${escaped(text)}</option>`).join("");
const legendRow = (colour, text) => `<li><i style="background:${colour}"></i><span>${escaped(text)}</span></li>`;
const GROUNDS = [["dry", "dry"], ["gap", "no_data"], ["outside", "no_coverage"]]; // tones, and keys of their texts

function layout(info, t) {
  return `
<section class="rnb-present" role="status" aria-live="polite" hidden></section>
<header><h2 title="${escaped(`${info.about} ${info.credit}`)}">${escaped(info.title)}</h2><div class="rnb-when"><output class="rnb-time"></output>${info.times ? `<select class="rnb-tz" aria-label="${escaped(t.zone)}" title="${escaped(t.zone)}">${options(zoneNames(info.timezone).map((name) => [name, name]), info.timezone ?? "UTC")}</select>` : ""}</div></header>
<div class="rnb-body" style="--rnb-aspect:${info.shape[1] / info.shape[0]}">${stageHtml(info, t)}
  <aside>${legendHtml(info, t)}${seriesHtml(info, t)}</aside>
</div>${transportHtml(info, t)}${footerHtml(info, t)}${dialogsHtml(t)}`;
}

const stageHtml = (info, t) => `
  <div class="rnb-stage" tabindex="0" role="application" aria-roledescription="${escaped(t.map)}" aria-label="${escaped(info.title)}">
    <canvas class="rnb-field"></canvas><canvas class="rnb-held" hidden></canvas><canvas class="rnb-over"></canvas>
    <div class="rnb-tools" role="toolbar" aria-label="${escaped(t.map)}">
      ${button("mode", "point", t.point)}${button("mode", "box", t.box)}${button("mode", "polygon", t.polygon)}<hr>
      ${button("zoomin", "plus", t.zoom_in, "+")}${button("zoomout", "minus", t.zoom_out, "−")}${button("fit", "fit", t.fit, "0")}<hr>
      ${button("full", "full", t.full_screen, "F")}${button("compare", "swipe", t.compare, "C")}
    </div>
    <div class="rnb-readout"></div>
    <div class="rnb-swipe" role="slider" tabindex="0" aria-orientation="horizontal" aria-valuemin="0" aria-valuemax="100" aria-label="${escaped(t.compare)}" hidden></div><div class="rnb-heldname" hidden></div>
    <div class="rnb-waiting">${escaped(t.waiting)}</div>
    <div class="rnb-credit">${escaped(info.credit)}<br>${escaped(t.map)}: ${escaped(info.sources)}</div>
    <div class="rnb-status" role="status" aria-live="polite"></div>
  </div>`;

function legendHtml(info, t) {
  const named = info.units[0].names ? " hidden" : "", palettes = Object.keys(info.palettes).map((name) => [name, t[`palette_${name}`] ?? name]);
  const layers = ["borders", "towns", "sites", "graticule", ...(info.gauges ? ["gauges"] : [])].map((layer) => `<label><input type="checkbox" checked data-layer="${layer}"> ${escaped(t[layer])}</label>`);
  return `
    <section class="rnb-legend"><h3>${escaped(t.legend)} <span class="rnb-unitname"></span></h3>
      <ul class="rnb-classes"></ul>
      <div class="rnb-look">
        <label${named}>${escaped(t.unit)}<select class="rnb-unit"${info.units.length < 2 ? " disabled" : ""}>${options(info.units.map((u, k) => [String(k), u.name]))}</select></label>
        <label${named}>${escaped(t.palette)}<select class="rnb-palette">${options(palettes)}</select></label>
        <label${named}>${escaped(t.limits)}<input class="rnb-limits" type="text" spellcheck="false"></label>
        <label>${escaped(t.opacity)}<input class="rnb-opacity" type="range" min="20" max="100" step="5" value="100"></label>
        <ul class="rnb-ground">${GROUNDS.map(([, text]) => legendRow("transparent", t[text])).join("")}</ul>
      </div>
      <fieldset><legend class="rnb-hidden">${escaped(t.map)}</legend>${layers.join("")}<label><input type="checkbox" class="rnb-dark"> ${escaped(t.dark)}</label></fieldset></section>`;
}

const seriesHtml = (info, t) => `
    <section class="rnb-series"><h3>${escaped(t.series)} <span class="rnb-seriesunit"></span></h3>
      <form class="rnb-goto"><input type="text" aria-label="${escaped(t.lonlat)}" placeholder="${escaped(t.lonlat)}" role="combobox" aria-expanded="false" aria-autocomplete="list"><ul class="rnb-found" role="listbox" hidden></ul><button type="submit">${escaped(t.add)}</button>${info.alone ? "" : `<button type="button" class="rnb-areas" title="${escaped(t.areas_long)}">${escaped(t.areas)}</button><input type="file" class="rnb-file" accept=".geojson,.json,.gpkg,.zip,.kml,.gml,.fgb,.parquet" hidden>`}</form>
      <p class="rnb-empty">${escaped(t.click_map)}${info.alone ? "" : ` ${escaped(t.areas_hint)}`}</p>
      <div class="rnb-chartbar"${info.count < 2 || info.units[0].names ? " hidden" : ""}>${info.sums && info.times ? `<label>${escaped(t.chart)}<select class="rnb-kind">${options(kinds(info, t), "both")}</select></label>` : ""}<button type="button" class="rnb-unzoom" hidden>${escaped(t.whole_span)}</button></div>
      <div class="rnb-chart" hidden><canvas role="img" aria-label="${escaped(t.series)}"></canvas><div class="rnb-rule"></div><div class="rnb-chartnow"></div></div>
      <div class="rnb-table">
      <table><thead><tr><th></th><th>${escaped(t.place)}</th><th>${escaped(t.now)}</th><th${info.units[0].names ? " hidden" : ""}>${escaped(t.max_short)}</th>${info.sums ? `<th>${escaped(t.sum_mm)}</th>` : ""}<th></th></tr></thead><tbody class="rnb-marks"></tbody></table></div></section>`;

const kinds = ({ minutes }, t) => [["rain", t.chart_rain], ["sum", t.running_sum], ["both", t.chart_both], ...(minutes ? HOURS.filter((hours) => 60 * hours > minutes).map((hours) => [String(hours), t.moving_sum.replace("{hours}", hours)]) : [])];

const transportHtml = (info, t) => `
<div class="rnb-transport" role="group" aria-label="${escaped(t.playback)}"${info.count < 2 ? " hidden" : ""}>
  ${button("back", "back", t.back, "←")}${button("play", "play", t.play, t.key_space)}${button("forward", "forward", t.forward, "→")}${button("rain", "rain", t.next_rain, "R")}
  <div class="rnb-timeline"><canvas aria-hidden="true"></canvas><div class="rnb-pointed" hidden></div><div class="rnb-head"></div><input class="rnb-slider" type="range" min="0" max="${info.count - 1}" value="0" aria-label="${escaped(t.time)}"></div>
  <label>${escaped(t.speed)}<select class="rnb-speed">${options(SPEEDS.map((s) => [String(s), `${s} / s`]), "15")}</select></label>
  <label>${escaped(t.loop)}<select class="rnb-loop">${options([["repeat", t.loop_repeat], ["pingpong", t.loop_pingpong], ["once", t.loop_once]], "repeat")}</select></label>
  <button type="button" class="rnb-keys" aria-label="${escaped(t.keys)}" title="${escaped(t.keys)} (?)">?</button>
</div>`;

function footerHtml(info, t) {
  const shown = [["", t.fields, t.as_played], ...(info.sums ? [["sum", t.sum_short, t.sum]] : []), ...(info.units[0].names ? [] : [["max", t.max_word, t.max]])];
  const exports = [["png", "PNG", t.png_long], ["csv", "CSV", t.csv_long], ["animation", t.animation_word, t.animation_long], ["page", "HTML", t.page_long], ["code", t.code, t.code_long]];
  const one = info.count < 2, word = (name, data, text, title, more = "") => `<button type="button" class="rnb-${name}" data-${data} title="${escaped(title)}"${more}>${escaped(text)}</button>`;
  return `
<footer>
  <div class="rnb-spanbox" role="group" aria-label="${escaped(t.span)}"${one ? " hidden" : ""}>
    <div class="rnb-row">${word("from", "span", t.from_here, `${t.from_here_long} ([)`)}${word("to", "span", t.to_here, `${t.to_here_long} (])`)}</div><span class="rnb-span">${escaped(t.whole)}</span>${button("whole", "close", t.whole)}
  </div>
  <div class="rnb-row" role="group" aria-label="${escaped(t.total)}"${one ? " hidden" : ""}>${shown.map(([how, text, title]) => word("total", `how="${how}"`, text, title, ` aria-pressed="${!how}"`)).join("")}${info.sums && info.minutes ? `<select class="rnb-last" aria-label="${escaped(t.last_long)}" title="${escaped(t.last_long)}">${options([["", t.last], ...HOURS.filter((hours) => 60 * hours > info.minutes).map((hours) => [String(hours), t.last_hours.replace("{hours}", hours)])], "")}</select>` : ""}</div>
  <div class="rnb-exports" role="group" aria-label="${escaped(t.export)}"><span>${escaped(t.export)}</span><div class="rnb-row">${exports.filter(([what]) => !(one && what === "animation")).map(([what, text, title]) => word("export", `what="${what}"`, text, title)).join("")}</div></div>
</footer>`;
}

const dialogsHtml = (t) => `
<dialog class="rnb-codebox" aria-label="${escaped(t.code)}"><textarea readonly rows="16" wrap="off" spellcheck="false" aria-label="${escaped(t.code)}"></textarea><form method="dialog"><button type="button" class="rnb-copy">${escaped(t.copy)}</button><button>${escaped(t.close)}</button></form></dialog>
<dialog class="rnb-keybox" aria-label="${escaped(t.keys)}"><h3>${escaped(t.keys)}</h3><dl>${KEYS.map(([keys, text]) => `<div><dt>${keys.map((key) => `<kbd>${escaped(t[key] ?? key)}</kbd>`).join(" ")}</dt><dd>${escaped(t[text])}</dd></div>`).join("")}</dl><form method="dialog"><button>${escaped(t.close)}</button></form></dialog>
<dialog class="rnb-pagebox" aria-label="HTML"><p></p><form method="dialog"><button value="make">${escaped(t.make)}</button><button value="">${escaped(t.cancel)}</button></form></dialog>`;

// ---- places.js
// Places and areas that are compared, and the read-out under the pointer.

const MOST = 100, LARGEST = 100e6; // places, and bytes of a file of areas

const polygonArea = (polygon) =>
  Math.abs(polygon.reduce((sum, [x0, y0], k) => {
    const [x1, y1] = polygon[(k + 1) % polygon.length];
    return sum + x0 * y1 - x1 * y0;
  }, 0)) / 2;

const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
// Rings as one: the way from ring to ring is gone twice, so that it encloses nothing.
const joined = (rings) => [...rings.flatMap((ring) => [...ring, ring[0]]), ...rings.slice(0, -1).map((ring) => ring[0]).reverse()];

const places = {
  addMark(place) {
    this.addMarks([place]);
  },
  addMarks(places) {
    const added = [];
    for (const place of places) {
      if (this.marks.length >= MOST) {
        this.say(this.texts.too_many, "warn");
        break;
      }
      const taken = new Set(this.marks.map(({ label }) => label)), free = Array.from({ length: MOST }, (_, k) => k).find((k) => !taken.has(String(k + 1)));
      this.count = (this.count ?? 0) + 1;
      const mark = { ...place, colour: PIN_COLOURS[free % PIN_COLOURS.length], label: String(free + 1), id: `series-${this.count}` };
      this.marks.push(mark);
      added.push(mark);
    }
    this.askSeries(added);
    this.refreshMarks();
    this.keepView();
  },
  // Areas of a file: the kernel reads it.
  async askAreas(input) {
    const [file] = input.files;
    if (!file) return;
    if (file.size > LARGEST) return this.say(this.texts.large_file.replace("{name}", file.name), "warn");
    this.say(this.texts.reading.replace("{name}", file.name), "busy");
    const bytes = await file.arrayBuffer();
    input.value = ""; // the same file can be chosen again
    this.reach(() => this.model.send({ type: "areas", name: file.name, view: this.view }, undefined, [bytes]), () => this.say(this.texts.silent, "warn"));
  },
  takeAreas({ areas, file }) {
    const { holds } = this.map, [rows, cols] = this.info.shape;
    const here = areas.filter(({ rings }) => rings.flat().some(([col, row]) => holds.call(this.map, col, row)));
    if (!here.length) return this.say(this.texts.off_map, "warn");
    this.say("");
    this.addMarks(here.map(({ name, rings }) => ({ polygon: joined(rings), rings, name, file })));
    const corners = here.flatMap(({ rings }) => rings.flat()), of = (k) => corners.map((corner) => corner[k]);
    const [west, east, south, north] = [least(of(0)), -least(of(0).map((v) => -v)), least(of(1)), -least(of(1).map((v) => -v))];
    this.map.lookAt((west + east) / 2, (south + north) / 2, Math.min(cols / (east - west), rows / (north - south)) / 2);
  },
  // Ask for the series of marks that are not known in the span: one request, so that the fields are read once.
  askSeries(marks) {
    const { span } = this, known = ({ done, asked: [first, last] = [1, 0] }) => done && first <= span[0] && last >= span[1];
    const unknown = marks.filter((mark) => !known(mark));
    if (!unknown.length) return;
    unknown.forEach((mark) => Object.assign(mark, { values: new Float64Array(this.info.count).fill(NaN), done: false, asked: span }));
    const places = unknown.map(({ id, cell, polygon }) => (polygon ? { id, polygon } : { id, cell }));
    this.ask({ type: "series", span, near: this.playhead, places });
  },
  takeSeries({ first, done = false, places }) {
    for (const { id, values, cells } of places) {
      const mark = this.marks.find((one) => one.id === id);
      if (!mark) continue;
      values?.forEach((value, k) => (mark.values[first + k] = value ?? NaN));
      Object.assign(mark, { cells, done });
      if (done && !cells) this.say(this.texts.no_cells, "warn");
    }
    this.root.dataset.series = this.marks.filter(({ done }) => done).length;
    this.marksSoon();
  },
  removeMark(mark) {
    this.ask({ type: "stop", id: mark.id });
    clearTimeout(this.silence); // there will be no answer
    this.marks = this.marks.filter((other) => other !== mark);
    this.refreshMarks();
    this.stage.focus({ preventScroll: true }); // the button that had the focus is gone
  },
  refreshMarks() {
    this.map.marks = this.marks;
    this.map.drawOver();
    this.$(".rnb-empty").hidden = this.marks.length > 0;
    this.$(".rnb-chart").hidden = !this.marks.length || this.info.count < 2 || this.named; // class numbers are not a quantity
    this.$(".rnb-marks").innerHTML = this.marks.map((mark) => this.markRow(mark)).join("");
    this.$(".rnb-marks").querySelectorAll("button").forEach((button, k) => (button.onclick = () => this.removeMark(this.marks[k])));
    this.listMarks();
    this.drawChart();
  },
  middle({ cell, polygon }) {
    const mean = (k) => polygon.reduce((sum, corner) => sum + corner[k], 0) / polygon.length;
    return polygon ? [mean(0), mean(1)] : [cell[1] + 0.5, cell[0] + 0.5];
  },
  // What the marks are called in tables and code: their names, else longitude and latitude; no two alike.
  placeNames() {
    const taken = new Set();
    return this.marks.map((mark) => {
      const [lon, lat] = this.map.projection.lonlat(...this.middle(mark)).map((degree) => degree.toFixed(4));
      const where = `${lon} ${this.texts.east} ${lat} N`, name = plain(mark.name ?? "") || (mark.polygon ? `${this.texts.area} ${where}` : where);
      let found = name;
      for (let k = 2; taken.has(found); k++) found = `${name} (${k})`;
      taken.add(found);
      return found;
    });
  },
  markRow(mark) {
    const { projection } = this.map, [col, row] = this.middle(mark);
    const place = mark.polygon
      ? `${mark.name || this.texts.area}, ${Math.round(polygonArea(mark.polygon) * projection.area(col, row)).toLocaleString(this.texts.locale)} km²`
      : mark.name ?? projection.lonlat(col, row).map((degree) => this.degrees(degree, 3)).join(this.texts.decimal === "," ? "; " : ", ");
    const hint = mark.polygon ? `${place}: ${this.texts.area_mean}` : place;
    const cells = `<td data-k></td><td data-k${this.named ? " hidden" : ""}></td>${this.info.sums ? "<td data-k></td>" : ""}`;
    return `<tr><td><i style="background:${mark.colour}">${mark.label}</i></td><td title="${escaped(hint)}">${escaped(place)}</td>${cells}<td>${button("remove", "close", `${this.texts.remove} ${mark.label}`)}</td></tr>`;
  },
  // value now, maximum and sum of the span
  listMarks() {
    const rows = this.$(".rnb-marks").rows;
    this.marks.forEach((mark, k) => {
      const cells = rows[k].querySelectorAll("td[data-k]"), { factor } = this.unit;
      rows[k].classList.toggle("rnb-loading", !mark.done);
      let sum = 0, seen = 0, most = NaN;
      for (let i = this.span[0]; i <= this.span[1]; i++) {
        const value = mark.values[i];
        if (Number.isNaN(value)) continue;
        [sum, seen, most] = [sum + value, seen + 1, most > value ? most : value];
      }
      cells[0].textContent = this.valueText(mark.values[this.playhead] * factor);
      cells[1].textContent = this.valueText(most * factor);
      const gaps = this.span[1] - this.span[0] + 1 - seen + this.holes(this.span); // the sum is at least this
      if (!cells[2]) return;
      cells[2].textContent = seen ? `${gaps && mark.done ? "≥ " : ""}${this.number(sum, this.digits(1))}` : "–";
      cells[2].title = gaps && mark.done ? this.texts.holes.replace("{count}", gaps) : "";
    });
  },
  nowInMarks() {
    const rows = this.$(".rnb-marks").rows;
    this.marks.forEach((mark, k) => {
      rows[k].querySelector("td[data-k]").textContent = this.valueText(mark.values[this.playhead] * this.unit.factor);
    });
  },
  marksSoon() {
    this.pendingMarks ??= setTimeout(() => {
      this.pendingMarks = null;
      this.listMarks();
      this.drawChart();
    }, 60);
  },
  degrees(value, digits) {
    return value.toFixed(digits).replace(".", this.texts.decimal);
  },
  drawChart() {
    if (!this.$(".rnb-chart").hidden) this.chart.draw();
  },
  readOut() {
    const line = this.$(".rnb-readout");
    if (!this.pointer || !this.shown || (!this.total && this.shown.index !== this.playhead && !this.playing)) return (line.textContent = "");
    const [col, row] = this.map.place(...this.pointer).map(Math.floor);
    if (!this.map.holds(col, row)) return (line.textContent = "");
    const cell = row * this.map.cols + col, value = valueOf(this.shown.field, cell);
    const [lon, lat] = this.map.projection.lonlat(col + 0.5, row + 0.5);
    const missing = !this.map.covered || this.map.covered[cell] ? this.texts.no_data : this.texts.no_coverage;
    const { factor, name } = this.scale;
    const text = Number.isNaN(value) ? missing : `<b>${escaped(this.named ? this.valueText(value) : this.number(value * factor, this.digits(factor)))}</b> ${escaped(name)}`;
    line.innerHTML = `${text}<span>${this.degrees(lon, 4)}° ${escaped(this.texts.east)}  ${this.degrees(lat, 4)}° N</span>`;
    Object.assign(line.dataset, { value, lon, lat, row, col });
    if (this.info.levels && !Number.isNaN(value)) this.rarity(line, row, col, value);
  },
  // The return period of the amount under a pointer that rests: the kernel knows it.
  rarity(line, row, col, amount) {
    const { total } = this, fields = total?.how === "sum" ? total.span[1] - total.span[0] + 1 : 1;
    const key = [row, col, fields, amount].join();
    if (this.period?.key === key) return (line.innerHTML += `<span class="rnb-period">${escaped(this.period.text)}</span>`);
    clearTimeout(this.pendingPeriod);
    if (!this.playing) this.pendingPeriod = setTimeout(() => this.ask({ type: "period", key, cell: [row, col], amount, fields }), 120);
  },
  takePeriod({ key, years, minutes, bound }) {
    const length = minutes % 60 ? `${minutes} min` : `${minutes / 60} h`;
    const { texts } = this, text = { below: texts.period_below, over: texts.period_over, none: texts.period_none }[bound] ?? texts.period;
    this.period = { key, text: text.replace("{years}", this.number(years ?? NaN, years < 10 ? 1 : 0)).replace("{length}", length) };
    this.readOut();
  },
};

// ---- export.js
// Exports of the explorer: a field, a table, a film, a standalone page, and Python code for the same view.

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// The first corners of a place, and how many there are: an outline of a file may have thousands.
const listed = (corners) => [...corners.slice(0, 20), ...(corners.length > 20 ? [`… (${corners.length})`] : [])].join("; ");

const exporting = {
  export(what) {
    const acts = { png: () => this.png(), csv: () => this.csv(), code: () => this.code(), animation: () => this.askFile("animation"), page: () => this.askPage() };
    acts[what]();
  },
  fileName(ending, indices = [this.playhead]) {
    const { times, name } = this.info;
    const stamps = times ? indices.map((index) => `_${timeText(times[index]).replace(/\D/g, "")}`) : [];
    return `${name || "radar"}${stamps.join("")}.${ending}`;
  },
  png() {
    const { map } = this, unit = Math.max(1, map.ratio), margin = 12 * unit, line = 15 * unit;
    const { width, height } = map.over, side = (this.marks.length ? 210 : 110) * unit, head = 48 * unit;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width + side + 2 * margin, height + head + 26 * unit];
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const { size, left: west, bottom } = map.frame;
    context.save();
    context.beginPath();
    context.rect(margin, head, width, height);
    context.clip();
    context.fillStyle = css(map.tones.outside);
    context.fillRect(margin, head, width, height);
    context.imageSmoothingEnabled = size < 1;
    context.globalAlpha = map.opacity;
    context.drawImage(map.canvas, margin + west, head + bottom - map.rows * size, map.cols * size, map.rows * size);
    context.restore();
    context.drawImage(map.over, margin, head);
    context.fillStyle = "#1a1a1a";
    context.font = `600 ${14 * unit}px system-ui, sans-serif`;
    context.fillText(this.$("h2").textContent, margin, 20 * unit);
    context.font = `${13 * unit}px system-ui, sans-serif`;
    context.fillText(this.$(".rnb-time").textContent, margin, 38 * unit);
    context.font = `${11 * unit}px system-ui, sans-serif`;
    const labels = this.$$(".rnb-ground span");
    const rows = [...this.limits.map((limit, k) => [css(this.colours[k]), this.limitText(limit)]).reverse(), ...GROUNDS.map(([tone], k) => [css(map.tones[tone]), labels[k].textContent])];
    const left = width + 2 * margin;
    context.fillText(this.scale.name, left, head + 10 * unit);
    rows.forEach(([colour, text], k) => {
      const y = head + 18 * unit + k * line;
      context.fillStyle = colour;
      context.fillRect(left, y, 18 * unit, line - 1);
      context.strokeStyle = "rgba(0,0,0,.25)";
      context.strokeRect(left, y, 18 * unit, line - 1);
      context.fillStyle = "#1a1a1a";
      context.fillText(text, left + 24 * unit, y + line - 4 * unit);
    });
    this.pngKey(context, left, head + 36 * unit + rows.length * line, unit);
    context.fillText(`${this.info.credit}; ${this.texts.map}: ${this.info.sources}`, margin, canvas.height - 8 * unit);
    const name = this.total ? this.fileName(`${this.total.how}.png`, this.total.span) : this.fileName("png");
    canvas.toBlob((blob) => blob && save(name, blob));
  },
  // The marks of the picture: number, name, and the value on the map.
  pngKey(context, left, top, unit) {
    const rows = [...this.$(".rnb-marks").rows].slice(0, Math.max(0, Math.floor((context.canvas.height - top) / (17 * unit)) - 2));
    rows.forEach((row, k) => {
      const y = top + 17 * unit * k, mark = this.marks[k], value = this.valueAt(mark);
      context.fillStyle = mark.colour;
      context.beginPath();
      context.arc(left + 7 * unit, y, 7 * unit, 0, 7);
      context.fill();
      context.fillStyle = "#fff";
      context.textAlign = "center";
      context.fillText(mark.label, left + 7 * unit, y + 4 * unit);
      context.fillStyle = "#1a1a1a";
      context.textAlign = "left";
      context.fillText(`${row.cells[1].textContent}${value ? `: ${value}` : ""}`, left + 20 * unit, y + 4 * unit, 185 * unit);
    });
  },
  // The value of a mark on the map, with its unit; of an area only that of a field.
  valueAt({ cell, values }) {
    if (this.total && !cell) return "";
    const raw = this.total ? valueOf(this.total.field, cell[0] * this.map.cols + cell[1]) : values[this.playhead];
    return `${this.named ? this.valueText(raw) : this.number(raw * this.scale.factor, this.digits(this.scale.factor))} ${this.scale.name}`.trim();
  },
  csv() {
    if (!this.marks.length) return this.say(this.texts.click_map, "warn");
    const { times, title, credit, sums } = this.info, [first, last] = this.span, { zone } = this;
    const places = this.marks.map((mark) => `# ${mark.label}: ${mark.name ? `${mark.name}, ` : ""}${mark.polygon ? this.texts.mean_of : this.texts.cell_at} ${listed(this.corners(mark, 4))} (lon lat)`).map(plain);
    const gaps = this.holes(this.span) || this.marks.some(({ values }) => values.subarray(first, last + 1).some(Number.isNaN));
    const local = times && zone.name !== "UTC", names = this.placeNames(), { name: unit } = this.unit;
    const columns = [...names.map((name) => (unit ? `${name} [${unit}]` : name)), ...(sums ? names.map((name) => this.texts.csv_sum.replace("{name}", () => name)) : [])];
    const header = [times ? "time_utc" : "number", ...(local ? ["time_local"] : []), ...columns.map(quoted)];
    const lines = [`# ${title}; ${this.unit.name}; ${credit}${local ? `; time_local: ${zone.name}` : ""}`, ...places, ...(sums && gaps ? [`# ${this.texts.lower_bounds}`] : []), header.join(",")];
    const running = sums ? this.marks.map(({ values }) => runningSum(values, this.span)) : [], text = (value) => (Number.isNaN(value) ? "" : +value.toPrecision(7));
    const iso = (ms) => new Date(ms).toISOString().slice(0, 19);
    for (let i = first; i <= last; i++) {
      const values = this.marks.map(({ values }) => text(values[i] * this.unit.factor));
      lines.push([times ? iso(times[i]) : i, ...(local ? [iso(this.clock[i])] : []), ...values, ...running.map((sum) => text(sum[i]))].join(","));
    }
    save(this.fileName("csv", this.span), new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  },
  corners({ cell, polygon, rings }, digits) {
    const places = polygon ?? [[cell[1] + 0.5, cell[0] + 0.5]];
    return places.map((place) => this.map.projection.lonlat(...place).map((degree) => degree.toFixed(digits)).join(" "));
  },
  // Return the Python code for the view: the field or the total, and the series.
  code() {
    const { along, source, name, times, flipped, minutes } = this.info;
    const timed = times && along === "time", iso = (index) => new Date(times[index]).toISOString().slice(0, 19);
    const one = (index) => (timed ? `.sel(time="${iso(index)}")` : along ? `.isel(${along}=${index})` : "");
    const span = ([first, last]) => (timed ? `.sel(time=slice("${iso(first)}", "${iso(last)}"))` : along ? `.isel(${along}=slice(${first}, ${last + 1}))` : "");
    const lines = source ? [`ds = rn.${source}`] : ["# ds: the Dataset that the explorer was given"];
    lines.push(`da = ds[${JSON.stringify(name)}]${flipped ? '.sortby(["y", "x"])' : ""}`);
    if (this.marks.length) lines.push(`part = da${span(this.span)}`);
    const { total } = this, fields = total && total.span[1] - total.span[0] + 1;
    const how = total && { sum: `sum("${along}", min_count=1, keep_attrs=True)${minutes ? `.assign_attrs(interval_minutes=${minutes * fields})` : ""}`, max: `max("${along}", keep_attrs=True)` }[total.how];
    lines.push(`field = ${total ? `da${span(total.span)}.${how}` : `da${one(this.playhead)}`}`, `rn.plot(field${this.look()})`);
    const names = new Map(this.placeNames().map((name, k) => [this.marks[k], JSON.stringify(name)]));
    const lonlat = (mark, digits) => this.corners(mark, digits).map((corner) => `(${corner.replace(" ", ", ")})`);
    const points = this.marks.filter(({ cell }) => cell), areas = this.marks.filter(({ polygon, file }) => polygon && !file), files = [...new Set(this.marks.map(({ file }) => file).filter(Boolean))];
    if (points.length) lines.push("", `points = {${points.map((mark) => `${names.get(mark)}: ${lonlat(mark, 5)[0]}`).join(", ")}}  # longitude, latitude`, "series = rn.at_points(part, points)");
    if (areas.length) {
      const polygons = areas.map((mark) => `    ${names.get(mark)}: Polygon([${lonlat(mark, 5).join(", ")}]),`);
      lines.push("", "areas = GeoSeries({", ...polygons, '}, crs="EPSG:4326")', "means = rn.over_areas(part, areas)  # counts cells by their share; the explorer those whose centre is inside");
    }
    files.forEach((file) => lines.push("", `means_of_file = rn.over_areas(part, ${pythonOf(file)})  # the path of the file`));
    const { index, ...view } = this.state();
    view.places = view.places.filter(({ file }) => !file);
    lines.push("", "explorer = rn.Explorer(da)", `explorer.view_state = ${pythonOf(view)}`);
    if (along) lines.push(`explorer.span, explorer.index = ${pythonOf(this.span).replace(/\[(.*)\]/, "($1)")}, ${this.playhead}`);
    lines.push("explorer");
    const imports = [...(areas.length ? ["from geopandas import GeoSeries"] : []), "import radar_nb as rn", ...(areas.length ? ["from shapely import Polygon"] : []), ""];
    const area = this.$(".rnb-codebox textarea");
    area.value = [...imports, ...lines].join("\n");
    this.$(".rnb-codebox").showModal();
    area.setSelectionRange(0, 0);
    area.scrollTop = 0;
  },
  // the arguments of rn.plot for the chosen colours
  look() {
    const { chosen, factor } = this.scale;
    const classes = chosen || factor !== 1 ? `, classes=${pythonOf(this.limits.map((limit) => +(limit / factor).toPrecision(6)))}` : "";
    return `${classes}${this.palette === Object.keys(this.info.palettes)[0] ? "" : `, cmap="${this.palette}"`}`;
  },
  async copy() {
    const area = this.$(".rnb-codebox textarea");
    area.select();
    try {
      await navigator.clipboard.writeText(area.value);
      this.say(this.texts.copied);
      this.$(".rnb-codebox").close();
    } catch {
      this.$(".rnb-copy").textContent = this.texts.select_copy; // the page may not write to the clipboard: the text is selected
    }
  },
  // Let the kernel know the view, so that it is that of an exported page and of the next display.
  keepView() {
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => {
      if (this.closed || !this.info) return;
      const state = this.state(), text = JSON.stringify({ ...state, index: 0 });
      if (text !== this.keptView) this.publish("view_state", state);
      this.keptView = text;
    }, 300);
  },
  // The initial view of an exported page, without the kernel's state.
  state() {
    const { map, palette, playhead, span, info } = this;
    const places = this.marks.map(({ cell, polygon, rings, name, file }) => (polygon ? { polygon, ...(rings && { rings, name, file }) } : { cell, name }));
    return { index: playhead - span[0], unit: info.units.indexOf(this.unit), chosen: this.unit.chosen ?? null, palette, places, view: map.view, layers: map.layers, zone: this.zone.name, kind: this.kind, loop: this.loop, opacity: map.opacity, dark: this.$(".rnb-dark").checked };
  },
  restore({ index, unit, chosen, palette, places = [], view, layers, zone, kind, loop, opacity = 1, dark = false }) {
    if (index !== undefined && index !== this.playhead) this.seek(index);
    if (unit === undefined) return;
    this.unit = this.info.units[unit] ?? this.unit;
    this.unit.chosen = chosen ?? undefined;
    this.palette = palette in this.info.palettes ? palette : this.palette;
    this.$(".rnb-unit").value = this.info.units.indexOf(this.unit);
    this.$(".rnb-palette").value = this.palette;
    Object.assign(this.map.view, view);
    if (this.map.ratio) this.map.settle(); // the map has its size already, and would stay where it was
    Object.assign(this.map.layers, layers);
    this.root.querySelectorAll("[data-layer]").forEach((node) => (node.checked = this.map.layers[node.dataset.layer]));
    for (const [selector, value] of [["tz", zone], ["kind", kind], ["loop", loop], ["opacity", 100 * opacity]]) {
      const input = this.$(`.rnb-${selector}`);
      if (input && value !== undefined) input.value = value;
    }
    if (this.$(".rnb-tz")?.value) this.setZone(this.$(".rnb-tz").value);
    Object.assign(this, { kind: this.$(".rnb-kind")?.value ?? this.kind, loop: this.$(".rnb-loop").value || "repeat" });
    this.map.setOpacity(opacity);
    this.setDark(dark);
    this.addMarks(places);
    this.classes();
  },
  // Show the size in a dialog first.
  askPage() {
    if (this.info.alone) return this.say(this.texts.needs_kernel, "warn");
    const count = this.span[1] - this.span[0] + 1, size = count * this.cache.mean * 1.34 + 7e5; // base64: four characters for three bytes; lines, towns and scripts
    const words = this.texts.page_size.replace("{size}", bytesText(size, this.texts.decimal)).replace("{count}", count);
    const dialog = this.$(".rnb-pagebox");
    dialog.querySelector("p").textContent = words;
    dialog.returnValue = ""; // Escape would keep the previous answer
    dialog.showModal();
  },
  askFile(kind) {
    if (this.info.alone) return this.say(this.texts.needs_kernel, "warn");
    this.say(this.texts[kind], "busy", kind);
    const limits = this.unit.chosen && this.unit.chosen.map((limit) => limit / this.unit.factor);
    const fps = Math.min(30, Number(this.$(".rnb-speed").value));
    this.ask({ type: kind, span: this.span, fps, palette: this.palette, ...(limits && { limits }), state: this.state() });
    clearTimeout(this.silence); // the first piece may take a while
  },
  takeFile({ id, name, mime }) {
    const blob = new Blob(this.files[id] ?? [], { type: mime });
    delete this.files[id];
    save(name, blob);
    this.say(`${name}, ${bytesText(blob.size, this.texts.decimal)}`);
  },
};

// ---- player.js
// The explorer: its view, its playhead, and the requests to the kernel. Other files extend the Player.

const SILENCE = 5000; // ms without an answer after which the kernel counts as gone or busy
const REST = 1000; // ms at the last field, before it begins again or turns back
const AHEAD = 8; // fields that are inflated before they are due

class Player {
  constructor(model, root, texts) {
    Object.assign(this, { model, root, texts });
    this.view = Math.random().toString(36).slice(2); // the kernel sends to each view of a model
    this.playhead = 0;
    this.shown = null; // what is on the map: {index, field}, of a total {field}
    this.total = null;
    this.settled = null; // the timer that publishes the playhead
    this.lastHours = 0; // of the sum that ends at the playhead; 0: fields are shown
    this.loop = "repeat";
    this.way = 1; // back and forth: 1 or -1
    this.marks = [];
    this.noAnswer = false; // last known state of the kernel
    this.files = {}; // received pieces of files
    this.playing = false;
    this.pointer = null;
    this.shownCount = 0;
    this.ended = new AbortController();
    this.onMessage = (message, buffers) => this.receive(message, buffers ?? []);
    model.on("msg:custom", this.onMessage);
    this.say(texts.opening);
    this.ask({ type: "hello" });
  }
  close() {
    if (this.held) this.endCompare();
    this.ask({ type: "bye" });
    this.ended.abort();
    this.model.off("msg:custom", this.onMessage);
    cancelAnimationFrame(this.animation);
    for (const timer of [this.silence, this.settled, this.pendingTimeline, this.pendingMarks, this.pendingPeriod]) clearTimeout(timer);
    this.playing = false;
    this.cache = null;
  }
  get closed() {
    return this.ended.signal.aborted;
  }
  $(selector) {
    return this.root.querySelector(selector);
  }
  $$(selector) {
    return this.root.querySelectorAll(selector);
  }
  // ---- messages to and from the kernel
  ask(question) {
    clearTimeout(this.silence);
    const silent = () => {
      this.noAnswer = true; // publishing would print an error in the console
      if (!this.closed) this.say(this.info ? this.texts.silent : this.texts.no_kernel, "warn");
    };
    this.silence = setTimeout(silent, SILENCE);
    this.reach(() => this.model.send({ ...question, view: this.view }), silent);
  }
  // Sending to a kernel that is gone throws, at once or later.
  async reach(act, failed = () => {}) {
    try {
      await act();
    } catch {
      failed();
    }
  }
  publish(name, value) {
    if (this.noAnswer) return;
    this.reach(() => {
      this.model.set(name, value);
      return this.model.save_changes();
    });
  }
  receive(message, buffers) {
    clearTimeout(this.silence);
    this.noAnswer = false;
    this.heard = Date.now();
    if (message.view !== undefined && message.view !== this.view) return; // the request of another view
    if (message.type === "info") return message.problem ? this.refuse(message.problem) : this.open(message.info);
    if (!this.info || (message.edition ?? 0) !== (this.info.edition ?? 0)) return; // fields of other data that were shown before
    const views = buffers.map((part) => new Uint8Array(part.buffer ?? part, part.byteOffset ?? 0, part.byteLength));
    const handlers = {
      frames: () => this.takeFrames(message.frames, views), coverage: () => this.takeCoverage(views[0], message.plain),
      series: () => this.takeSeries(message), total: () => this.takeTotal(message, views[0]),
      rain: () => this.takeRain(message.index), town: () => this.takeTown(message), areas: () => this.takeAreas(message), period: () => this.takePeriod(message), problem: () => this.takeProblem(message),
      progress: () => this.say(`${this.texts[message.id]}: ${message.done} / ${message.count}`, "busy", message.id),
      part: () => (this.files[message.id] ??= []).push(views[0]), file: () => this.takeFile(message),
    };
    handlers[message.type]?.();
  }
  // Show one line on the map: a message, the progress of a job, or an error.
  say(text, kind = "", job = null) {
    const line = this.$(".rnb-status") ?? this.root;
    line.innerHTML = text && `<span class="rnb-word ${kind}">${escaped(text)}</span>`;
    if (!job) return;
    line.innerHTML += `<button type="button" class="rnb-stop">${escaped(this.texts.cancel)}</button>`;
    line.querySelector("button").onclick = () => this.stop(job);
  }
  stop(job) {
    this.ask({ type: "stop", id: job });
    clearTimeout(this.silence); // there will be no answer
    delete this.files[job];
    if (job === "total") this.endLast();
    this.say(this.texts.cancelled);
  }
  takeProblem({ id, text }) {
    delete this.files[id];
    if (id === "total") this.endLast();
    this.say(text, "warn");
  }
  refuse(text) {
    this.root.innerHTML = `<p class="rnb-refused" role="alert">${escaped(text)}</p>`;
  }
  // ---- the info arrives
  open(info) {
    if (this.info) return (info.edition ?? 0) === (this.info.edition ?? 0) ? undefined : this.renew(info);
    if (typeof DecompressionStream === "undefined") return this.refuse(this.texts.old_browser);
    this.info = info;
    this.unit = info.units[0];
    this.palette = Object.keys(info.palettes)[0];
    this.span = [0, info.count - 1];
    this.kind = info.sums && info.times ? "both" : "rain";
    this.root.innerHTML = layout(info, this.texts);
    this.stage = this.$(".rnb-stage");
    this.map = new RadarMap(this.stage, info, this.texts);
    this.chart = new Chart(this.$(".rnb-chart"), this);
    this.setZone(info.timezone ?? "UTC");
    this.cache = new FrameCache((question) => this.ask(question), info.count, info.shape[0] * info.shape[1], info.batch);
    this.wire();
    this.classes();
    if (info.gauges) {
      const gauges = new Gauges(info.gauges);
      this.map.drawGauges = (context, unit) => gauges.draw(this.map, context, unit, this.gaugeLook(gauges));
    }
    const index = Math.min(info.count - 1, Math.max(0, this.model.get("index") ?? 0));
    this.setSpan(...(this.model.get("span") ?? this.span));
    this.seek(index, false);
    this.restore(info.state ?? { ...this.model.get("view_state"), index });
    if (info.present || info.heartbeat) this.present = new Present(this);
    if (info.autoplay) this.play(true);
  }
  // Show other data in the place of those shown: the view, its places, its field and whether it plays stay. The
  // picture stays until the first field of the new data is drawn, so that nothing flashes.
  renew(info) {
    const state = { ...this.state(), index: this.playhead }, { playing, map } = this, speed = this.$(".rnb-speed").value;
    this.play(false);
    this.ended.abort();
    clearTimeout(this.settled);
    Object.assign(this, { ended: new AbortController(), info: null, total: null, shown: null, marks: [], cache: null, held: null, lastHours: 0, lastAsked: false });
    this.open({ ...info, state, autoplay: false });
    this.map.continue(map);
    this.$(".rnb-speed").value = speed;
    if (playing) this.play(true);
  }
  // Show times in a zone.
  setZone(name) {
    this.zone = new Zone(name, this.texts.locale);
    this.beside = new Zone(name === "UTC" ? this.info.timezone ?? "Europe/Berlin" : "UTC", this.texts.locale);
    this.clock = this.info.times && this.info.times.map((time) => this.zone.local(time));
    if (!this.cache) return;
    this.setSpanText();
    this.show();
    if (this.total) this.titleOfTotal();
    this.drawTimeline();
    this.drawChart();
  }
  // The unit and class limits of the map: a maximum has those of the fields, a sum is in mm.
  get scale() {
    const { total, unit } = this;
    if (!total) return { ...unit, owner: unit };
    if (total.how === "sum") return { name: "mm", factor: 1, limits: total.limits, chosen: total.chosen, owner: total };
    const own = unit === this.info.units[0];
    return { ...unit, limits: own ? total.limits : unit.limits, owner: unit };
  }
  number(value, digits) {
    return number(value, this.texts.decimal, digits);
  }
  // Decimals of values times a factor: equal in read-out, table and chart.
  digits(factor = this.unit.factor) {
    const { resolution, amounts } = this.info;
    return Math.max(amounts ? 2 : 0, digitsOf(resolution * factor));
  }
  // Whether the fields hold numbers of classes, which have names.
  get named() {
    return Boolean(this.info.units[0].names);
  }
  valueText(value) {
    return this.named && Number.isFinite(value) ? this.info.units[0].names[value] : this.number(value, this.digits());
  }
  limitText(limit) {
    return this.named ? this.valueText(limit) : this.number(limit);
  }
  classes() {
    const { scale } = this, ramp = this.info.palettes[this.palette];
    this.limits = scale.chosen ?? scale.limits;
    const share = (k) => (this.limits.length > 1 ? k / (this.limits.length - 1) : 0);
    this.colours = this.limits.map((_, k) => rampColour(scale.colours ?? ramp, share(k)));
    this.$(".rnb-classes").innerHTML = this.limits.map((limit, k) => legendRow(css(this.colours[k]), this.limitText(limit))).reverse().join("");
    this.$(".rnb-classes").classList.toggle("rnb-named", this.named);
    this.$(".rnb-classes").classList.toggle("rnb-many", this.limits.length > 10);
    this.$(".rnb-unitname").textContent = scale.name;
    this.$$(".rnb-ground i").forEach((node, k) => (node.style.background = css(this.map.tones[GROUNDS[k][0]])));
    this.$("h2").textContent = this.total?.how === "sum" ? this.info.sum_title : this.info.title;
    this.$(".rnb-seriesunit").textContent = this.unit.name;
    this.$(".rnb-limits").value = this.limits.map((limit) => this.number(limit)).join(this.texts.decimal === "," ? "; " : ", ");
    this.repaint();
  }
  // What the gauges show: amounts of the field, or of the span of a sum; a maximum has none to compare with.
  gaugeLook(gauges) {
    const { total, scale, info } = this, { factor } = scale, missing = css(this.map.tones.gap);
    const span = total ? total.span : [this.playhead, this.playhead];
    const values = total?.how === "max" ? gauges.places.map(() => null) : gauges.values(info.times ?? [], span);
    const colourOf = (value) => {
      if (value === null) return missing;
      const k = this.limits.findLastIndex((limit) => value * factor >= limit);
      return css(k < 0 ? this.map.tones.dry : this.colours[k]);
    };
    return { values, colourOf, textOf: (value) => this.number(value * factor, this.digits(factor)) };
  }
  repaint() {
    if (!this.shown) return;
    const { factor } = this.scale, { field } = this.shown;
    this.map.paint(field, this.limits.map((limit) => limit / factor), this.colours);
    if (this.map.drawGauges && this.map.layers.gauges) this.map.drawOver();
    // values below the first class are dry only if no smaller value can be distinguished
    this.$(".rnb-ground li").hidden = this.named;
    const least = this.info.amounts && this.limits[0] / factor <= 1.001 * field.scale && !field.offset;
    const below = least ? this.texts.dry : `< ${this.number(this.limits[0])}`, label = this.$(".rnb-ground span");
    if (label.textContent !== below) label.textContent = below;
    this.readOut();
  }
  redraw() {
    this.map.resize();
    this.drawChart();
    this.drawTimeline();
  }
  // ---- fields
  takeFrames(frames, views) {
    let k = 0;
    for (const frame of frames) {
      this.cache.take(frame, frame.problem ? null : views[k++], this.playhead);
      if (frame.index === this.playhead && this.shown?.index !== frame.index) this.show();
    }
    this.cache.wish(this.playhead, this.span);
    this.timelineSoon();
  }
  async takeCoverage(bytes, plain) {
    const covered = plain ? bytes : new Uint8Array(await inflate(bytes));
    if (this.closed) return;
    this.map.covered = covered;
    if (!this.playing) this.repaint();
  }
  // Go to a field. The kernel hears of it when the user rests.
  seek(index, publish = true) {
    const last = this.lastHours && !this.playing;
    if (!last) this.leaveTotal();
    this.playhead = Math.min(this.info.count - 1, Math.max(0, index));
    clearTimeout(this.settled);
    this.settled = null;
    if (publish && !this.playing) this.settled = setTimeout(() => this.settle(), 150);
    this.show();
    if (last) return this.askLast(this.lastHours);
    this.cache.wish(this.playhead, this.span);
  }
  settle() {
    this.settled = null;
    this.publish("index", this.playhead);
  }
  // Follow the kernel, but not while the user moves: in a host that echoes, it may be an earlier step.
  follow(index) {
    if (this.settled === null && index !== this.playhead) this.seek(index, false);
  }
  async show() {
    const index = this.playhead, slider = this.$(".rnb-slider");
    slider.value = index;
    if (!this.total) this.$(".rnb-time").innerHTML = this.timeHtml(index);
    this.placeHead();
    if (this.marks.length) this.nowInMarks();
    if (!this.playing) {
      slider.setAttribute("aria-valuetext", this.timeText(index));
      this.stage.setAttribute("aria-label", `${this.info.title}, ${this.timeText(index)}`);
    }
    if (this.total) return;
    this.$(".rnb-waiting").hidden = this.cache.known(index);
    if (this.cache.broken.has(index)) return this.showBroken(index);
    const { cache } = this, field = await cache.field(index).catch((error) => this.say(String(error), "warn"));
    if (!field || this.closed || cache !== this.cache || index !== this.playhead || this.total) return;
    this.shown = { index, field };
    this.repaint();
    this.shownCount += 1;
    this.stage.dataset.index = index;
    this.followers();
    this.lead();
    this.stage.dataset.frames = this.shownCount;
    const word = this.$(".rnb-word");
    if (!field.cells) this.say(this.texts.nothing, "void");
    else if (word?.matches(".void") || (!this.playing && word?.matches(".warn"))) this.say("");
  }
  showBroken(index) {
    this.shown = null;
    this.map.blank();
    this.readOut();
    this.stage.dataset.broken = index;
    this.say(this.cache.broken.get(index), "warn");
  }
  timeText(index) {
    const { times, minutes } = this.info;
    if (!times) return this.info.count > 1 ? `${index + 1} / ${this.info.count}` : "";
    return `${timeText(this.clock[index])} ${this.zone.word(times[index])}${minutes ? `, ${minutes} min` : ""}`;
  }
  // The time in the chosen zone, the lead time of a forecast, and the time of day in the other zone.
  timeHtml(index) {
    const { times, boundary = index } = this.info;
    if (!times) return escaped(this.timeText(index));
    const text = timeText(this.clock[index]), ahead = (times[index] - times[boundary]) / 60e3;
    const lead = ahead > 0 ? ` <span class="rnb-lead" title="${escaped(this.texts.lead)}">+${ahead} min</span>` : "";
    const other = timeText(this.beside.local(times[index])), day = other.slice(0, 10) === text.slice(0, 10) ? other.slice(11) : other.slice(5);
    return `<span class="rnb-date">${text.slice(0, 10)}</span> <b>${text.slice(11)}</b> <span class="rnb-zone">${escaped(this.zone.word(times[index]))}</span>${lead} <span class="rnb-beside">${day} ${escaped(this.beside.word(times[index]))}</span>`;
  }
  // ---- playing: the browser's clock determines which field is due
  play(on = !this.playing) {
    if (this.info.count < 2) return;
    this.playing = on;
    const button = this.$(".rnb-play"), label = on ? this.texts.pause : this.texts.play;
    button.innerHTML = icon(on ? "pause" : "play");
    button.setAttribute("aria-label", label);
    button.title = `${label} (${this.texts.key_space})`;
    cancelAnimationFrame(this.animation);
    if (!on) return this.seek(this.playhead);
    this.leaveTotal();
    [this.last, this.due, this.way] = [0, 0, 1];
    this.animation = requestAnimationFrame((now) => this.tick(now));
  }
  tick(now) {
    if (!this.playing) return;
    this.animation = requestAnimationFrame((next) => this.tick(next));
    const atEnd = this.following(this.playhead) !== this.playhead + this.way;
    const step = 1000 / Number(this.$(".rnb-speed").value) + (atEnd ? REST : 0);
    this.due += this.last ? now - this.last : step;
    this.last = now;
    if (this.due < step - 2) return;
    if (this.loop === "once" && this.playhead >= this.span[1]) return this.play(false);
    const next = this.following(this.playhead);
    for (let k = 0, ahead = next; k < AHEAD; k++, ahead = this.following(ahead)) this.cache.field(ahead).catch(() => {});
    const behind = this.shown?.index !== this.playhead && !this.cache.broken.has(this.playhead);
    if (behind || !this.cache.known(next)) {
      this.due = step; // show it as soon as it arrives
      return this.cache.wish(behind ? this.playhead : next, this.span);
    }
    this.due = Math.min(this.due - step, step);
    if (this.loop === "pingpong") this.way = next < this.playhead ? -1 : 1;
    this.seek(next);
  }
  following(index) {
    const [first, last] = this.span;
    if (index < first || index > last) return first;
    if (this.loop !== "pingpong") return index === last ? first : index + 1;
    const way = index >= last ? -1 : index <= first ? 1 : this.way;
    return Math.min(last, Math.max(first, index + way));
  }
  nextRain() {
    const series = this.marks.filter((mark) => mark.done && mark.cells).map((mark) => mark.values);
    if (!series.length) {
      this.say(this.texts.rain, "busy", "rain");
      return this.ask({ type: "rain", start: this.playhead, span: this.span });
    }
    const wet = (index) => series.some((values) => values[index] > 0);
    for (let i = this.playhead + 1; i <= this.span[1]; i++) if (wet(i) && !wet(i - 1)) return this.seek(i);
    this.say(this.texts.no_rain);
  }
  takeRain(index) {
    this.say(index === null ? this.texts.no_rain : "");
    if (index !== null) this.seek(index);
  }
}

Object.assign(Player.prototype, comparing, controls, places, timeline, totals, exporting);

// ---- widget.js
// A view of the widget is an element with its player.

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "rnb-explorer";
  root.tabIndex = -1;
  // JupyterLab ignores keys on elements with this attribute; a click on a text would focus the notebook cell
  root.addEventListener("focusin", (event) => { event.target.dataset.lmSuppressShortcuts = "true"; });
  root.addEventListener("click", () => root.contains(document.activeElement) || root.focus({ preventScroll: true }));
  el.append(root);
  root.player = new Player(model, root, model.get("texts"));
  return () => root.player.close();
}

// ---- page.js
// Replacement of the kernel in an exported page, which contains its fields and answers the explorer's requests.

// What the explorer needs of a widget's model, without a kernel.
class LocalModel {
  constructor(info, texts) {
    Object.assign(this, { info, texts });
    this.heard = new Set();
    this.state = { index: 0, span: [0, info.count - 1], texts };
  }
  get(name) {
    return this.state[name];
  }
  set(name, value) {
    this.state[name] = value;
  }
  save_changes() {}
  on(what, act) {
    if (what === "msg:custom") this.heard.add(act);
  }
  off(what, act) {
    this.heard.delete(act);
  }
  answer(message, ...buffers) {
    this.heard.forEach((act) => act(message, buffers));
  }
}

class PageModel extends LocalModel {
  // Remove the fields from the page, which would hold them twice.
  static ofPage() {
    const { info, texts } = JSON.parse(document.getElementById("content").textContent);
    const frames = [...document.querySelectorAll("script.frame")].map((node) => {
      const frame = JSON.parse(node.textContent);
      node.remove();
      return frame;
    });
    return new PageModel(info, texts, frames, document.getElementById("covered").textContent);
  }
  constructor(info, texts, frames, covered) {
    super(info, texts);
    Object.assign(this, { frames, covered });
    this.stopped = new Set();
  }
  bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }
  async field(index) {
    const frame = this.frames[index];
    const [rows, cols] = this.info.shape;
    return { codes: await unpack(this.bytes(frame.data), rows * cols), scale: frame.scale, offset: frame.offset };
  }
  async send(question) {
    await Promise.resolve();
    for (const { id } of question.places ?? [{ id: question.id ?? question.type }]) this.stopped.delete(id);
    if (question.type === "stop") this.stopped.add(question.id);
    else if (question.type === "hello") {
      this.answer({ type: "info", info: this.info });
      this.answer({ type: "coverage" }, this.bytes(this.covered));
    } else if (question.type === "frames") {
      for (const index of question.wanted) {
        const { data, ...info } = this.frames[index];
        this.answer({ type: "frames", frames: [{ index, ...info }] }, this.bytes(data));
      }
    } else await this[question.type]?.(question);
  }
  // Each field is opened once for all places.
  async series({ span, places }) {
    const [rows, cols] = this.info.shape;
    let wanted = places.map(({ id, cell, polygon }) => ({ id, cells: polygon ? inside(polygon, rows, cols) : [cell[0] * cols + cell[1]] }));
    const mean = (field, cells) => {
      let sum = 0, seen = 0;
      for (const k of cells) {
        const value = valueOf(field, k);
        if (!Number.isNaN(value)) [sum, seen] = [sum + value, seen + 1];
      }
      return seen ? sum / seen : null;
    };
    const answer = (some, more, values = () => undefined) => this.answer({ type: "series", ...more, places: some.map(({ id, cells }) => ({ id, cells: cells.length, values: values(cells) })) });
    for (let index = span[0]; index <= span[1]; index++) {
      wanted = wanted.filter(({ id }) => !this.stopped.has(id));
      const some = wanted.filter(({ cells }) => cells.length);
      if (!some.length) break;
      const field = await this.field(index);
      answer(some, { first: index }, (cells) => [mean(field, cells)]);
    }
    answer(wanted, { done: true });
  }
  async total({ how, span }) {
    const found = new Float64Array(this.info.shape[0] * this.info.shape[1]).fill(NaN), counts = new Uint32Array(found.length);
    for (let index = span[0]; index <= span[1]; index++) {
      if (this.stopped.has("total")) return;
      const { codes, scale, offset } = await this.field(index);
      for (let k = 0; k < found.length; k++) {
        if (codes[k] === NO_VALUE) continue;
        const value = codes[k] * scale + offset;
        if (!counts[k]++) found[k] = value;
        else if (how === "sum") found[k] += value;
        else if (value > found[k]) found[k] = value;
      }
      this.answer({ type: "progress", id: "total", done: index - span[0] + 1, count: span[1] - span[0] + 1 });
    }
    const { message, bytes } = totalMessage(found, counts, { how, span, info: this.info, scale: this.frames[span[0]].scale });
    this.answer(message, bytes);
  }
  rain({ start, span }) {
    const wet = (index) => this.frames[index].wet >= 1e-3; // as in queries.py
    for (let i = start + 1; i <= span[1]; i++) if (wet(i) && !wet(i - 1)) return this.answer({ type: "rain", index: i });
    this.answer({ type: "rain", index: null });
  }
}

// The answer to a request for a total, and its field: values, and how many fields have one, of each cell.
function totalMessage(found, counts, { how, span, info, scale: least }) {
  let low = Infinity, high = -Infinity, fewest = Infinity;
  for (let k = 0; k < found.length; k++) {
    if (!counts[k]) continue;
    [low, high, fewest] = [Math.min(low, found[k]), Math.max(high, found[k]), Math.min(fewest, counts[k])];
  }
  const limits = how === "sum" ? info.sum_limits.find((of) => high <= of.at(-1)) ?? info.sum_limits.at(-1) : info.units[0].limits;
  const offset = Math.min(0, low), scale = Math.max(least, (high - offset) / (NO_VALUE - 1));
  const words = new Uint16Array(2 + found.length); // two for the number of runs: none
  found.forEach((value, k) => (words[k + 2] = counts[k] ? Math.round((value - offset) / scale) : NO_VALUE));
  const share = Math.min(1, fewest / (span[1] - span[0] + 1));
  return { message: { type: "total", how, span, scale, offset, limits, least_share: share, plain: true }, bytes: new Uint8Array(words.buffer) };
}

function openPage() {
  render({ model: PageModel.ofPage(), el: document.getElementById("explorer") });
}

// ---- cube.js
// The kernel of a page of a cube, in a worker: it reads the cube's shards and answers the explorer's requests.

const OPEN_SHARDS = 64, AT_ONCE = 6, DESCRIPTION = 4 << 20; // indexes in memory; chunks of time of a series; bytes
const WET_SHARE = 1e-3; // as in queries.py

const sorted = (value) => Array.isArray(value) ? value.map(sorted) : value && typeof value === "object" ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])])) : value;
const same = (one, other) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
const dayText = (day) => new Date(day * DAY).toISOString().slice(0, 10);

class CubeKernel {
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

// ---- cube_page.js
// A page of a cube: the explorer, a worker that answers it from a web space, and a choice of the year.

class CubeModel extends LocalModel {
  constructor(content, worker) {
    super({ count: 0 }, content.texts);
    this.worker = worker;
    worker.onmessage = ({ data: [message, buffers] }) => this.receive(message, buffers);
    worker.postMessage({ content });
  }
  receive(message, buffers) {
    if (message.type === "info" && message.info) {
      this.state.span = [0, message.info.count - 1];
      this.showYears(message);
    }
    if (message.space) this.space = message.space; // requests and bytes so far
    this.answer(message, ...buffers);
  }
  async send(question) {
    const year = Number(location.hash.slice(1));
    this.worker.postMessage(question.type === "hello" && year ? { ...question, year } : question);
  }
  showYears({ years, year }) {
    const box = document.getElementById("years");
    document.title = `${document.title.replace(/ \d{4}$/, "")} ${year}`;
    box.innerHTML = `<label>${escaped(this.texts.year)} <select>${years.map((one) => `<option${one === year ? " selected" : ""}>${one}</option>`).join("")}</select></label>`;
    box.hidden = years.length < 2;
    box.querySelector("select").onchange = ({ target }) => {
      history.replaceState(null, "", `#${target.value}`);
      this.worker.postMessage({ type: "year", year: Number(target.value) });
    };
  }
}

// Runs in the page, and again in its worker, which has the same program.
async function openCube(Decoder) {
  if (typeof document === "undefined") return listen(Decoder);
  const content = JSON.parse(document.getElementById("content").textContent);
  const problem = location.protocol === "file:" && !content.cube.url.includes("://") ? content.texts.cube_file : "";
  content.cube.url = new URL(content.cube.url, document.baseURI).href;
  const program = URL.createObjectURL(new Blob([document.getElementById("program").textContent], { type: "text/javascript" }));
  const model = problem ? new LocalModel({ count: 0 }, content.texts) : new CubeModel(content, new Worker(program, { type: "module" }));
  if (problem) model.send = async ({ type }) => type === "hello" && model.answer({ type: "info", problem });
  render({ model, el: document.getElementById("explorer") });
}

function listen(Decoder) {
  const decoder = new Decoder(), ready = decoder.init();
  let kernel = null;
  self.onmessage = async ({ data }) => {
    if (data.content) return (kernel = new CubeKernel(data.content, decoder, (message, ...buffers) => self.postMessage([message, buffers], buffers.map(({ buffer }) => buffer))));
    await ready;
    kernel.ask(data);
  };
}

// ---- explorer.js
// The entry: anywidget calls `render`, an exported page calls `openPage`, the page of a cube `openCube`.

export default { render, openCube, openPage };
