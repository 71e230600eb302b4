import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom } from "@millwright/contracts";
import { type Checkpoint, readLatestCheckpoint, writeCheckpoint } from "@millwright/trainer";
import { afterEach, beforeEach, expect, test } from "vitest";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "millwright-checkpoints-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const checkpoint = (value: number): Checkpoint => ({
  state: { value },
  parts: [
    { name: "floats", shape: [2, 2], dtype: "float32", data: Float32Array.of(value, Number.NaN, -0, 1e-40) },
    { name: "integers", shape: [1], dtype: "int32", data: Int32Array.of(-value) },
  ],
});
const files = async (): Promise<readonly string[]> => (await readdir(directory)).toSorted();

test("what was written is read back to the bit, and the two newest are kept", async () => {
  expect(await readLatestCheckpoint(directory)).toBeUndefined();
  for (const sequence of [3, 7, 8]) await writeCheckpoint(directory, sequence, checkpoint(sequence));
  expect(await readLatestCheckpoint(directory)).toMatchObject({ sequence: 8, ...checkpoint(8) });
  expect(await files()).toEqual(["checkpoint-000000000007.bin", "checkpoint-000000000008.bin", "latest"]);
});

test("wherever the newest is damaged, the one before is taken", async () => {
  for (const sequence of [1, 2]) await writeCheckpoint(directory, sequence, checkpoint(sequence));
  const path = join(directory, "checkpoint-000000000002.bin");
  const whole = await readFile(path);
  const random = createRandom(1);
  for (let round = 0; round < 200; round += 1) {
    const damaged = Buffer.from(whole);
    const at = random.integer(whole.length);
    damaged[at] = (damaged[at] as number) ^ (1 << random.integer(8));
    await writeFile(path, round % 4 === 0 ? whole.subarray(0, at) : damaged);
    expect((await readLatestCheckpoint(directory))?.sequence).toBe(1);
  }
});

test("where none is whole, that is told; without `latest` the newest is found", async () => {
  for (const sequence of [1, 2]) await writeCheckpoint(directory, sequence, checkpoint(sequence));
  await rm(join(directory, "latest"));
  expect((await readLatestCheckpoint(directory))?.sequence).toBe(2);
  for (const sequence of [1, 2]) await writeFile(join(directory, `checkpoint-00000000000${sequence}.bin`), "damaged");
  await expect(readLatestCheckpoint(directory)).rejects.toMatchObject({ code: "TRAINER_CHECKPOINT_CORRUPT" });
});

test("files that are no checkpoints are passed over, and damage is told beside `latest` too", async () => {
  await writeFile(join(directory, "notes.txt"), "");
  expect(await readLatestCheckpoint(directory)).toBeUndefined();
  await writeFile(await writeCheckpoint(directory, 4, checkpoint(4)), "damaged");
  await expect(readLatestCheckpoint(directory)).rejects.toMatchObject({ code: "TRAINER_CHECKPOINT_CORRUPT" });
});

test("a sequence number that no file name can carry is refused before anything is written", async () => {
  for (const sequence of [-1, 1.5, Number.NaN, 1e12])
    await expect(writeCheckpoint(directory, sequence, checkpoint(1))).rejects.toThrow(RangeError);
  expect(await files()).toEqual([]);
});

test("a file with a right digest and a header that is no JSON is a damaged one", async () => {
  const path = await writeCheckpoint(directory, 1, checkpoint(1));
  const bytes = await readFile(path);
  // The header begins behind eight bytes of magic, the digest of all that follows, and its own length.
  bytes[8 + 32 + 8] = "x".charCodeAt(0);
  createHash("sha256")
    .update(bytes.subarray(8 + 32))
    .digest()
    .copy(bytes, 8);
  await writeFile(path, bytes);
  await expect(readLatestCheckpoint(directory)).rejects.toMatchObject({ code: "TRAINER_CHECKPOINT_CORRUPT" });
});
