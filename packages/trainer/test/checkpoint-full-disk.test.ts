import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Checkpoint, readLatestCheckpoint, writeCheckpoint } from "@millwright/trainer";
import { expect, test } from "vitest";
import { mountSmallDisk } from "./small-disk.ts";

const checkpoint = (value: number, length: number): Checkpoint => ({
  state: { value },
  parts: [{ name: "w", shape: [length], dtype: "float32", data: new Float32Array(length).fill(value) }],
});

test("a checkpoint that a full disk has no room for says so, leaves no draft, and the one before is still read", async ({
  skip,
}) => {
  await using disk = await mountSmallDisk(256);
  if (disk === undefined) return skip("this process may not mount a tmpfs: run it as root on Linux");
  const directory = join(disk.directory, "checkpoints");
  await writeCheckpoint(directory, 1, checkpoint(1, 1_000));
  await disk.fill(16_384);
  await expect(writeCheckpoint(directory, 2, checkpoint(2, 20_000))).rejects.toMatchObject({
    code: "TRAINER_WRITE_FAILED",
    category: "capacity",
    retryable: true,
    message: expect.stringMatching(/checkpoint-000000000002\.bin" could not be written: ENOSPC.*Make room/) as string,
    cause: { code: "ENOSPC" },
  });
  expect((await readdir(directory)).toSorted()).toEqual(["checkpoint-000000000001.bin", "latest"]);
  expect(await readLatestCheckpoint(directory)).toMatchObject({ sequence: 1, state: { value: 1 } });

  await disk.free();
  await writeCheckpoint(directory, 2, checkpoint(2, 20_000));
  expect(await readLatestCheckpoint(directory)).toMatchObject({ sequence: 2, state: { value: 2 } });
});

test("a folder that cannot be made on a full disk is told alike", async ({ skip }) => {
  await using disk = await mountSmallDisk(64);
  if (disk === undefined) return skip("this process may not mount a tmpfs: run it as root on Linux");
  await disk.fill();
  const written = writeCheckpoint(join(disk.directory, "checkpoints"), 1, checkpoint(1, 1_000));
  await expect(written).rejects.toMatchObject({ code: "TRAINER_WRITE_FAILED", category: "capacity" });
});
