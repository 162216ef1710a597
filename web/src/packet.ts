// Arrays on the wire: four bytes of length, a JSON header, then bytes (copilot/api/packet.py).

const LENGTH = 4;
const ALIGNED = 8;

export interface Packet<Header> {
  header: Header;
  content: ArrayBuffer;
}

export function unpacked<Header>(body: ArrayBuffer): Packet<Header> {
  const length = new DataView(body).getUint32(0, true);
  const text = new TextDecoder().decode(new Uint8Array(body, LENGTH, length));
  return { header: JSON.parse(text) as Header, content: body.slice(LENGTH + length) };
}

export function packet(header: object, content: Uint8Array): Uint8Array<ArrayBuffer> {
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padding = (ALIGNED - ((LENGTH + text.length) % ALIGNED)) % ALIGNED;
  text = new TextEncoder().encode(JSON.stringify(header) + ' '.repeat(padding));
  const body = new Uint8Array(LENGTH + text.length + content.length);
  new DataView(body.buffer).setUint32(0, text.length, true);
  body.set(text, LENGTH);
  body.set(content, LENGTH + text.length);
  return body;
}

export async function inflated(content: ArrayBuffer): Promise<Uint8Array> {
  return through(content, new DecompressionStream('deflate'));
}

export async function deflated(content: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return through(content, new CompressionStream('deflate'));
}

async function through(
  content: BufferSource,
  stream: CompressionStream | DecompressionStream,
): Promise<Uint8Array> {
  const writer = stream.writable.getWriter();
  void writer.write(content).then(() => writer.close());
  return new Uint8Array(await new Response(stream.readable).arrayBuffer());
}
