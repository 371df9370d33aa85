// Label maps as runs of equal ids: N run lengths (uint32), then N ids (uint16), little endian.

/** Uint16Array of ids to bytes. */
export function encodeRuns(labels) {
  const lengths = [];
  const ids = [];
  for (let start = 0; start < labels.length; ) {
    const id = labels[start];
    let end = start + 1;
    while (end < labels.length && labels[end] === id) end += 1;
    lengths.push(end - start);
    ids.push(id);
    start = end;
  }
  const bytes = new Uint8Array(6 * ids.length);
  const view = new DataView(bytes.buffer);
  lengths.forEach((length, i) => view.setUint32(4 * i, length, true));
  ids.forEach((id, i) => view.setUint16(4 * lengths.length + 2 * i, id, true));
  return bytes;
}

/** Bytes to a Uint16Array of `size` ids. */
export function decodeRuns(bytes, size) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.byteLength / 6;
  const labels = new Uint16Array(size);
  for (let i = 0, start = 0; i < count; i += 1) {
    const end = start + view.getUint32(4 * i, true);
    const id = view.getUint16(4 * count + 2 * i, true);
    if (id) labels.fill(id, start, end);
    start = end;
  }
  return labels;
}
