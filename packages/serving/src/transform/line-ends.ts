import type { FindEnds } from "./record-blocks.ts";

const newline = 0x0a;
const quote = 0x22;
const comma = 0x2c;
const carriageReturn = 0x0d;

/** Each record ends with its line feed. */
export const lineEnds: FindEnds = (bytes, last) => {
  const ends: number[] = [];
  let at = 0;
  for (let end = bytes.indexOf(newline, at); end >= 0; end = bytes.indexOf(newline, at)) {
    at = end + 1;
    ends.push(at);
  }
  if (last && at < bytes.length) ends.push(bytes.length);
  return { ends };
};

/**
 * Each record ends with the first line feed outside quotes. As RFC 4180 and Python's `csv` read it: a quote that begins a cell opens it, two within are
 * one, and a quote elsewhere is a character like others.
 */
export const csvEnds: FindEnds = (bytes, last) => {
  const ends: number[] = [];
  let start = 0;
  let nextQuote = bytes.indexOf(quote);
  while (start < bytes.length) {
    let end = bytes.indexOf(newline, start);
    if (nextQuote >= 0 && nextQuote < start) nextQuote = bytes.indexOf(quote, start);
    if (nextQuote >= 0 && (end < 0 || nextQuote < end)) {
      const found = quotedRecordEnd(bytes, start, nextQuote);
      if (found === "unclosed") return last ? { ends, problem: "it has a quote that never ends" } : { ends };
      end = found;
    }
    if (end < 0) break;
    start = end + 1;
    ends.push(start);
  }
  if (last && start < bytes.length) ends.push(bytes.length);
  return { ends };
};

/** The line feed that ends a record with quotes; -1 where there is none yet; `unclosed` where a quoted cell is still open. */
function quotedRecordEnd(bytes: Buffer, start: number, firstQuote: number): number | "unclosed" {
  let at = firstQuote;
  // What precedes the first quote has no quotes: only whether that begins a cell matters. A byte order mark begins the file, not a cell.
  let cellStart =
    at === start || bytes[at - 1] === comma || (at - start === 3 && bytes.readUIntBE(start, 3) === 0xefbbbf);
  for (;;) {
    if (cellStart && bytes[at] === quote) {
      const close = closingQuote(bytes, at + 1);
      if (close < 0) return "unclosed";
      at = close + 1;
    }
    while (at < bytes.length && bytes[at] !== comma && bytes[at] !== newline) at += 1;
    if (at >= bytes.length) return -1;
    if (bytes[at] === newline) return at;
    at += 1;
    cellStart = true;
  }
}

/** A quote at the very end may be the first of two: not closed yet. */
function closingQuote(bytes: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const found = bytes.indexOf(quote, at);
    if (found < 0) return -1;
    if (bytes[found + 1] !== quote) return found;
    at = found + 2;
  }
}

/** The record without its line end. */
export function withoutLineEnd(record: Buffer): Buffer {
  let end = record.length;
  if (record[end - 1] === newline) end -= 1;
  if (record[end - 1] === carriageReturn) end -= 1;
  return record.subarray(0, end);
}

/** Whether a line holds nothing but white space: no record, but room between records. */
export function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number;
    if (byte !== newline && byte !== carriageReturn && byte !== 0x20 && byte !== 0x09) return false;
  }
  return true;
}
