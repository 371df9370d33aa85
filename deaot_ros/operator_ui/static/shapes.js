// Shapes as rows of pixels: call back with (y, first x, last x + 1), never outside the image.

/** A disc of `radius` moved from one point to another. */
export function stroke(from, to, radius, width, height, row) {
  const reach = radius * radius;
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = dx * dx + dy * dy;
  const inside = (x, y) => {
    const along = length ? ((x - from.x) * dx + (y - from.y) * dy) / length : 0;
    const t = Math.min(1, Math.max(0, along));
    const [ex, ey] = [x - from.x - t * dx, y - from.y - t * dy];
    return ex * ex + ey * ey <= reach;
  };
  const left = Math.max(0, Math.floor(Math.min(from.x, to.x) - radius));
  const right = Math.min(width, Math.ceil(Math.max(from.x, to.x) + radius) + 1);
  const top = Math.max(0, Math.floor(Math.min(from.y, to.y) - radius));
  const bottom = Math.min(height, Math.ceil(Math.max(from.y, to.y) + radius) + 1);
  for (let y = top; y < bottom; y += 1) {
    let first = left;
    while (first < right && !inside(first + 0.5, y + 0.5)) first += 1;
    let last = right;
    while (last > first && !inside(last - 0.5, y + 0.5)) last -= 1;
    if (last > first) row(y, first, last);
  }
}

/** The inside of a closed line of points, by the even-odd rule at pixel centres. */
export function area(points, width, height, row) {
  const ys = points.map((p) => p.y);
  const top = Math.max(0, Math.floor(Math.min(...ys)));
  const bottom = Math.min(height, Math.ceil(Math.max(...ys)));
  for (let y = top; y < bottom; y += 1) {
    const level = y + 0.5;
    const crossings = [];
    points.forEach((a, i) => {
      const b = points[(i + 1) % points.length];
      if (a.y <= level === b.y <= level) return;
      crossings.push(a.x + ((level - a.y) / (b.y - a.y)) * (b.x - a.x));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const first = Math.max(0, Math.ceil(crossings[i] - 0.5));
      const last = Math.min(width, Math.ceil(crossings[i + 1] - 0.5));
      if (last > first) row(y, first, last);
    }
  }
}

/** Pixels where a label map of the image's size is not 0. */
export function marked(labels, width, height, row) {
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (!labels[y * width + x]) continue;
      let last = x;
      while (last < width && labels[y * width + last]) last += 1;
      row(y, x, last);
      x = last;
    }
  }
}
