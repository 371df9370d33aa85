// Fill: the server finds everything of one colour around a tap.

export class Fill {
  constructor(desk) {
    this.desk = desk;
    this.name = "Fill";
    this.hint = "Tap a colour; tolerance says how different it may be";
  }

  up(point) {
    if (!this.desk.ready()) return;
    const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
    const { width, height } = this.desk.drawing;
    if (x < 0 || y < 0 || x >= width || y >= height) return;
    this.desk.find({ type: "flood", x, y, tolerance: this.desk.tolerance });
  }
}
