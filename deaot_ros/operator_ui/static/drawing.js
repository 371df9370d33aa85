// What is being drawn on a frozen frame: ids at the camera's size, with undo.

import { paintLabels } from "./labels.js";

const MOST_STEPS = 60;
const ALPHA = 0.55;

export class Drawing {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.labels = new Uint16Array(width * height);
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.done = [];
    this.undone = [];
    this.before = null;
    this.rect = null;
  }

  get empty() {
    return this.labels.every((id) => id === 0);
  }

  /** Ids that have pixels. */
  get ids() {
    return new Set(this.labels.filter((id) => id !== 0));
  }

  /** One step, for one undo: `draw(row)` calls row(y, first, last) for pixels that become `id`. */
  step(id, draw) {
    this.begin();
    this.extend(id, draw);
    this.end();
  }

  begin() {
    this.before = this.labels.slice();
    this.rect = null;
  }

  extend(id, draw) {
    let changed = null;
    draw((y, first, last) => {
      this.labels.fill(id, y * this.width + first, y * this.width + last);
      changed = union(changed, [first, y, last, y + 1]);
    });
    if (changed === null) return;
    this.rect = union(this.rect, changed);
    this.paint(changed);
  }

  end() {
    if (this.before !== null && this.rect !== null) {
      this.done.push({ rect: this.rect, labels: this.cut(this.before, this.rect) });
      if (this.done.length > MOST_STEPS) this.done.shift();
      this.undone = [];
    }
    this.before = null;
  }

  /** Take the unfinished step back. */
  cancel() {
    if (this.before !== null && this.rect !== null) {
      this.labels = this.before;
      this.paint(this.rect);
    }
    this.before = null;
  }

  undo() {
    this.swap(this.done, this.undone);
  }

  redo() {
    this.swap(this.undone, this.done);
  }

  /** Give everything drawn as `from` the id `to`; no step, for nobody sees a difference. */
  rename(from, to) {
    const change = (labels) => labels.forEach((id, i) => { if (id === from) labels[i] = to; });
    change(this.labels);
    [...this.done, ...this.undone].forEach((step) => change(step.labels));
    this.paint([0, 0, this.width, this.height]);
  }

  swap(from, to) {
    const step = from.pop();
    if (!step) return;
    to.push({ rect: step.rect, labels: this.cut(this.labels, step.rect) });
    const [left, top, right, bottom] = step.rect;
    for (let y = top, at = 0; y < bottom; y += 1, at += right - left) {
      this.labels.set(step.labels.subarray(at, at + right - left), y * this.width + left);
    }
    this.paint(step.rect);
  }

  cut(labels, [left, top, right, bottom]) {
    const part = new Uint16Array((right - left) * (bottom - top));
    for (let y = top, at = 0; y < bottom; y += 1, at += right - left) {
      part.set(labels.subarray(y * this.width + left, y * this.width + right), at);
    }
    return part;
  }

  paint([left, top, right, bottom]) {
    // One pixel around it: outlines of neighbours change, too.
    const [x, y] = [Math.max(0, left - 1), Math.max(0, top - 1)];
    const [x1, y1] = [Math.min(this.width, right + 1), Math.min(this.height, bottom + 1)];
    paintLabels(this.canvas, this.labels, this.width, [x, y, x1 - x, y1 - y], ALPHA);
  }
}

function union(a, b) {
  if (a === null) return b;
  const low = (i) => Math.min(a[i], b[i]);
  const high = (i) => Math.max(a[i], b[i]);
  return [low(0), low(1), high(2), high(3)];
}
