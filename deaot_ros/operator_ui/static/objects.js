// The list of objects: tracked ones with their states, and those that are being drawn.

import { cssColour } from "./colours.js";

export class ObjectList {
  /** `on` has choose(id), correct(id), remove(id) and rename(id, name). */
  constructor(list, on) {
    this.list = list;
    this.on = on;
    this.rows = new Map();
    this.none = document.createElement("li");
    this.none.className = "none";
    this.none.textContent = "None yet. Freeze, draw one, send.";
    list.append(this.none);
  }

  /** Show objects {id, name, state, drawn}; a row is kept as long as its object, so that typing
   * in it is not disturbed. */
  show(objects, chosen) {
    const ids = new Set(objects.map((o) => o.id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.item.remove();
      this.rows.delete(id);
    }
    for (const object of objects) {
      const row = this.rows.get(object.id) ?? this.make(object.id);
      row.item.classList.toggle("chosen", object.id === chosen);
      if (document.activeElement !== row.name) row.name.value = object.name;
      if (row.state.textContent !== object.state) row.state.textContent = object.state;
      row.correct.disabled = !object.tracked;
      row.item.dataset.state = object.state;
    }
    this.none.hidden = objects.length > 0;
  }

  make(id) {
    const item = document.createElement("li");
    item.dataset.id = id;
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = cssColour(id);
    const name = document.createElement("input");
    name.placeholder = `object ${id}`;
    name.maxLength = 60;
    name.setAttribute("aria-label", `name of object ${id}`);
    name.addEventListener("change", () => this.on.rename(id, name.value));
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") name.blur();
      event.stopPropagation();
    });
    const correct = button("Correct", () => this.on.correct(id));
    const remove = button("Remove", () => this.on.remove(id));
    const state = document.createElement("small");
    item.append(swatch, name, correct, remove, state);
    item.addEventListener("click", (event) => {
      if (event.target.tagName !== "BUTTON") this.on.choose(id);
    });
    this.list.append(item);
    const row = { item, name, correct, remove, state };
    this.rows.set(id, row);
    return row;
  }
}

function button(text, act) {
  const element = document.createElement("button");
  element.textContent = text;
  element.addEventListener("click", act);
  return element;
}
