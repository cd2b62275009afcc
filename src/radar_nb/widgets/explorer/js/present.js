// How old the shown forecast is, and what it says of places: computed here, since a page may be opened late.
import { escaped, timeText } from "./format.js";
import { HOUR, MINUTE } from "./ticks.js";
import { Zone } from "./zones.js";

const LOOK = 5000; // ms between two looks at the clock
const EARLY = 10 * MINUTE; // a forecast from further ahead is one of a wrong clock

export class Present {
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
