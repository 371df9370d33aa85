// Lasso: a line drawn around the object by hand.

import { area } from "../shapes.js";
import { trace } from "./trace.js";

export class Lasso {
  constructor(desk) {
    this.desk = desk;
    this.name = "Lasso";
    this.hint = "Draw around the object";
    this.points = [];
  }

  down(point) {
    this.points = this.desk.ready() ? [point] : [];
  }

  move(point) {
    if (!this.points.length) return;
    this.points.push(point);
    this.desk.changed();
  }

  up() {
    const { points, desk } = this;
    this.points = [];
    if (points.length > 2) {
      const { width, height } = desk.drawing;
      desk.drawing.step(desk.current, (row) => area(points, width, height, row));
    }
    desk.changed();
  }

  cancel() {
    this.points = [];
    this.desk.changed();
  }

  decorate(context, picture) {
    trace(context, picture, this.points, true);
  }
}
