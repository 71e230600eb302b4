import assert from "node:assert/strict";
import { hasCode } from "../error.ts";

/** Fails unless the promise, or the first step of the iterable, rejects with the code. */
export async function rejectsWithCode(work: Promise<unknown> | AsyncIterable<unknown>, code: string): Promise<void> {
  const promise = work instanceof Promise ? work : collect(work);
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(hasCode(error, code), `expected the code ${code}, got ${String(error)}`);
    return true;
  });
}

/** Fails unless the promise, or the iterable, rejects with this very reason. */
export async function rejectsWithReason(work: Promise<unknown> | AsyncIterable<unknown>, reason: Error): Promise<void> {
  const promise = work instanceof Promise ? work : collect(work);
  await assert.rejects(promise, (error: unknown) => {
    assert.equal(error, reason, `expected the signal's reason, got ${String(error)}`);
    return true;
  });
}

/** A signal that has aborted, with its reason. */
export function abortedSignal(): { readonly signal: AbortSignal; readonly reason: Error } {
  const reason = new Error("stopped by the test");
  return { signal: AbortSignal.abort(reason), reason };
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** The first `count` items; leaves the loop then. */
export async function take<Item>(items: AsyncIterable<Item>, count: number): Promise<Item[]> {
  const taken: Item[] = [];
  if (count === 0) return taken;
  for await (const item of items) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}

export async function* streamOf<Item>(...items: readonly Item[]): AsyncGenerator<Item, void, undefined> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
