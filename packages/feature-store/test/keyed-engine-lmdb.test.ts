// The tests of online features once more, with their rows in LMDB files.
import { rmSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import { afterAll, expect, test, vi } from "vitest";
import { openLmdbOnlineStore } from "../src/drivers/lmdb.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";

const opened = vi.hoisted(() => ({ roots: [] as { close(): Promise<void> }[], folder: "" }));
opened.folder = mkdtempSync(join(tmpdir(), "millwright-features-test-"));

vi.mock("../src/drivers/memory.ts", () => ({
  openMemoryOnlineStore: () => {
    const root: RootDatabase = open({
      path: join(opened.folder, `${opened.roots.length}.lmdb`),
      overlappingSync: false,
    });
    opened.roots.push(root);
    return openLmdbOnlineStore(root, { flush: "system" });
  },
}));

for (const subject of ["online", "records", "record-reads"]) {
  await import(`./${subject}.test.ts`);
}

test("these tests open keyed stores", () => {
  expect(openMemoryOnlineStore()).toHaveProperty("readNow");
});

afterAll(async () => {
  for (const root of opened.roots) await root.close();
  rmSync(opened.folder, { recursive: true, force: true });
});
