import assert from "node:assert/strict";

export async function rejectsWithCode(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error: { readonly code?: unknown }) => {
    assert.equal(error.code, code);
    return true;
  });
}

export async function rejectsWithReason(promise: Promise<unknown>, reason: unknown): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.equal(error, reason);
    return true;
  });
}

export function abortedSignal(): { readonly signal: AbortSignal; readonly reason: Error } {
  const reason = new Error("enough");
  return { signal: AbortSignal.abort(reason), reason };
}
