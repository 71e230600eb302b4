import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ResolvedModel } from "@millwright/contracts";
import { expect, test } from "vitest";
import { packModel, verifyModel } from "../src/index.ts";
import { mountSmallDisk } from "./small-disk.ts";

const pack = (directory: string, sizeBytes: number): Promise<ResolvedModel> =>
  packModel(directory, {
    name: "late",
    format: "parts",
    files: { "a.bin": new Uint8Array(100), "folder/b.bin": new Uint8Array(sizeBytes).fill(7) },
    signature: {
      inputs: [{ name: "x", dtype: "float32", shape: [-1, 1] }],
      outputs: [{ name: "y", dtype: "float32", shape: [-1, 1] }],
    },
  });

test("a package that a full disk has no room for says so and leaves nothing; with room, the same call works", async ({
  skip,
}) => {
  await using disk = await mountSmallDisk(256);
  if (disk === undefined) return skip("this process may not mount a tmpfs: run it as root on Linux");
  await pack(join(disk.directory, "first"), 1_000);
  await disk.fill(32_768);
  const target = join(disk.directory, "second");
  await expect(pack(target, 80_000)).rejects.toMatchObject({
    code: "MODEL_WRITE_FAILED",
    category: "capacity",
    retryable: true,
    message: expect.stringMatching(/second" could not be written: ENOSPC.*Make room/) as string,
    cause: { code: "ENOSPC" },
  });
  expect((await readdir(disk.directory)).toSorted()).toEqual(["ballast", "first"]);
  await verifyModel(join(disk.directory, "first"));

  await disk.free();
  await pack(target, 80_000);
  await verifyModel(target);
});
