import type { RandomBytes } from "../random-bytes.ts";

export interface ReadText {
  /** The first characters. */
  readonly start: string;
  /** All of it, where it is not too long to be held. */
  readonly whole: string | undefined;
  /** Whether a layer of the class Lambda is named in it. */
  readonly lambda: boolean;
}

const mostHeld = 16 << 20;
const mostStart = 1 << 18;

/** The text, if every byte of it is UTF-8 without control characters. */
export async function readText(bytes: RandomBytes, signal: AbortSignal | undefined): Promise<ReadText | undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const held: string[] = [];
  let start = "";
  let before = "";
  let lambda = false;
  try {
    for await (const piece of bytes.stream(0, bytes.sizeBytes)) {
      signal?.throwIfAborted();
      const text = decoder.decode(piece, { stream: true });
      // oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
      if (/[\u0000-\u0008\u000b\u000e-\u001f\u007f]/.test(text)) return undefined;
      if (start.length < mostStart) start += text;
      if (bytes.sizeBytes <= mostHeld) held.push(text);
      else lambda ||= /"class_name"\s*:\s*"(?:Lambda|__lambda__)"/.test(before + text);
      before = text.slice(-64);
    }
    decoder.decode();
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
  return { start, whole: bytes.sizeBytes <= mostHeld ? held.join("") : undefined, lambda };
}
