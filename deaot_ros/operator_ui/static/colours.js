// Colours of object ids: the same ones as in the node's overlay.

let palette = new Uint8Array(3 * 256).fill(160);

export function setPalette(values) {
  palette = Uint8Array.from(values);
}

/** [red, green, blue] of an id; ids beyond 255 repeat, never black. */
export function colourOf(id) {
  const index = 3 * (id ? ((id - 1) % 255) + 1 : 0);
  return [palette[index], palette[index + 1], palette[index + 2]];
}

export function cssColour(id) {
  return `rgb(${colourOf(id).join(" ")})`;
}
