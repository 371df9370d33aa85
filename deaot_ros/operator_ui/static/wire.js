// A message and its bytes in one frame: length of the header (uint32, little endian), header
// (JSON), then the parts, whose lengths the header gives.

const text = new TextEncoder();
const words = new TextDecoder();

export function pack(header, parts) {
  const json = text.encode(JSON.stringify({ ...header, parts: parts.map((p) => p.byteLength) }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, json.byteLength, true);
  return new Blob([length, json, ...parts]);
}

/** Undo `pack` for a Uint8Array; gives the header with `parts` as Uint8Arrays. */
export function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let start = 4 + view.getUint32(0, true);
  const header = JSON.parse(words.decode(bytes.subarray(4, start)));
  const parts = header.parts.map((size) => {
    const part = bytes.subarray(start, start + size);
    start += size;
    return part;
  });
  return { ...header, parts };
}
