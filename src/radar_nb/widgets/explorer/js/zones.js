// Time zones: times are UTC inside and are shown in a zone, whose rules the browser knows.
import { DAY, HOUR } from "./ticks.js";

const HOME = "Europe/Berlin";

export class Zone {
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
export function zoneNames(own) {
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
