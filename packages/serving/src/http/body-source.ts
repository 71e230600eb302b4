import type { Readable } from "node:stream";
import { watchBody } from "./body-watch.ts";
import { bodyInvalid, bodyTimedOut, bodyTooLarge } from "../errors.ts";

/** How much of a body is taken, and how long it may take to come. */
export interface BodyLimits {
  readonly maxBodyBytes: number;
  readonly bodyTimeoutMs: number;
}

/** The body of a request that nobody has read yet. */
export interface BodySource {
  /** All of it. Throws `SERVING_BODY_TOO_LARGE` as soon as it is, `SERVING_BODY_TIMED_OUT`, and `SERVING_BODY_INVALID` where it ends early. */
  read(limits: BodyLimits): Promise<Uint8Array>;
  /** Piece by piece; `bodyTimeoutMs` is between two. */
  chunks(limits: BodyLimits): AsyncIterable<Uint8Array>;
  /** Whether it was read to its end, or there is nothing. */
  readonly done: boolean;
}

const nothing = new Uint8Array(0);

/** A body that is there. */
export function bytesBody(bytes: Uint8Array = nothing): BodySource {
  return {
    done: true,
    read: ({ maxBodyBytes }) =>
      bytes.length > maxBodyBytes ? Promise.reject(bodyTooLarge(maxBodyBytes)) : Promise.resolve(bytes),
    async *chunks() {
      if (bytes.length > 0) yield bytes;
    },
  };
}

/** The body of a web `Request`. */
export function webBody(body: AsyncIterable<Uint8Array> | null): BodySource {
  if (body === null) return bytesBody();
  let done = false;
  return {
    get done() {
      return done;
    },
    async read({ maxBodyBytes }) {
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of body) {
        size += chunk.length;
        if (size > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
        parts.push(chunk);
      }
      done = true;
      return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
    },
    async *chunks() {
      yield* body;
      done = true;
    },
  };
}

/** The body that a stream of Node brings; `declared` is its Content-Length. */
export const nodeBody = (stream: Readable, declared: string | undefined): BodySource => new NodeBody(stream, declared);

/** A class, because every request makes one: an object literal with a getter gets a hidden class of its own, which outlives it and keeps its request until the next full collection. */
class NodeBody implements BodySource {
  readonly #stream: Readable;
  readonly #declared: string | undefined;

  constructor(stream: Readable, declared: string | undefined) {
    this.#stream = stream;
    this.#declared = declared;
  }

  get done(): boolean {
    return this.#stream.readableEnded;
  }

  read(limits: BodyLimits): Promise<Uint8Array> {
    if (this.#declared !== undefined && Number(this.#declared) > limits.maxBodyBytes)
      return Promise.reject(bodyTooLarge(limits.maxBodyBytes));
    return readWhole(this.#stream, limits);
  }

  chunks({ bodyTimeoutMs }: BodyLimits): AsyncIterable<Uint8Array> {
    return readSlowly(this.#stream, bodyTimeoutMs);
  }
}

const endedEarly = (cause?: unknown): Error =>
  bodyInvalid("the connection ended before it was complete", "Send all of it.", cause);

function readWhole(stream: Readable, { maxBodyBytes, bodyTimeoutMs }: BodyLimits): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    let size = 0;
    let settled = false;
    const fail = (error: unknown): void => {
      if (settled) return;
      settled = true;
      watch.forget();
      stream.pause();
      // Whatever comes late must not become an error that nobody hears.
      stream.on("error", () => undefined);
      reject(error as Error);
    };
    const watch = watchBody(bodyTimeoutMs, () => fail(bodyTimedOut(bodyTimeoutMs)));
    if (stream.destroyed && !stream.readableEnded) return fail(endedEarly());
    stream.on("data", (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > maxBodyBytes) fail(bodyTooLarge(maxBodyBytes));
      else if (!settled) parts.push(chunk);
    });
    stream.on("end", () => {
      if (settled) return;
      settled = true;
      watch.forget();
      resolve(parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts));
    });
    // A stream that has ended closes too: then it is settled.
    stream.on("error", (error) => settled || fail(endedEarly(error)));
    stream.on("close", () => settled || fail(endedEarly()));
  });
}

async function* readSlowly(stream: Readable, bodyTimeoutMs: number): AsyncGenerator<Uint8Array, void> {
  const chunks = stream.iterator({ destroyOnReturn: false });
  for (;;) {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(bodyTimedOut(bodyTimeoutMs)), bodyTimeoutMs);
    });
    try {
      const next = (await Promise.race([chunks.next(), late])) as IteratorResult<Uint8Array, undefined>;
      if (next.done === true) return;
      yield next.value;
    } finally {
      clearTimeout(timer);
    }
  }
}
