import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openNdjsonCapture, readNdjsonCapture } from "../src/drivers/ndjson.ts";
import { mountSmallDisk } from "./small-disk.ts";

const full = { code: "MONITOR_WRITE_FAILED", category: "capacity", retryable: true, cause: { code: "ENOSPC" } };

test("captured rows that a full disk has no room for are refused as a whole; the writer goes on once there is some", async ({
  skip,
}) => {
  await using disk = await mountSmallDisk(256);
  if (disk === undefined) return skip("this process may not mount a tmpfs: run it as root on Linux");
  const directory = join(disk.directory, "capture");
  await using capture = await openNdjsonCapture({ directory });
  const row = (id: string, length: number): { readonly id: string; readonly text: string } => ({
    id,
    text: "x".repeat(length),
  });
  await capture.write([row("first", 10)]);
  await disk.fill(8_192);
  // Its small row would fit: half of a write must not be kept, or writing again would double it.
  const large = [row("second", 10), row("third", 60_000)];
  await expect(capture.write(large)).rejects.toMatchObject(full);
  await expect(capture.write(large)).rejects.toMatchObject(full);
  expect(await readdir(directory)).toHaveLength(1);
  await disk.free();
  await capture.write(large);
  const ids: unknown[] = [];
  for await (const each of readNdjsonCapture(directory)) ids.push(each["id"]);
  expect(ids).toEqual(["first", "second", "third"]);
});
