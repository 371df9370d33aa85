// Mouse, pen and fingers: one draws, two zoom and move the picture, as does the wheel.

export class Pointers {
  /** `tool()` gives who gets down, move, up and cancel, with points of the picture. */
  constructor(picture, tool) {
    this.picture = picture;
    this.tool = tool;
    this.down = new Map();
    this.drawing = false;
    const canvas = picture.canvas;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event, false));
    canvas.addEventListener("pointercancel", (event) => this.release(event, true));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  press(event) {
    event.preventDefault();
    document.activeElement?.blur?.(); // keys belong to the drawing again
    this.picture.canvas.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, this.picture.onCanvas(event));
    if (this.down.size > 1 || event.button > 0) {
      if (this.drawing) this.tool().cancel?.();
      this.drawing = false;
      return;
    }
    this.drawing = true;
    this.tool().down?.(this.picture.locate(event));
  }

  move(event) {
    if (!this.down.has(event.pointerId)) {
      this.tool().hover?.(this.picture.locate(event));
      return;
    }
    if (this.drawing) {
      const steps = event.getCoalescedEvents?.() ?? [];
      for (const step of steps.length ? steps : [event]) {
        this.tool().move?.(this.picture.locate(step));
      }
      return;
    }
    const before = [...this.down.values()];
    this.down.set(event.pointerId, this.picture.onCanvas(event));
    const now = [...this.down.values()];
    const factor = now.length > 1 ? distance(now) / Math.max(1, distance(before)) : 1;
    this.picture.zoomBy(factor, middle(before), middle(now));
  }

  release(event, cancelled) {
    if (!this.down.delete(event.pointerId) || !this.drawing) return;
    this.drawing = false;
    const point = this.picture.locate(event);
    if (cancelled) this.tool().cancel?.();
    else this.tool().up?.(point);
  }

  wheel(event) {
    event.preventDefault();
    this.picture.zoomBy(Math.exp(-event.deltaY / 400), this.picture.onCanvas(event));
  }
}

function middle(points) {
  const sum = points.reduce((a, b) => ({ x: a.x + b.x, y: a.y + b.y }));
  return { x: sum.x / points.length, y: sum.y / points.length };
}

function distance([a, b]) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
