import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ArtifactInfo, artifactMissing, closed, type Digest, hasCode, type IdSource } from "@millwright/contracts";
import { uploadDigest, uploadLocked, uploadOffset, uploadWhole } from "../errors.ts";
import { errorOfFile } from "../file-failure.ts";
import { flushDirectory } from "../flush-directory.ts";
import { type AppendLog, openAppendLog } from "../logs/append-log.ts";
import { writeFully } from "../logs/log-writer.ts";
import {
  type ArtifactUpload,
  type BeginUploadOptions,
  checkUploadId,
  type UploadAppendOptions,
  type UploadCompleteOptions,
} from "./artifact-upload.ts";
import { hexOf } from "./artifact-digest.ts";
import type { SweepOptions, SweepReport } from "./collectable-store.ts";
import { type ArtifactFiles, digestOfFile, findFile, keepFile, placeOf, touchArtifact } from "./directory-files.ts";

/** A stream is kept each time so many bytes have come. */
const keptEveryBytes = 32 * 1024 * 1024;

/** What is known of an upload: a record in its `progress` each time it changes. The bytes are in `data`, those that count before the offset. */
interface Progress {
  readonly offset: number;
  /** It was made an artifact, or is about to be. */
  readonly completed?: Digest | undefined;
}

const uploadsOf = (root: string): string => join(root, "uploads");

/** Opens the upload, or makes it: a folder with its bytes, and a log of how many of them the disk has. The log's lock is the upload's. */
export async function openDirectoryUpload(
  files: ArtifactFiles,
  ids: IdSource,
  { id = ids.next(), signal }: BeginUploadOptions,
): Promise<ArtifactUpload> {
  signal?.throwIfAborted();
  checkUploadId(id);
  const folder = join(uploadsOf(files.root), id);
  let log: AppendLog | undefined;
  let handle: FileHandle | undefined;
  try {
    log = await openProgress(files.root, folder, id);
    const progress = await lastProgress(log);
    handle = await openData(join(folder, "data"), folder);
    const { size } = await handle.stat();
    const completed = await artifactOf(files, progress);
    // Data that is shorter than it was is lost: the upload begins again.
    const offset = completed !== undefined || size >= progress.offset ? progress.offset : 0;
    const trash = join(files.root, "temporary", `${id}-${ids.next()}`);
    return new DirectoryUpload(files, { id, folder, trash, log, handle, offset, completed });
  } catch (error) {
    await handle?.close();
    await log?.[Symbol.asyncDispose]();
    throw errorOfFile(folder, error);
  }
}

async function openProgress(root: string, folder: string, id: string): Promise<AppendLog> {
  for (;;) {
    if ((await mkdir(folder, { recursive: true })) !== undefined) {
      await flushDirectory(uploadsOf(root));
      await flushDirectory(root);
    }
    try {
      return await openAppendLog(join(folder, "progress"));
    } catch (error) {
      if (hasCode(error, "STORAGE_LOG_LOCKED")) throw uploadLocked(id);
      // Another completed or aborted it, and took its folder away, between the two steps.
      if (!hasCode(error, "STORAGE_FILE_UNREACHABLE") || (await findFile(folder)) !== undefined) throw error;
    }
  }
}

/** Where it was completed, and the process ended before it said so. */
async function artifactOf(files: ArtifactFiles, { completed }: Progress): Promise<Digest | undefined> {
  if (completed === undefined) return undefined;
  return (await findFile(placeOf(files.root, completed).file)) === undefined ? undefined : completed;
}

async function lastProgress(log: AppendLog): Promise<Progress> {
  let last: Progress = { offset: 0 };
  for await (const { bytes } of log.read()) last = JSON.parse(Buffer.from(bytes).toString("utf8")) as Progress;
  return last;
}

async function openData(path: string, folder: string): Promise<FileHandle> {
  try {
    return await open(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const handle = await open(path, "wx+");
  await flushDirectory(folder);
  return handle;
}

interface OpenedUpload {
  readonly id: string;
  readonly folder: string;
  /** Where the folder goes while it is deleted. */
  readonly trash: string;
  readonly log: AppendLog;
  readonly handle: FileHandle;
  readonly offset: number;
  readonly completed: Digest | undefined;
}

class DirectoryUpload implements ArtifactUpload {
  readonly id: string;
  readonly #files: ArtifactFiles;
  readonly #upload: OpenedUpload;
  #offset: number;
  /** Written, and not yet known to be on the disk. */
  #end: number;
  #last: Promise<unknown> = Promise.resolve();
  #ended: Promise<void> | undefined;

  constructor(files: ArtifactFiles, upload: OpenedUpload) {
    this.id = upload.id;
    this.#files = files;
    this.#upload = upload;
    this.#offset = upload.offset;
    this.#end = upload.offset;
  }

  get offset(): number {
    return this.#offset;
  }

  append(bytes: Uint8Array | AsyncIterable<Uint8Array>, options: UploadAppendOptions = {}): Promise<number> {
    return this.#alone(options.signal, () => this.#append(bytes, options));
  }

  complete(options: UploadCompleteOptions = {}): Promise<ArtifactInfo> {
    return this.#alone(options.signal, () => this.#onDisk(() => this.#complete(options)));
  }

  abort(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    return this.#alone(options.signal, () => this.#onDisk(() => this.#discard()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last.catch(() => {});
    await this.#close();
  }

  /** One call after another. */
  async #alone<Result>(signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> {
    signal?.throwIfAborted();
    const mine = this.#last.then(async () => {
      signal?.throwIfAborted();
      if (this.#ended !== undefined) throw closed(`The upload "${this.id}"`);
      return await work();
    });
    this.#last = mine.catch(() => {});
    return await mine;
  }

  async #append(
    bytes: Uint8Array | AsyncIterable<Uint8Array>,
    { offset = this.#offset, signal }: UploadAppendOptions,
  ): Promise<number> {
    if (!(Number.isSafeInteger(offset) && offset >= 0))
      throw new RangeError(`offset must be a whole number from 0, not ${String(offset)}.`);
    if (this.#upload.completed !== undefined) throw uploadWhole(this.id, this.#offset);
    if (offset !== this.#offset) throw uploadOffset(this.id, offset, this.#offset);
    try {
      if (bytes instanceof Uint8Array) await this.#write(new Uint8Array(bytes));
      else {
        for await (const piece of bytes) {
          signal?.throwIfAborted();
          // A copy: the caller may use its buffer again while the disk is busy with it.
          await this.#write(new Uint8Array(piece));
          if (this.#end - this.#offset >= keptEveryBytes) await this.#keep();
        }
        signal?.throwIfAborted();
      }
    } catch (error) {
      await this.#keep().catch(() => {});
      throw error;
    }
    await this.#keep();
    return this.#offset;
  }

  /** What the file system says becomes the house's error; what the caller's stream throws stays as it is. */
  async #onDisk<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw errorOfFile(this.#upload.folder, error);
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#onDisk(() => writeFully(this.#upload.handle, bytes, this.#end));
    this.#end += bytes.length;
  }

  /** The bytes first, then that they are there. */
  async #keep(): Promise<void> {
    const end = this.#end;
    if (end === this.#offset) return;
    await this.#onDisk(() => this.#upload.handle.datasync());
    await this.#note({ offset: end });
    this.#offset = end;
  }

  #note(progress: Progress): Promise<void> {
    return this.#upload.log.append([JSON.stringify(progress)]);
  }

  async #complete({ digest, signal }: UploadCompleteOptions): Promise<ArtifactInfo> {
    if (digest !== undefined) hexOf(digest);
    const { handle, completed } = this.#upload;
    const data = join(this.#upload.folder, "data");
    // What is on the disk is read, not what was sent: it is what the digest must be of.
    if (completed === undefined) await handle.truncate(this.#offset);
    const info =
      completed === undefined ? await digestOfFile(data, signal) : { digest: completed, sizeBytes: this.#offset };
    if (digest !== undefined && digest !== info.digest) throw uploadDigest(this.id, digest, info.digest);
    if (completed === undefined) {
      await handle.sync();
      await this.#note({ offset: info.sizeBytes, completed: info.digest });
      await handle.close();
      try {
        await keepFile(this.#files, data, info, signal);
      } catch (error) {
        await this.#close();
        throw error;
      }
    } else if (!(await touchArtifact(this.#files, completed))) throw artifactMissing(completed);
    await this.#discard();
    return info;
  }

  /** Takes the folder out of the way first, so that whoever begins the upload anew is not disturbed; Windows moves none that is in use. */
  async #discard(): Promise<void> {
    const { folder, trash } = this.#upload;
    const moved = process.platform !== "win32";
    if (moved) await rename(folder, trash);
    await this.#close();
    await rm(moved ? trash : folder, { recursive: true, force: true, maxRetries: 3 });
  }

  #close(): Promise<void> {
    this.#ended ??= (async () => {
      await this.#upload.handle.close().catch(() => {});
      await this.#upload.log[Symbol.asyncDispose]();
    })();
    return this.#ended;
  }
}

/** Uploads that nobody has open and that were not gone on with for long. */
export async function sweepUploads(root: string, { beforeMs, dryRun, signal }: SweepOptions): Promise<SweepReport> {
  const swept = { objects: 0, bytes: 0 };
  for (const id of await readdir(uploadsOf(root)).catch(() => [])) {
    signal?.throwIfAborted();
    const folder = join(uploadsOf(root), id);
    const progress = await findFile(join(folder, "progress"));
    const data = await findFile(join(folder, "data"));
    const changedMs = Math.max(progress?.changedMs ?? 0, data?.changedMs ?? 0);
    if (changedMs === 0 || changedMs >= beforeMs) continue;
    if (!dryRun && !(await removeUpload(folder, join(root, "temporary", `swept-${id}`)))) continue;
    swept.objects += 1;
    swept.bytes += data?.sizeBytes ?? 0;
  }
  return swept;
}

async function removeUpload(folder: string, trash: string): Promise<boolean> {
  let log: AppendLog;
  try {
    log = await openAppendLog(join(folder, "progress"));
  } catch (error) {
    if (hasCode(error, "STORAGE_LOG_LOCKED")) return false;
    throw error;
  }
  const moved = process.platform !== "win32";
  if (moved) await rename(folder, trash);
  await log[Symbol.asyncDispose]();
  await rm(moved ? trash : folder, { recursive: true, force: true, maxRetries: 3 });
  return true;
}
