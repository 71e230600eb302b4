import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock } from "@millwright/contracts";
import { modelSourceContract } from "@millwright/contracts/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDirectoryModelSource, packModel, writeDenseModel } from "../src/index.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-source-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function pack(base: string, version: number): Promise<void> {
  const { files, signature } = writeDenseModel([{ kernel: [version], bias: [0], activation: "linear" }]);
  await packModel(join(base, "late", String(version)), { name: "late", format: "dense", files, signature });
}

async function setAlias(base: string, aliases: object | string): Promise<void> {
  const path = join(base, "late", "aliases.json");
  await writeFile(`${path}.new`, typeof aliases === "string" ? aliases : JSON.stringify(aliases));
  await rename(`${path}.new`, path);
}

let made = 0;
async function fixture() {
  made += 1;
  const base = join(root, String(made));
  await pack(base, 1);
  await setAlias(base, { champion: 1 });
  let version = 1;
  const change = async (): Promise<void> => {
    version += 1;
    await pack(base, version);
    await setAlias(base, { champion: version });
  };
  return {
    base,
    change,
    source: openDirectoryModelSource(base, { pollMs: 5 }),
    ref: "late@champion",
    unknownRef: "late/99",
  };
}

describe("the port's promises", () => {
  for (const { name, appliesTo, run } of modelSourceContract) {
    test(name, async ({ skip }) => {
      const prepared = await fixture();
      if (appliesTo?.(prepared) === false) skip("the case asks for what this source does not do");
      await run(prepared);
    });
  }
});

test("a version and an alias of it mean the same package", async () => {
  const { source } = await fixture();
  const byVersion = await source.resolve("late/1");
  expect(await source.resolve("late@champion")).toEqual(byVersion);
  expect(byVersion).toMatchObject({ name: "late", version: 1 });
});

test.each([
  "late/2",
  "late/01",
  "late/1/..",
  "late@nobody",
  "late@constructor",
  "late@",
  "late",
  "early/1",
  "../1/late/1",
  "late/1\0",
  "",
])("%j is answered with what there is", async (ref) => {
  const { source } = await fixture();
  await expect(source.resolve(ref)).rejects.toMatchObject({
    code: "PORT_MODEL_UNKNOWN",
    remedy: "Known: late/1, late@champion.",
  });
});

test("an empty or absent folder knows nothing", async () => {
  const source = openDirectoryModelSource(join(root, "absent"));
  await expect(source.resolve("late/1")).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
});

test("a package that was changed after it was packed is not handed out", async () => {
  const { source, base } = await fixture();
  await source.resolve("late/1");
  await writeFile(join(base, "late", "1", "weights.bin"), new Uint8Array(8));
  await expect(source.resolve("late/1")).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
});

test.each(["{", "[1]x", '{"champion":"one"}', "null"])("aliases that read %s are corrupt", async (text) => {
  const { source, base } = await fixture();
  await setAlias(base, text);
  await expect(source.resolve("late@champion")).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  expect((await source.resolve("late/1")).version).toBe(1);
});

test("a watcher goes on through what is broken for a while, and gives the model that comes after", async () => {
  const { base } = await fixture();
  const clock = createManualClock();
  const source = openDirectoryModelSource(base, { pollMs: 1000, clock });
  const controller = new AbortController();
  const seen: (number | undefined)[] = [];
  const watching = (async () => {
    for await (const { version } of source.watch("late@champion", { signal: controller.signal })) seen.push(version);
  })();
  const until = async (count: number): Promise<void> => {
    for (let look = 0; look < 200 && seen.length < count; look += 1) {
      await clock.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(seen.length).toBe(count);
  };
  await until(1);
  await setAlias(base, "{ half written");
  await clock.advance(5000);
  await setAlias(base, { champion: 7 });
  await clock.advance(5000);
  // A package that is still being copied: its manifest names files that are not there yet.
  await mkdir(join(base, "late", "7"));
  await clock.advance(5000);
  expect(seen).toEqual([1]);
  await rm(join(base, "late", "7"), { recursive: true });
  await pack(base, 7);
  await until(2);
  expect(seen).toEqual([1, 7]);
  controller.abort(new Error("enough"));
  await watching;
});

test("watching what nothing answers to rejects at once", async () => {
  const { source } = await fixture();
  const first = source.watch("late@nobody")[Symbol.asyncIterator]().next();
  await expect(first).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
});
