// Replacement of the kernel in an exported page, which contains its fields and answers the explorer's requests.
import { inside, NO_VALUE, unpack, valueOf } from "./cache.js";
import { render } from "./widget.js";

// What the explorer needs of a widget's model, without a kernel.
export class LocalModel {
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
export function totalMessage(found, counts, { how, span, info, scale: least }) {
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

export function openPage() {
  render({ model: PageModel.ofPage(), el: document.getElementById("explorer") });
}
