import type { ErrorCategory, ModelManifest, PredictOptions } from "@millwright/contracts";
import type { TensorEntry } from "./tensor-body.ts";

/** The version of the protocol between a server and the workers of its models: see docs/serving-isolation.md. */
export const workerProtocol = 1;

/** What the server sends to a worker. */
export type HostFrame =
  | { readonly type: "hello"; readonly protocol: number }
  | {
      readonly type: "load";
      readonly id: number;
      readonly model: string;
      readonly directory: string;
      readonly manifest: ModelManifest;
    }
  | {
      readonly type: "predict";
      readonly id: number;
      readonly model: string;
      readonly tensors: readonly TensorEntry[];
      readonly context?: PredictContext | undefined;
    }
  | { readonly type: "dispose"; readonly id: number; readonly model: string }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "cancel"; readonly id: number }
  | { readonly type: "exit" };

/** What a predict carries of the requests behind it: whose rows they are, for logs and spans. */
export type PredictContext = Pick<PredictOptions, "requests">;

/** An error as it crosses: with `code`, `category` and `remedy` where it is one of Millwright's. */
export interface WireError {
  readonly name?: string | undefined;
  readonly message: string;
  readonly code?: string | undefined;
  readonly category?: ErrorCategory | undefined;
  readonly remedy?: string | undefined;
  readonly retryable?: boolean | undefined;
}

/** Bytes of a worker, as it measures itself. */
export interface WorkerMemory {
  /** Of its process. */
  readonly rssBytes?: number | undefined;
  /** The most its process has had. */
  readonly peakBytes?: number | undefined;
  /** Of its own heap, with what lies outside of it: of a thread all that can be told apart. */
  readonly heapBytes?: number | undefined;
}

export interface LoadedAnswer {
  readonly memoryBytes: number;
  readonly lanes?: number | undefined;
  readonly missingText?: string | undefined;
  readonly before?: WorkerMemory | undefined;
  readonly after?: WorkerMemory | undefined;
}

/** What a worker sends to the server. */
export type WorkerFrame =
  | {
      readonly type: "hello";
      readonly protocol: number;
      readonly formats: readonly string[];
      readonly missing?: readonly string[] | undefined;
    }
  | {
      readonly type: "answer";
      readonly id: number;
      readonly tensors?: readonly TensorEntry[] | undefined;
      readonly loaded?: LoadedAnswer | undefined;
      readonly memory?: WorkerMemory | undefined;
    }
  | { readonly type: "error"; readonly id: number; readonly error: WireError }
  | { readonly type: "failed"; readonly error: WireError };

/** Any frame with the bytes beside it. */
export interface Framed<Frame> {
  readonly header: Frame;
  readonly body: Uint8Array | undefined;
}

/** `MWF1`, header length and body length as uint32 little-endian, the header as JSON in UTF-8, the body. */
const magic = 0x3146574d;
const prefixBytes = 12;
const longestHeader = 64 * 1024 * 1024;

/** The prefix and the header of a frame; the body follows as it is. */
export function encodePrefix(header: HostFrame | WorkerFrame, bodyBytes: number): Buffer {
  const json = JSON.stringify(header);
  const length = Buffer.byteLength(json);
  const bytes = Buffer.allocUnsafe(prefixBytes + length);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(length, 4);
  bytes.writeUInt32LE(bodyBytes, 8);
  bytes.write(json, prefixBytes);
  return bytes;
}

export interface FrameReader {
  /** Takes the next bytes. Throws `TypeError` where they are no frames. */
  push(chunk: Uint8Array): void;
}

/** Reads frames off a stream of bytes; every body gets a buffer of its own. */
export function createFrameReader(onFrame: (header: unknown, body: Uint8Array | undefined) => void): FrameReader {
  let wanted = new Uint8Array(prefixBytes);
  let filled = 0;
  let part: "prefix" | "header" | "body" = "prefix";
  let bodyBytes = 0;
  let header: unknown;
  const want = (next: typeof part, size: number): void => {
    part = next;
    filled = 0;
    wanted = new Uint8Array(size);
  };
  const whole = (): void => {
    if (part === "prefix") {
      const lengths = readPrefix(wanted);
      bodyBytes = lengths.bodyBytes;
      want("header", lengths.headerBytes);
    } else if (part === "header") {
      header = readHeader(wanted);
      if (bodyBytes > 0) return want("body", bodyBytes);
      want("prefix", prefixBytes);
      onFrame(header, undefined);
    } else {
      const body = wanted;
      want("prefix", prefixBytes);
      onFrame(header, body);
    }
  };
  return {
    push(chunk) {
      for (let at = 0; at < chunk.length;) {
        const taken = Math.min(wanted.length - filled, chunk.length - at);
        wanted.set(chunk.subarray(at, at + taken), filled);
        filled += taken;
        at += taken;
        if (filled === wanted.length) whole();
      }
    },
  };
}

function readPrefix(bytes: Uint8Array): { readonly headerBytes: number; readonly bodyBytes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== magic) {
    const seen = JSON.stringify(Buffer.from(bytes).toString("latin1"));
    throw new TypeError(`it wrote ${seen} where a frame should begin; what it prints must go to its standard error`);
  }
  const headerBytes = view.getUint32(4, true);
  if (headerBytes < 2 || headerBytes > longestHeader)
    throw new TypeError(`it wrote a frame with a header of ${headerBytes} bytes`);
  return { headerBytes, bodyBytes: view.getUint32(8, true) };
}

function readHeader(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8"));
  } catch {
    throw new TypeError("it wrote a frame whose header is no JSON");
  }
}

/** A worker's frame, as far as its kind and number go. Throws `TypeError`. */
export function parseWorkerFrame(value: unknown): WorkerFrame {
  if (typeof value === "object" && value !== null && "type" in value) {
    const frame = value as WorkerFrame;
    if (frame.type === "hello" && Number.isInteger(frame.protocol) && Array.isArray(frame.formats)) return frame;
    if (frame.type === "answer" && Number.isInteger(frame.id)) return frame;
    if (frame.type === "error" && Number.isInteger(frame.id) && isWireError(frame.error)) return frame;
    if (frame.type === "failed" && isWireError(frame.error)) return frame;
  }
  throw new TypeError(`it sent ${JSON.stringify(value)?.slice(0, 200)}, which is no frame of a worker`);
}

const isWireError = (value: unknown): value is WireError =>
  typeof value === "object" && value !== null && "message" in value && typeof value.message === "string";
