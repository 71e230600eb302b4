import type { Clock, Digest, Random } from "@millwright/contracts";
import { hexOf } from "../artifacts/artifact-digest.ts";
import type { Bucket } from "./s3-bucket.ts";

/**
 * Deletions and puts of one artifact, kept apart without a lock, which S3 has not. A deletion marks the artifact as condemned (one marker at a time, by a
 * conditional put), looks at its age, deletes it and takes the marker away. A put writes the artifact, then sees that there is no marker, then that
 * the artifact is there; otherwise it waits and writes again.
 *
 * Why that is enough, S3 being strongly consistent: let the put see no marker. A deletion that looked at the age before the put wrote had its marker
 * there from before the writing; since the put did not see it, the deletion was over, and the put's last look finds what it deleted gone. A
 * deletion that looked at the age after the writing saw a young artifact, and kept it.
 */
export interface Condemned {
  /** @param write Writes the artifact, or makes it young. @returns false where that says that it cannot. */
  keep(digest: Digest, write: () => Promise<boolean>, signal: AbortSignal | undefined): Promise<boolean>;
  /** Deletes it if it is older. @returns whether this call did. */
  deleteOlder(digest: Digest, beforeMs: number, signal: AbortSignal | undefined): Promise<boolean>;
}

/** A deletion takes less; a marker that stays longer was left by one whose process ended. */
const mostDeletionMs = 120_000;
/** After this a request to delete is given up, long before others take its marker for abandoned. */
const deleteTimeoutMs = 30_000;

export const objectKey = (digest: Digest): string => {
  const hex = hexOf(digest);
  return `sha256/${hex.slice(0, 2)}/${hex.slice(2)}`;
};
export const condemnedPrefix = "condemned/";

export function createCondemned(bucket: Bucket, clock: Clock, random: Random): Condemned {
  const markerOf = (digest: Digest): string => `${condemnedPrefix}${hexOf(digest)}`;
  const waitForNone = async (digest: Digest, signal: AbortSignal | undefined): Promise<void> => {
    const started = clock.monotonicMs();
    while ((await bucket.head(markerOf(digest), signal)) !== undefined) {
      // By this process's own clock, so that no other's matters.
      if (clock.monotonicMs() - started > mostDeletionMs) await bucket.delete(markerOf(digest), signal);
      else await clock.sleep(20 + random.next() * 200, { signal });
    }
  };
  return {
    async keep(digest, write, signal) {
      for (;;) {
        if (!(await write())) return false;
        await waitForNone(digest, signal);
        if ((await bucket.head(objectKey(digest), signal)) !== undefined) return true;
      }
    },
    async deleteOlder(digest, beforeMs, signal) {
      const [key, marker] = [objectKey(digest), markerOf(digest)];
      const found = await bucket.head(key, signal);
      if (found === undefined || found.changedMs >= beforeMs) return false;
      // Where another deletes it, that one is left to.
      if ((await bucket.putIf(marker, Buffer.from("{}"), undefined, signal)) === undefined) return false;
      const still = await bucket.head(key, signal);
      const deletes = still !== undefined && still.changedMs < beforeMs;
      const timeout = AbortSignal.timeout(deleteTimeoutMs);
      // Where this fails the marker stays for its time: nobody knows whether the deletion is still to come.
      if (deletes) await bucket.delete(key, signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
      await bucket.delete(marker);
      return deletes;
    },
  };
}
