const encoder = new TextEncoder();

/** Text as bytes, made once and put in many answers. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text);

/** JSON in bytes, as it goes to the socket: no text is made of it first. */
export class JsonBytes {
  /** What is written stands before `length`; `reserve` may put another array in its place. */
  bytes: Uint8Array;
  length = 0;

  /** @param sizeBytes How much is expected. */
  constructor(sizeBytes: number) {
    this.bytes = Buffer.allocUnsafe(sizeBytes);
  }

  /** Makes room for so many bytes more. */
  reserve(sizeBytes: number): void {
    const needed = this.length + sizeBytes;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  put(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  text(text: string): void {
    this.reserve(text.length * 3);
    this.length += encoder.encodeInto(text, this.bytes.subarray(this.length)).written;
  }

  /** All that was written; nothing is to be written afterwards. */
  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
