import type { RandomBytes } from "../random-bytes.ts";
import { type ByteCursor, createByteCursor } from "./byte-cursor.ts";

/** One field of a message in a file: a number where it is a varint, else where its bytes lie. */
export interface FieldSpan {
  readonly number: number;
  readonly wireType: number;
  /** Of a varint. */
  readonly value?: number | undefined;
  /** Of bytes. */
  readonly start: number;
  readonly end: number;
}

/** A message within bytes that are not all read into memory. */
export interface MessageSpan {
  readonly bytes: RandomBytes;
  readonly start: number;
  readonly end: number;
}

/** Fields in their order; `undefined` for what is no message, or has more than `most` fields. */
export async function fieldsOf(
  { bytes, start, end }: MessageSpan,
  most = 1_000_000,
): Promise<readonly FieldSpan[] | undefined> {
  const cursor = createByteCursor(bytes, start, end);
  const fields: FieldSpan[] = [];
  while (cursor.position < end) {
    if (fields.length === most) return undefined;
    const tag = await varint(cursor);
    const number = tag === undefined ? 0 : Math.floor(tag / 8);
    const wireType = (tag ?? 0) % 8;
    if (number === 0 || number >= 2 ** 29) return undefined;
    const value = wireType === 0 || wireType === 2 ? await varint(cursor) : undefined;
    const length = { 0: 0, 1: 8, 2: value, 5: 4 }[wireType];
    if (length === undefined || (wireType === 0 && value === undefined)) return undefined;
    const from = cursor.position;
    if (!cursor.skip(length)) return undefined;
    fields.push({ number, wireType, value: wireType === 0 ? value : undefined, start: from, end: from + length });
  }
  return fields;
}

/** Sub-messages, or bytes, of the fields of that number. */
export async function messagesIn(message: MessageSpan, number: number): Promise<readonly MessageSpan[]> {
  const fields = (await fieldsOf(message)) ?? [];
  return fields
    .filter((field) => field.number === number && field.wireType === 2)
    .map(({ start, end }) => ({ bytes: message.bytes, start, end }));
}

/** The text of the last field of that number; empty where there is none. */
export async function textIn(message: MessageSpan, number: number): Promise<string> {
  const span = (await messagesIn(message, number)).at(-1);
  return span === undefined ? "" : textOf(span);
}

export async function textOf({ bytes, start, end }: MessageSpan): Promise<string> {
  return new TextDecoder().decode(await bytes.at(start, Math.min(end - start, 4096)));
}

async function varint(cursor: ByteCursor): Promise<number | undefined> {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = await cursor.byte();
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
  return undefined;
}
