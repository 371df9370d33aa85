// Paints label maps: colour by id, with a light line around each object.

import { colourOf } from "./colours.js";

/** Paint the rectangle [x, y, width, height] of `labels` (`across` ids per row) onto `canvas`. */
export function paintLabels(canvas, labels, across, rect, alpha) {
  const [x0, y0, width, height] = rect;
  if (width <= 0 || height <= 0) return;
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer); // ABGR on every machine with a browser
  const colours = new Map();
  const opaque = Math.round(255 * alpha) << 24;
  const down = labels.length / across;
  for (let y = 0, to = 0; y < height; y += 1) {
    let from = (y0 + y) * across + x0;
    for (let x = 0; x < width; x += 1, from += 1, to += 1) {
      const id = labels[from];
      if (!id) continue;
      const column = x0 + x;
      const edge =
        (column > 0 && labels[from - 1] !== id) ||
        (column + 1 < across && labels[from + 1] !== id) ||
        (y0 + y > 0 && labels[from - across] !== id) ||
        (y0 + y + 1 < down && labels[from + across] !== id);
      if (edge) {
        pixels[to] = 0xffffffff;
        continue;
      }
      let colour = colours.get(id);
      if (colour === undefined) {
        const [red, green, blue] = colourOf(id);
        colour = (opaque | (blue << 16) | (green << 8) | red) >>> 0;
        colours.set(id, colour);
      }
      pixels[to] = colour;
    }
  }
  canvas.getContext("2d").putImageData(image, x0, y0);
}

/** A canvas with the whole label map. */
export function labelCanvas(labels, width, height, alpha) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  paintLabels(canvas, labels, width, [0, 0, width, height], alpha);
  return canvas;
}
