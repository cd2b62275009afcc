// The map: codes coloured by a table, and on top of them borders, sites, graticule and the user's drawings.
import { NO_VALUE } from "./cache.js";

const LIGHT = {
  dry: [0xfd, 0xfd, 0xfb], gap: [0xa8, 0xa2, 0x98], outside: [0xdd, 0xe1, 0xe6], ink: "#1a1a1a", soft: "#5a5a5a", water: "#5b84a6", lake: "#d3e2ec",
  halo: "rgba(255,255,255,.8)", degree: "#4a5568", graticule: "rgba(40,60,90,.22)",
};
const DARK = {
  dry: [0x1d, 0x21, 0x27], gap: [0x5a, 0x55, 0x4e], outside: [0x2d, 0x32, 0x39], ink: "#e8eaed", soft: "#9aa3ad", water: "#6d93b4", lake: "#24323d",
  halo: "rgba(0,0,0,.75)", degree: "#aab4c0", graticule: "rgba(200,215,235,.18)",
};
export const PIN_COLOURS = ["#d55e00", "#0072b2", "#009e73", "#cc79a7", "#7a5c00", "#56b4e9", "#000000", "#e69f00"]; // Okabe, Ito

const abgr = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
export const rampColour = (ramp, share) => {
  const at = 6 * Math.round(share * (ramp.length / 6 - 1));
  return [0, 2, 4].map((k) => parseInt(ramp.slice(at + k, at + k + 2), 16));
};
export const css = (rgb) => `rgb(${rgb.join(",")})`;

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

export class RadarMap {
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
