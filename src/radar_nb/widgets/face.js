// The controls of a widget on pages that show anywidgets but no ipywidgets: boxes, texts, menus and buttons from a
// description that the kernel sends; an anywidget among them is drawn by itself.

const BOXES = { VBox: "column", HBox: "row" };

function made(node, model) {
  const tag = { HTML: "div", Dropdown: "label", Button: "button" }[node.kind] ?? "div";
  const element = document.createElement(tag);
  if (node.kind === "Button") {
    element.type = "button";
    element.addEventListener("click", () => model.send({ id: node.id, click: true }));
  } else if (node.kind === "Dropdown") {
    const select = document.createElement("select");
    element.append(document.createElement("span"), select);
    select.addEventListener("change", () => model.send({ id: node.id, index: select.selectedIndex }));
  }
  element.className = ["radar-nb-part", `radar-nb-${node.kind.toLowerCase()}`, ...node.classes].join(" ");
  return element;
}

class Face {
  constructor({ model, el, host }) {
    Object.assign(this, { model, el, host });
    this.parts = new Map(); // elements by the ids of their widgets
    this.show = () => {
      const seen = new Set();
      const root = this.part(this.model.get("tree"), seen);
      if (root.parentNode !== el) el.replaceChildren(root);
      for (const id of this.parts.keys()) if (!seen.has(id)) this.parts.delete(id);
    };
    el.classList.add("radar-nb-face");
    model.on("change:tree", this.show);
    this.show();
  }

  part(node, seen) {
    seen.add(node.id);
    if (!this.parts.has(node.id)) {
      this.parts.set(node.id, made(node, this.model));
      if (node.kind === "anywidget") this.draw(node);
    }
    const element = this.parts.get(node.id);
    for (const [name, value] of Object.entries(node.style)) element.style.setProperty(name, value);
    if (node.kind in BOXES) {
      const children = node.children.map((child) => this.part(child, seen));
      const same = children.length === element.children.length && children.every((one, at) => one === element.children[at]);
      if (!same) element.replaceChildren(...children);
    } else if (node.kind === "HTML") {
      if (element.dataset.shown !== node.value) element.innerHTML = element.dataset.shown = node.value;
    } else if (node.kind === "Button") {
      Object.assign(element, { textContent: node.text, title: node.title, disabled: node.disabled });
      element.classList.toggle("primary", node.primary);
    } else if (node.kind === "Dropdown") {
      const [name, select] = element.children;
      name.textContent = node.text;
      const options = node.options.join("\n");
      if (select.dataset.options !== options) {
        select.replaceChildren(...node.options.map((text) => Object.assign(document.createElement("option"), { text })));
        select.dataset.options = options;
      }
      select.selectedIndex = node.index;
    }
    return element;
  }

  async draw(node) {
    const widget = await this.host.getWidget(node.ref);
    await widget.render({ el: this.parts.get(node.id) });
  }
}

function render(context) {
  const face = new Face(context);
  return () => context.model.off("change:tree", face.show);
}

export default { render };
