import { artifactMissing, type Clock, createDigestBuilder, type Digest, systemClock } from "@millwright/contracts";
import type { CollectableArtifactStore } from "../artifacts/collectable-store.ts";

export interface MemoryArtifactStoreOptions {
  /** Tells when artifacts are put. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** Keeps bytes in this process: for tests, examples and what need not outlive it. */
export function openMemoryArtifactStore({
  clock = systemClock,
}: MemoryArtifactStoreOptions = {}): CollectableArtifactStore {
  const artifacts = new Map<Digest, { readonly bytes: Uint8Array; readonly putMs: number }>();
  return {
    async put(bytes, { signal } = {}) {
      signal?.throwIfAborted();
      const whole = await wholeOf(bytes, signal);
      const hash = createDigestBuilder();
      hash.update(whole);
      const digest = hash.digest();
      artifacts.set(digest, { bytes: artifacts.get(digest)?.bytes ?? whole, putMs: clock.nowMs() });
      return { digest, sizeBytes: whole.length };
    },
    async *open(digest, { signal } = {}) {
      signal?.throwIfAborted();
      const found = artifacts.get(digest);
      if (found === undefined) throw artifactMissing(digest);
      if (found.bytes.length > 0) yield found.bytes.slice();
    },
    async has(digest, { signal } = {}) {
      signal?.throwIfAborted();
      return artifacts.has(digest);
    },
    async delete(digest, { signal } = {}) {
      signal?.throwIfAborted();
      artifacts.delete(digest);
    },
    async *list({ signal } = {}) {
      signal?.throwIfAborted();
      for (const [digest, { bytes }] of artifacts) yield { digest, sizeBytes: bytes.length };
    },
    async *ages({ signal } = {}) {
      signal?.throwIfAborted();
      for (const [digest, { bytes, putMs }] of artifacts) yield { digest, sizeBytes: bytes.length, putMs };
    },
    async touch(digest, { signal } = {}) {
      signal?.throwIfAborted();
      const found = artifacts.get(digest);
      if (found !== undefined) artifacts.set(digest, { bytes: found.bytes, putMs: clock.nowMs() });
      return found !== undefined;
    },
    async deleteOlder(digest, beforeMs, { signal } = {}) {
      signal?.throwIfAborted();
      const found = artifacts.get(digest);
      return found !== undefined && found.putMs < beforeMs && artifacts.delete(digest);
    },
    async sweep({ signal }) {
      signal?.throwIfAborted();
      return { objects: 0, bytes: 0 };
    },
  };
}

async function wholeOf(
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (bytes instanceof Uint8Array) return new Uint8Array(bytes);
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) {
    signal?.throwIfAborted();
    chunks.push(new Uint8Array(chunk));
  }
  signal?.throwIfAborted();
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
