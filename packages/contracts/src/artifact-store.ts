import type { CallOptions } from "./call-options.ts";
import type { Digest } from "./ids.ts";

export interface ArtifactInfo {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Immutable bytes, found by their SHA-256. */
export interface ArtifactStore {
  /** Stores the bytes; what is stored already is not stored again. When it resolves, the bytes survive a crash. */
  put(bytes: Uint8Array | AsyncIterable<Uint8Array>, options?: CallOptions): Promise<ArtifactInfo>;
  /**
   * Streams the bytes and checks them on the way: a stream that ends was whole and unchanged.
   * Throws `PORT_ARTIFACT_MISSING`, `PORT_ARTIFACT_CORRUPT`.
   */
  open(digest: Digest, options?: CallOptions): AsyncIterable<Uint8Array>;
  has(digest: Digest, options?: CallOptions): Promise<boolean>;
  /** Deleting what is not there does nothing. */
  delete(digest: Digest, options?: CallOptions): Promise<void>;
  /** Every artifact once, in no order. */
  list(options?: CallOptions): AsyncIterable<ArtifactInfo>;
}
