// The large canvas: a picture with layers above it, fitted to the window, zoomed and moved.

const MOST_ZOOM = 12;

export class Picture {
  /** `decorate(context, picture)` draws what belongs on top, in canvas pixels. */
  constructor(canvas, decorate) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.decorate = decorate;
    this.width = 0;
    this.height = 0;
    this.layers = [];
    this.reset();
    this.planned = false;
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Show layers (images or canvases) of a picture of `width` by `height` camera pixels. */
  show(layers, width, height) {
    if (width !== this.width || height !== this.height) this.reset();
    [this.width, this.height, this.layers] = [width, height, layers];
    this.redraw();
  }

  reset() {
    [this.zoom, this.panX, this.panY] = [1, 0, 0];
  }

  /** Canvas pixels per camera pixel. */
  get scale() {
    if (!this.width) return 1;
    const { width, height } = this.canvas;
    return this.zoom * Math.min(width / this.width, height / this.height);
  }

  /** Position of the picture's corner on the canvas. */
  get corner() {
    const { width, height } = this.canvas;
    return {
      x: (width - this.scale * this.width) / 2 + this.panX,
      y: (height - this.scale * this.height) / 2 + this.panY,
    };
  }

  /** Where on the picture a pointer is, in camera pixels. */
  locate(event) {
    const canvas = this.onCanvas(event);
    const corner = this.corner;
    return { x: (canvas.x - corner.x) / this.scale, y: (canvas.y - corner.y) / this.scale };
  }

  /** Where on the canvas a point of the picture is. */
  place(point) {
    const corner = this.corner;
    return { x: corner.x + this.scale * point.x, y: corner.y + this.scale * point.y };
  }

  onCanvas(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    return { x: (event.clientX - box.left) * ratio, y: (event.clientY - box.top) * ratio };
  }

  /** Zoom by `factor` such that `from` on the canvas comes to `to`. */
  zoomBy(factor, from, to = from) {
    const [old, corner] = [this.scale, this.corner];
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, this.zoom * factor));
    const grown = this.scale / old;
    const fitted = this.corner;
    this.panX += to.x - grown * (from.x - corner.x) - fitted.x;
    this.panY += to.y - grown * (from.y - corner.y) - fitted.y;
    if (this.zoom === 1) [this.panX, this.panY] = [0, 0];
    this.redraw();
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(box.width * ratio));
    this.canvas.height = Math.max(1, Math.round(box.height * ratio));
    this.paint(); // at once: a resized canvas is empty
  }

  redraw() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => {
      this.planned = false;
      this.paint();
    });
  }

  paint() {
    const context = this.context;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.width) return;
    const { x, y } = this.corner;
    const [width, height] = [this.scale * this.width, this.scale * this.height];
    context.imageSmoothingEnabled = this.scale < 3;
    for (const layer of this.layers) context.drawImage(layer, x, y, width, height);
    this.decorate(context, this);
  }
}
