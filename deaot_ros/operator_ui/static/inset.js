// The camera now, small in a corner while a frozen picture is drawn on; gives way to the pointer.

const NEAR = 24; // px

export class Inset {
  constructor(canvas, stage) {
    this.canvas = canvas;
    for (const kind of ["pointerdown", "pointermove"]) {
      stage.addEventListener(kind, (event) => this.dodge(event.clientX, event.clientY), true);
    }
  }

  show({ bitmap, overlay, shown }) {
    [this.canvas.width, this.canvas.height] = shown;
    const context = this.canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    context.drawImage(overlay, 0, 0);
  }

  dodge(x, y) {
    const { left, right, top, bottom } = this.canvas.getBoundingClientRect();
    if (left === right) return; // not shown
    const near = x > left - NEAR && x < right + NEAR && y > top - NEAR && y < bottom + NEAR;
    if (near) this.canvas.classList.toggle("left");
  }
}
