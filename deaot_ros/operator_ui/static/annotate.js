// Ids, names and states written over the live picture.

import { cssColour } from "./colours.js";

export function annotate(context, picture, objects, chosen) {
  const ratio = window.devicePixelRatio || 1;
  context.font = `600 ${Math.round(15 * ratio)}px system-ui, "DejaVu Sans", sans-serif`;
  context.textBaseline = "bottom";
  for (const { id, name, state, box, area } of objects) {
    if (!area) continue;
    const a = picture.place({ x: box[0], y: box[1] });
    const b = picture.place({ x: box[0] + box[2], y: box[1] + box[3] });
    context.lineWidth = (id === chosen ? 3 : 1) * ratio;
    context.strokeStyle = id === chosen ? "#fff" : cssColour(id);
    context.strokeRect(a.x, a.y, b.x - a.x, b.y - a.y);
    const text = [id, name, state === "tracked" ? "" : state].filter(Boolean).join(" ");
    const high = 20 * ratio;
    const top = Math.max(a.y, high);
    context.fillStyle = "#000b";
    context.fillRect(a.x, top - high, context.measureText(text).width + 8 * ratio, high);
    context.fillStyle = "#fff";
    context.fillText(text, a.x + 4 * ratio, top - 2 * ratio);
  }
}
