// Brush and eraser: a disc that is dragged.

import { stroke } from "../shapes.js";

export class Brush {
  constructor(desk, erases) {
    this.desk = desk;
    this.name = erases ? "Eraser" : "Brush";
    this.erases = erases;
    this.hint = erases ? "Drag over what is too much" : "Drag over the object";
    this.last = null;
    this.at = null;
  }

  down(point) {
    if (!this.erases && !this.desk.ready()) return;
    this.desk.drawing.begin();
    this.last = point;
    this.move(point);
  }

  move(point) {
    this.at = point;
    if (this.last === null) return;
    const { drawing } = this.desk;
    drawing.extend(this.erases ? 0 : this.desk.current, (row) => {
      stroke(this.last, point, Math.max(0.71, this.desk.size / 2), drawing.width, drawing.height, row);
    });
    this.last = point;
    this.desk.changed();
  }

  up() {
    if (this.last !== null) this.desk.drawing.end();
    this.last = null;
    this.desk.changed();
  }

  cancel() {
    this.desk.drawing.cancel();
    this.last = null;
    this.desk.changed();
  }

  hover(point) {
    this.at = point;
    this.desk.changed();
  }

  decorate(context, picture) {
    if (this.at === null) return;
    const { x, y } = picture.place(this.at);
    context.beginPath();
    context.arc(x, y, (picture.scale * this.desk.size) / 2, 0, 2 * Math.PI);
    context.stroke();
  }
}
