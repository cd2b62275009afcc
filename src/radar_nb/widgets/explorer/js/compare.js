// Two fields side by side: one is held, and a line that is dragged divides it from the one that plays.
// The held one is a field or total of this explorer, or what another explorer of the page shows, which then follows.
const CHANNEL = "radar-nb-explorer"; // an event of the page, so that explorers find each other

export const comparing = {
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
