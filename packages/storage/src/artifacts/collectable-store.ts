import type { ArtifactInfo, ArtifactStore, CallOptions, Digest } from "@millwright/contracts";

/** An artifact, and when it was last put or touched. */
export interface ArtifactAge extends ArtifactInfo {
  /** UTC milliseconds. */
  readonly putMs: number;
}

export interface SweepOptions extends CallOptions {
  /** What was left lying before this is abandoned. UTC milliseconds. */
  readonly beforeMs: number;
  /** Only tells what it would do. */
  readonly dryRun: boolean;
}

/** What was freed that is no artifact of the store: leftovers of puts that failed, abandoned uploads, chunks that nothing is made of any more. */
export interface SweepReport {
  readonly objects: number;
  readonly bytes: number;
}

/** An artifact store that knows how long ago each artifact was put, so that what nobody refers to can be deleted safely. All stores of this package are. */
export interface CollectableArtifactStore extends ArtifactStore {
  /** Every artifact once, in no order. */
  ages(options?: CallOptions): AsyncIterable<ArtifactAge>;
  /**
   * Makes an artifact as young as if it were put now. Who refers to one without putting it touches it before.
   * @returns false where it is not there: put it then.
   */
  touch(digest: Digest, options?: CallOptions): Promise<boolean>;
  /**
   * Deletes an artifact, unless it was put or touched at that time or later; a put or touch at the same moment comes wholly before, and keeps it, or
   * wholly after, and finds it gone.
   * @param beforeMs UTC milliseconds.
   * @returns whether this call deleted it.
   */
  deleteOlder(digest: Digest, beforeMs: number, options?: CallOptions): Promise<boolean>;
  /** Frees what is no artifact and lies there since before a time; nothing younger than a day, so that puts under way are left alone. */
  sweep(options: SweepOptions): Promise<SweepReport>;
}
