// Totals on the map: sum or maximum over the span, and the sum of the last hours up to the playhead.
import { unpack } from "./cache.js";
import { escaped } from "./format.js";
import { MINUTE } from "./ticks.js";

export const totals = {
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
