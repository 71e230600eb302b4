import type { CallOptions } from "./call-options.ts";
import type { Digest } from "./ids.ts";
import type { ModelManifest } from "./model-manifest.ts";

export interface ResolvedModel {
  /** Digest of the package: of its manifest, which names the digest of every file. */
  readonly digest: Digest;
  readonly manifest: ModelManifest;
  /** Local directory with the files the manifest names, verified. Not to be written to. */
  readonly directory: string;
  readonly name: string;
  /** The registered version, where the source has versions. */
  readonly version?: number | undefined;
}

/** Finds model packages by reference: `churn@champion`, `churn/3`. */
export interface ModelSource {
  /** Throws `PORT_MODEL_UNKNOWN`, `PORT_MODEL_CORRUPT`. */
  resolve(ref: string, options?: CallOptions): Promise<ResolvedModel>;
  /** The current value at once, then each changed one; goes on through transient errors, ends when the signal aborts. */
  watch(ref: string, options?: CallOptions): AsyncIterable<ResolvedModel>;
}
