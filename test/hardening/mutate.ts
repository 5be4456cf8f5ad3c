/** Bytes and lengths that parsers are often wrong about. */
const EDGES = [0x00, 0x01, 0x7f, 0x80, 0xff] as const;

type Mutation = (bytes: Buffer, at: number, next: () => number) => Buffer;
const below = (limit: number, next: () => number): number => Math.floor(next() * limit);
const byte = (next: () => number): number => below(256, next);

/** What may happen to the bytes of a packet. */
const MUTATIONS: Mutation[] = [
  function flipBit(bytes, at, next) {
    bytes[at] = (bytes[at] as number) ^ (1 << below(8, next));
    return bytes;
  },
  function setByte(bytes, at, next) {
    bytes[at] = byte(next);
    return bytes;
  },
  function setEdge(bytes, at, next) {
    bytes[at] = EDGES[below(EDGES.length, next)] as number;
    return bytes;
  },
  function addOne(bytes, at, next) {
    bytes[at] = (bytes[at] as number) + (next() < 0.5 ? 1 : -1);
    return bytes;
  },
  function insert(bytes, at, next) {
    const inserted = Buffer.from(Array.from({ length: 1 + below(4, next) }, () => byte(next)));
    return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
  },
  function remove(bytes, at, next) {
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(4, next))]);
  },
  function repeat(bytes, at, next) {
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + 1 + below(16, next)), bytes.subarray(at)]);
  },
  function cut(bytes, at) {
    return bytes.subarray(0, at);
  },
];

/** The bytes of a packet after one to three mutations, a quarter of them in its fixed header. */
export function mutated(packet: Buffer, next: () => number): Buffer {
  let bytes: Buffer = Buffer.from(packet);
  const times = 1 + below(3, next);
  for (let i = 0; i < times && bytes.length > 0; i++) {
    const at = below(next() < 0.25 ? Math.min(2, bytes.length) : bytes.length, next);
    bytes = (MUTATIONS[below(MUTATIONS.length, next)] as Mutation)(bytes, at, next);
  }
  return bytes;
}
