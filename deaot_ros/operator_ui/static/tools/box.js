// Box: the server finds the object in it by GrabCut.

import { trace } from "./trace.js";

const SMALLEST = 4; // camera pixels

export class Box {
  constructor(desk) {
    this.desk = desk;
    this.name = "Box";
    this.hint = "Drag a box around the object; its outline is found";
    this.from = null;
    this.to = null;
  }

  down(point) {
    if (!this.desk.ready()) return;
    this.from = point;
    this.to = point;
  }

  move(point) {
    if (this.from === null) return;
    this.to = point;
    this.desk.changed();
  }

  up() {
    const { from, to } = this;
    this.cancel();
    if (from === null) return;
    const [x, y] = [Math.min(from.x, to.x), Math.min(from.y, to.y)].map(Math.floor);
    const width = Math.ceil(Math.max(from.x, to.x)) - x;
    const height = Math.ceil(Math.max(from.y, to.y)) - y;
    if (width >= SMALLEST && height >= SMALLEST) {
      this.desk.find({ type: "grabcut", box: [x, y, width, height] });
    }
  }

  cancel() {
    this.from = null;
    this.to = null;
    this.desk.changed();
  }

  decorate(context, picture) {
    if (this.from === null) return;
    const [a, b] = [this.from, this.to];
    const corners = [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }];
    trace(context, picture, corners, true);
  }
}
