// The line of points that a tool has so far.

export function trace(context, picture, points, closed) {
  if (!points.length) return;
  context.beginPath();
  for (const point of points) {
    const { x, y } = picture.place(point);
    context.lineTo(x, y);
  }
  if (closed) context.closePath();
  context.stroke();
}
