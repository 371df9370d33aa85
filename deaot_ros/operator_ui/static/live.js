// The live view: decodes pictures as they come, and says when each is drawn.

import { labelCanvas } from "./labels.js";
import { decodeRuns } from "./rle.js";
import { unpack } from "./wire.js";

const ALPHA = 0.5;
const RATE_SPAN = 3000; // ms

/** A frame's picture and what the node found in it. */
export async function decodeFrame(bytes) {
  const { parts, ...frame } = unpack(bytes);
  const [width, height] = frame.shown;
  const bitmap = await createImageBitmap(new Blob([parts[0]], { type: "image/jpeg" }));
  const labels = decodeRuns(parts[1], width * height);
  return { ...frame, bitmap, labels, overlay: labelCanvas(labels, width, height, ALPHA) };
}

export class Live {
  /** `show(frame)` draws it. */
  constructor(connection, show) {
    this.connection = connection;
    this.show = show;
    this.frame = null;
    this.times = [];
  }

  async take(message) {
    try {
      const frame = await decodeFrame(message.parts[0]);
      this.frame?.bitmap.close();
      this.frame = frame;
      this.times.push(performance.now());
      this.show(frame);
    } finally {
      this.connection.tell({ type: "drawn", number: message.number });
    }
  }

  /** Pictures per second. */
  get rate() {
    const now = performance.now();
    this.times = this.times.filter((time) => now - time < RATE_SPAN);
    return this.times.length / (RATE_SPAN / 1000);
  }

  /** Id of the object at a point of the picture; 0: none. */
  idAt({ x, y }) {
    if (this.frame === null) return 0;
    const { width, height, shown, labels } = this.frame;
    const column = Math.floor((x * shown[0]) / width);
    const row = Math.floor((y * shown[1]) / height);
    if (column < 0 || row < 0 || column >= shown[0] || row >= shown[1]) return 0;
    return labels[row * shown[0] + column];
  }
}
