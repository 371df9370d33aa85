// Polygon: a corner per tap; it closes at the first corner, or by Enter.

import { area } from "../shapes.js";
import { trace } from "./trace.js";

const NEAR = 14; // canvas pixels at which a tap means the first corner

export class Polygon {
  constructor(desk) {
    this.desk = desk;
    this.name = "Polygon";
    this.hint = "Tap the corners; close at the first one";
    this.points = [];
    this.at = null;
  }

  /** Whether a polygon is begun and not closed. */
  get busy() {
    return this.points.length > 0;
  }

  up(point) {
    if (!this.desk.ready()) return;
    const { place } = this.desk.picture;
    if (this.points.length > 2) {
      const [a, b] = [this.points[0], point].map((p) => place.call(this.desk.picture, p));
      if (Math.hypot(a.x - b.x, a.y - b.y) < NEAR * (window.devicePixelRatio || 1)) {
        this.finish();
        return;
      }
    }
    this.points.push(point);
    this.desk.changed();
  }

  /** Close it. */
  finish() {
    const { points, desk } = this;
    this.points = [];
    if (points.length > 2) {
      const { width, height } = desk.drawing;
      desk.drawing.step(desk.current, (row) => area(points, width, height, row));
    }
    desk.changed();
  }

  /** Take the last corner back; false: there is none. */
  back() {
    const had = this.points.pop() !== undefined;
    this.desk.changed();
    return had;
  }

  hover(point) {
    this.at = point;
    if (this.points.length) this.desk.changed();
  }

  move(point) {
    this.hover(point);
  }

  leave() {
    this.points = [];
  }

  decorate(context, picture) {
    const open = this.points.length && this.at ? [...this.points, this.at] : this.points;
    trace(context, picture, open, false);
    for (const point of this.points) {
      const { x, y } = picture.place(point);
      context.fillRect(x - 4, y - 4, 8, 8);
    }
  }
}
