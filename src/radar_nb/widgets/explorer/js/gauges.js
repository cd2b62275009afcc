// Rain gauges on the map: a circle in the colour of its class, with its amount.
const MANY = 60; // more gauges have numbers only where the map is zoomed

export class Gauges {
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
