import type { Clock } from "@millwright/contracts";
import type { SweepOptions, SweepReport } from "../artifacts/collectable-store.ts";
import type { Bucket } from "./s3-bucket.ts";
import { condemnedPrefix } from "./s3-condemned.ts";
import { abortParts } from "./s3-parts.ts";

const abandonedAfterMs = 24 * 60 * 60 * 1000;

/** Deletes what puts, uploads and collections left that did not come to their end, a day after they were last seen. */
export async function sweepBucket(
  bucket: Bucket,
  clock: Clock,
  { beforeMs, dryRun, signal }: SweepOptions,
): Promise<SweepReport> {
  const cutMs = Math.min(beforeMs, clock.nowMs() - abandonedAfterMs);
  const swept = { objects: 0, bytes: 0 };
  const sweepObject = async (key: string, sizeBytes: number): Promise<void> => {
    if (!dryRun) await bucket.delete(key, signal);
    swept.objects += 1;
    swept.bytes += sizeBytes;
  };
  for (const prefix of ["temporary/", condemnedPrefix]) {
    for await (const { key, sizeBytes, changedMs } of bucket.list(prefix, signal))
      if (changedMs < cutMs) await sweepObject(key, sizeBytes);
  }
  const live = new Set<string>();
  for await (const { folder, objects, changedMs } of uploadFolders(bucket, signal)) {
    if (changedMs >= cutMs) live.add(folder);
    else for (const { key, sizeBytes } of objects) await sweepObject(key, sizeBytes);
  }
  for await (const { key, uploadId, begunMs } of partsUploads(bucket, signal)) {
    // Those of an upload that is gone on with are old, and needed.
    if (begunMs >= cutMs || live.has(folderOf(key))) continue;
    if (!dryRun) await abortParts(bucket, { key, uploadId });
    swept.objects += 1;
  }
  return swept;
}

const folderOf = (key: string): string => key.slice(0, key.lastIndexOf("/") + 1);

interface UploadFolder {
  readonly folder: string;
  readonly objects: readonly { readonly key: string; readonly sizeBytes: number }[];
  /** When an upload was last gone on with. */
  readonly changedMs: number;
}

async function* uploadFolders(bucket: Bucket, signal: AbortSignal | undefined): AsyncGenerator<UploadFolder> {
  let objects: { readonly key: string; readonly sizeBytes: number }[] = [];
  let [folder, changedMs] = ["", 0];
  // Keys come in order: those of a folder stand together.
  for await (const object of bucket.list("uploads/", signal)) {
    if (folderOf(object.key) !== folder) {
      if (objects.length > 0) yield { folder, objects, changedMs };
      [folder, changedMs, objects] = [folderOf(object.key), 0, []];
    }
    objects.push(object);
    changedMs = Math.max(changedMs, object.changedMs);
  }
  if (objects.length > 0) yield { folder, objects, changedMs };
}

async function* partsUploads(
  bucket: Bucket,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ readonly key: string; readonly uploadId: string; readonly begunMs: number }> {
  const { client, bucket: Bucket, prefix } = bucket.options;
  let after: { readonly KeyMarker: string; readonly UploadIdMarker: string } | undefined;
  do {
    const input = { Bucket, Prefix: prefix, ...after };
    const page = await bucket.call(signal, (abort) => client.listMultipartUploads(input, abort));
    for (const { Key = "", UploadId = "", Initiated } of page.Uploads ?? []) {
      const key = Key.slice(prefix.length);
      // Copies of great artifacts to themselves or to their key have no other name.
      if (/^(?:temporary|uploads|sha256)\//.test(key))
        yield { key, uploadId: UploadId, begunMs: Initiated?.getTime() ?? 0 };
    }
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = page;
    const more = IsTruncated === true && NextKeyMarker !== undefined;
    after = more ? { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker ?? "" } : undefined;
  } while (after !== undefined);
}
