import type { TransformTarget } from "./target.ts";

/** What the default export of a thread's module is. */
export type MakeThreadTarget = (data: unknown) => TransformTarget | Promise<TransformTarget>;

/** What a thread is started with. */
export interface ThreadStart {
  readonly module: string;
  readonly data: unknown;
}

export interface ThreadInvocation {
  readonly id: number;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  readonly accept: string | undefined;
  readonly requestId: string;
}

export type ThreadMessage =
  | { readonly kind: "ready"; readonly name: string; readonly model: TransformTarget["model"] }
  /** The module could not be loaded, or made no target. */
  | { readonly kind: "refused"; readonly error: unknown }
  | {
      readonly kind: "answer";
      readonly id: number;
      readonly status: number;
      readonly body: Uint8Array<ArrayBuffer>;
      readonly retryAfterMs: number | undefined;
    }
  | { readonly kind: "failure"; readonly id: number; readonly error: unknown };

/** Bytes that may be handed over: those of a buffer of their own as they are, others copied. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
  return whole ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
