import { type ArtifactStore, artifactMissing, createDigestBuilder, type Digest } from "@millwright/contracts";

/** Keeps bytes in this process: for tests, examples and what need not outlive it. */
export function openMemoryArtifactStore(): ArtifactStore {
  const artifacts = new Map<Digest, Uint8Array>();
  return {
    async put(bytes, { signal } = {}) {
      signal?.throwIfAborted();
      const chunks: Uint8Array[] = [];
      const hash = createDigestBuilder();
      let sizeBytes = 0;
      const take = (chunk: Uint8Array): void => {
        const own = new Uint8Array(chunk);
        chunks.push(own);
        hash.update(own);
        sizeBytes += own.length;
      };
      if (bytes instanceof Uint8Array) take(bytes);
      else {
        for await (const chunk of bytes) {
          signal?.throwIfAborted();
          take(chunk);
        }
      }
      signal?.throwIfAborted();
      const digest = hash.digest();
      const whole = new Uint8Array(sizeBytes);
      let offset = 0;
      for (const chunk of chunks) {
        whole.set(chunk, offset);
        offset += chunk.length;
      }
      if (!artifacts.has(digest)) artifacts.set(digest, whole);
      return { digest, sizeBytes };
    },
    async *open(digest, { signal } = {}) {
      signal?.throwIfAborted();
      const bytes = artifacts.get(digest);
      if (bytes === undefined) throw artifactMissing(digest);
      if (bytes.length > 0) yield bytes.slice();
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
      for (const [digest, bytes] of artifacts) yield { digest, sizeBytes: bytes.length };
    },
  };
}
