/** What bytes are read from, one after the other: a `FileHandle` of Node is one. */
export interface ByteReader {
  /** Writes at most `length` bytes to `buffer` from `offset` on; 0 at the end. */
  read(buffer: Uint8Array, offset: number, length: number): Promise<{ readonly bytesRead: number }>;
}

export type ByteSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ByteReader;

/** Bytes in portions of the size that is asked for. */
export interface Puller {
  /** @returns so many bytes, in `target` where one is given, which has at least as many; fewer at the end. */
  read(sizeBytes: number, target?: Uint8Array): Promise<Uint8Array>;
  /** What is left, in pieces. */
  rest(): AsyncIterable<Uint8Array>;
  /** Lets go of an iterable. */
  end(): Promise<void>;
}

/** A length that stands in damaged bytes should not take memory before as much is there. */
const firstBytes = 1 << 20;

/** Throws a TypeError for what bytes cannot be read from. */
export function createPuller(source: ByteSource): Puller {
  if (typeof source === "object" && source !== null) {
    if (Symbol.asyncIterator in source) return pullFrom(source[Symbol.asyncIterator]());
    if (Symbol.iterator in source && !ArrayBuffer.isView(source)) return pullFrom(source[Symbol.iterator]());
    if ("read" in source && typeof source.read === "function") return readFrom(source);
  }
  throw new TypeError(
    "Arrow IPC is read from an iterable of Uint8Array, or from an object with the method read, as a FileHandle of Node.",
  );
}

/** Reads into `target`, or into memory that grows with what was read. */
async function filled(
  sizeBytes: number,
  target: Uint8Array | undefined,
  read: (bytes: Uint8Array, from: number, to: number) => Promise<number> | number,
): Promise<Uint8Array> {
  let bytes = target ?? new Uint8Array(Math.min(sizeBytes, firstBytes));
  let at = 0;
  while (at < sizeBytes) {
    if (at === bytes.length) {
      const grown = new Uint8Array(Math.min(sizeBytes, bytes.length * 2));
      grown.set(bytes);
      bytes = grown;
    }
    const count = await read(bytes, at, Math.min(sizeBytes, bytes.length));
    if (count === 0) break;
    at += count;
  }
  return bytes.subarray(0, at);
}

function readFrom(source: ByteReader): Puller {
  const read = async (sizeBytes: number, target?: Uint8Array): Promise<Uint8Array> =>
    filled(sizeBytes, target, async (bytes, from, to) => (await source.read(bytes, from, to - from)).bytesRead);
  return {
    read,
    async *rest() {
      for (let bytes = await read(firstBytes); bytes.length > 0; bytes = await read(firstBytes)) yield bytes;
    },
    async end() {},
  };
}

function pullFrom(pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>): Puller {
  let piece = new Uint8Array(0);
  let done = false;
  const next = async (): Promise<boolean> => {
    while (!done && piece.length === 0) {
      const result = await pieces.next();
      done = result.done === true;
      if (done) break;
      if (!(result.value instanceof Uint8Array))
        throw new TypeError(`The pieces of Arrow IPC are Uint8Array, not ${typeof result.value}.`);
      piece = result.value as Uint8Array<ArrayBuffer>;
    }
    return piece.length > 0;
  };
  const take = (sizeBytes: number): Uint8Array => {
    const taken = piece.subarray(0, sizeBytes);
    piece = piece.subarray(sizeBytes);
    return taken;
  };
  return {
    read: async (sizeBytes, target) =>
      filled(sizeBytes, target, async (bytes, from, to) => {
        if (!(await next())) return 0;
        const taken = take(to - from);
        bytes.set(taken, from);
        return taken.length;
      }),
    async *rest() {
      while (await next()) yield take(piece.length);
    },
    async end() {
      if (!done) await pieces.return?.();
      done = true;
    },
  };
}
