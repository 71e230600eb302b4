import type { ArtifactInfo, CallOptions, Digest } from "@millwright/contracts";
import type { CollectableArtifactStore } from "./collectable-store.ts";

export interface BeginUploadOptions extends CallOptions {
  /**
   * Names the upload: whoever begins one of the same name later, in any process, goes on with it. 1 to 128 of the characters `a` to `z`, `0` to `9`,
   * `.`, `_` and `-`, the first no dot. Default: a new name.
   */
  readonly id?: string | undefined;
}

export interface UploadAppendOptions extends CallOptions {
  /** Where the bytes belong: refused with `STORAGE_UPLOAD_OFFSET` where that is not the upload's end. Default: its end. */
  readonly offset?: number | undefined;
}

export interface UploadCompleteOptions extends CallOptions {
  /** What the bytes must be; others are refused with `STORAGE_UPLOAD_DIGEST`. Default: whatever they are. */
  readonly digest?: Digest | undefined;
}

/** An upload that can be gone on with after a crash. */
export interface ArtifactUpload extends AsyncDisposable {
  readonly id: string;
  /** How many bytes are kept; the next ones follow them. */
  readonly offset: number;
  /**
   * Adds bytes at the end. When it resolves, they survive a crash; of a stream that fails or is aborted, what came before may be kept: `offset` tells.
   * @returns the new offset.
   */
  append(bytes: Uint8Array | AsyncIterable<Uint8Array>, options?: UploadAppendOptions): Promise<number>;
  /** Makes an artifact of all the bytes, under their own digest. The upload is over then. */
  complete(options?: UploadCompleteOptions): Promise<ArtifactInfo>;
  /** Gives it up: what was kept is deleted. */
  abort(options?: CallOptions): Promise<void>;
}

/** An artifact store that takes large artifacts in several goes. */
export interface ResumableArtifactStore extends CollectableArtifactStore {
  /**
   * Begins an upload, or goes on with the one of that name; disposing it lets go of it, and keeps what came. One that nobody goes on with for a day,
   * or the grace period of a collection that is longer, is deleted by `sweep`. Throws `STORAGE_UPLOAD_LOCKED` where somebody else has it open.
   */
  beginUpload(options?: BeginUploadOptions): Promise<ArtifactUpload>;
}

export function checkUploadId(id: string): void {
  if (!/^[a-z0-9_-][a-z0-9._-]{0,127}$/.test(id))
    throw new RangeError(
      `"${String(id).slice(0, 80)}" names no upload: 1 to 128 of the characters a to z, 0 to 9, ".", "_" and "-", the first no dot.`,
    );
}
