import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Digest, createDigestBuilder } from "@millwright/contracts";
import { errorOfOutput } from "./errors.ts";

/** A file in the making beside its place. */
export interface DurableFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Puts it in its place, whole and on the disk. */
  finish(): Promise<{ readonly bytes: number; readonly digest: Digest }>;
  /** Takes it away. */
  discard(): Promise<void>;
}

/** Who looks at the path sees what was there before or all of the new file, at any moment and after any crash. */
export async function createDurableFile(path: string): Promise<DurableFile> {
  const partial = `${path}.partial`;
  const handle = await named(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    return open(partial, "w");
  });
  const digest = createDigestBuilder();
  let bytes = 0;
  return {
    async write(piece) {
      digest.update(piece);
      await named(path, async () => {
        for (let at = 0; at < piece.length;) at += (await handle.write(piece, at, piece.length - at)).bytesWritten;
      });
      bytes += piece.length;
    },
    async finish() {
      await named(path, async () => {
        await handle.sync();
        await handle.close();
        await rename(partial, path);
        await flushDirectory(dirname(path));
      });
      return { bytes, digest: digest.digest() };
    },
    async discard() {
      await handle.close();
      await rm(partial, { force: true });
    },
  };
}

/** Does it; what fails of the file system is told with the path. Throws `SERVING_TRANSFORM_OUTPUT_FAILED`. */
export async function named<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw errorOfOutput(path, error);
  }
}

export async function writeDurableFile(path: string, text: string): Promise<void> {
  const file = await createDurableFile(path);
  await file.write(Buffer.from(text, "utf8"));
  await file.finish();
}

/** Makes a rename survive a power failure. Windows has no such call for directories. */
async function flushDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
