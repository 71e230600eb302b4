import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadLayersModel, openTfjs, saveLayersModel } from "../src/index.ts";
import { mountSmallDisk } from "./small-disk.ts";

test("a model that a full disk has no room for says so and leaves nothing; with room it is saved", async ({ skip }) => {
  await using disk = await mountSmallDisk(256);
  if (disk === undefined) return skip("this process may not mount a tmpfs: run it as root on Linux");
  const tfjs = await openTfjs({ device: "wasm", selfTest: false });
  const model = tfjs.tf.sequential({ layers: [tfjs.tf.layers.dense({ units: 100, inputShape: [200] })] });
  await disk.fill(32_768);
  const target = join(disk.directory, "model");
  await expect(saveLayersModel(model, target)).rejects.toMatchObject({
    code: "TFJS_WRITE_FAILED",
    category: "capacity",
    retryable: true,
    cause: { code: "ENOSPC" },
  });
  expect(await readdir(disk.directory)).toEqual(["ballast"]);
  await disk.free();
  await saveLayersModel(model, target);
  expect((await loadLayersModel(tfjs, target)).countParams()).toBe(20_100);
});
