import { spawnSync } from "node:child_process";
import { mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own with so many KiB, on which tests may fill the disk. */
export interface SmallDisk extends AsyncDisposable {
  readonly directory: string;
  /** Takes all room but so many bytes, in steps of 4 KiB. */
  fill(leaveBytes?: number): Promise<void>;
  /** Gives it back. */
  free(): Promise<void>;
}

/** @returns undefined where this process may not mount one: it takes Linux and its administrator. */
export async function mountSmallDisk(sizeKib: number): Promise<SmallDisk | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "millwright-small-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeKib}k`, "tmpfs", directory]).status === 0;
  if (!mounted) {
    await rm(directory, { recursive: true, force: true });
    return undefined;
  }
  const ballast = join(directory, "ballast");
  return {
    directory,
    async fill(leaveBytes = 0) {
      const { bavail, bsize } = await statfs(directory);
      await writeFile(ballast, Buffer.alloc(Math.max(0, bavail * bsize - leaveBytes)));
    },
    free: () => rm(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      spawnSync("umount", [directory]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
