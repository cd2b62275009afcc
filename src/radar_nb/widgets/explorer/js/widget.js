// The entry for anywidget: a view is an element with its player.
import { Player } from "./player.js";

export function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "rnb-explorer";
  el.append(root);
  root.player = new Player(model, root, model.get("texts"));
  return () => root.player.close();
}

export default { render };
