import {
  type ArtifactInfo,
  artifactMissing,
  type Clock,
  createDigestBuilder,
  type IdSource,
} from "@millwright/contracts";
import type { Bucket } from "./s3-bucket.ts";
import { type Condemned, objectKey } from "./s3-condemned.ts";
import { copyWithin } from "./s3-parts.ts";

/** What the parts of a store share. */
export interface S3Artifacts {
  readonly bucket: Bucket;
  readonly condemned: Condemned;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly partBytes: number;
}

/** Sent whether it is there or not: that is what makes it young, and mends it where it was damaged. */
export async function putSmall(
  { bucket, condemned }: S3Artifacts,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<ArtifactInfo> {
  const hash = createDigestBuilder();
  hash.update(bytes);
  const digest = hash.digest();
  const write = async (): Promise<boolean> => {
    await bucket.put(objectKey(digest), bytes, signal);
    return true;
  };
  await condemned.keep(digest, write, signal);
  return { digest, sizeBytes: bytes.length };
}

/** Copies a temporary object to the artifact's key, and deletes it. */
export async function keepTemporary(
  { bucket, condemned }: S3Artifacts,
  key: string,
  { digest, sizeBytes }: ArtifactInfo,
  signal: AbortSignal | undefined,
): Promise<void> {
  const write = (): Promise<boolean> => copyWithin(bucket, key, objectKey(digest), sizeBytes, signal);
  const kept = await condemned.keep(digest, write, signal);
  if (!kept) throw artifactMissing(digest);
  // Where this fails the next sweep deletes it.
  await bucket.delete(key, signal).catch(() => {});
}

/** The bytes of an object, read back: what the server has is what counts. */
export async function digestOfObject(
  bucket: Bucket,
  key: string,
  signal?: AbortSignal,
): Promise<ArtifactInfo | undefined> {
  const bytes = await bucket.read(key, signal);
  if (bytes === undefined) return undefined;
  const hash = createDigestBuilder();
  let sizeBytes = 0;
  for await (const chunk of bytes) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { digest: hash.digest(), sizeBytes };
}
