import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createRandom, digestOf } from "@millwright/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { extractArchive } from "../src/index.ts";
import { pax, tarOf, zipOf } from "./archives.ts";
import { maliciousArchives } from "./malicious-archives.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-archive-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));
let count = 0;
const fresh = async (): Promise<string> => {
  const folder = join(root, String((count += 1)));
  await mkdir(folder);
  return folder;
};
async function* inPieces(bytes: Uint8Array, length = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield await Promise.resolve(bytes.subarray(at, at + length));
}

test("SE-9: 30 malicious archives refused", async () => {
  expect(maliciousArchives.length).toBeGreaterThanOrEqual(30);
  const outcomes: string[] = [];
  for (const { what, bytes, code } of maliciousArchives) {
    const folder = await fresh();
    const path = join(folder, "archive");
    await writeFile(path, bytes);
    const error = await extractArchive(path, join(folder, "in", "out")).then(
      () => "extracted",
      (thrown: { code?: string; message: string }) =>
        thrown.code === code ? undefined : `${thrown.code}: ${thrown.message}`,
    );
    if (error !== undefined) outcomes.push(`${what}: ${error}`);
    // Nothing is left: not beside the target either, and nothing where the names lead to.
    const left = (await readdir(folder, { recursive: true })).toSorted();
    if (left.join() !== "archive,in") outcomes.push(`${what}: left ${left.join()}`);
    await rm(folder, { recursive: true });
  }
  expect(outcomes).toEqual([]);
  expect((await readdir(root, { recursive: true })).filter((name) => name.includes("evil"))).toEqual([]);
}, 300_000);

test("as streams they are refused as well", async () => {
  const folder = await fresh();
  for (const { what, bytes, code } of maliciousArchives.filter((_, index) => index % 5 === 0)) {
    const outcome = await extractArchive(inPieces(bytes, 60_000), join(folder, "out")).catch(
      (error: { code?: string }) => error.code,
    );
    expect({ what, outcome }).toEqual({ what, outcome: code });
    expect(await readdir(folder)).toEqual([]);
  }
});

const random = createRandom(3);
const noise = Buffer.from(Array.from({ length: 300_000 }, () => random.integer(256)));
const files = {
  "model.json": Buffer.from("{}"),
  "variables/weights.bin": noise,
  "empty.txt": Buffer.alloc(0),
  "größe/日本.txt": Buffer.from("ja"),
};

const kinds: readonly (readonly [kind: string, bytes: Buffer])[] = [
  [
    "tar",
    tarOf([
      { name: "./", type: "5" },
      { name: "variables/", type: "5" },
      ...Object.entries(files).flatMap(([name, content]) => [pax({ path: `./${name}` }), { name: "x", content }]),
    ]),
  ],
  [
    "tar.gz",
    gzipSync(
      tarOf(
        Object.entries(files).flatMap(([name, content]) => [
          { name: "L", type: "L", content: `${name}\0` },
          { name: "x", content },
        ]),
      ),
    ),
  ],
  [
    "zip",
    zipOf([
      { name: "variables/", mode: 0o040755 },
      ...Object.entries(files).map(([name, content], index) => ({ name, content, method: index % 2 === 0 ? 8 : 0 })),
    ]),
  ],
];

test.each(kinds)("a plain %s is extracted from a path and from a stream, with digests", async (kind, bytes) => {
  const folder = await fresh();
  await writeFile(join(folder, "archive"), bytes);
  for (const [index, source] of [join(folder, "archive"), inPieces(bytes, 700)].entries()) {
    const target = join(folder, `out-${index}`);
    const extracted = await extractArchive(source, target);
    expect(extracted).toMatchObject({ kind, totalBytes: 300_004 });
    for (const [path, content] of Object.entries(files)) {
      expect(content.equals(await readFile(join(target, ...path.split("/"))))).toBe(true);
      expect(extracted.files).toContainEqual({ path, sizeBytes: content.length, digest: digestOf(content) });
    }
    expect((await readdir(target)).toSorted()).toEqual(["empty.txt", "größe", "model.json", "variables"].toSorted());
    if (process.platform !== "win32") {
      expect((await stat(target)).mode & 0o777).toBe(0o700);
      expect((await stat(join(target, "model.json"))).mode & 0o777).toBe(0o600);
    }
  }
  expect((await readdir(folder)).toSorted()).toEqual(["archive", "out-0", "out-1"]);
});

test("limits are the caller's to set", async () => {
  const folder = await fresh();
  const path = join(folder, "archive");
  await writeFile(path, kinds[2]![1]);
  const refused = { code: "MODEL_ARCHIVE_TOO_LARGE" };
  for (const [limit, value] of [
    ["entries", 4],
    ["totalBytes", 300_000],
    ["entryBytes", 299_999],
    ["depth", 1],
  ] as const)
    await expect(extractArchive(path, join(folder, "out"), { limits: { [limit]: value } })).rejects.toMatchObject({
      ...refused,
      remedy: expect.stringContaining(`\`${limit}\``) as string,
    });
  await extractArchive(path, join(folder, "out"), {
    limits: { entries: 5, totalBytes: 300_004, entryBytes: 300_000, depth: 2 },
  });
  const bomb = join(folder, "zeros.zip");
  await writeFile(bomb, zipOf([{ name: "zeros", content: Buffer.alloc(20 << 20) }]));
  await expect(extractArchive(bomb, join(folder, "zeros"))).rejects.toMatchObject(refused);
  expect((await extractArchive(bomb, join(folder, "zeros"), { limits: { ratio: 2000 } })).totalBytes).toBe(20 << 20);
  await expect(extractArchive(path, join(folder, "out-2"), { limits: { entries: Number.NaN } })).rejects.toThrow(
    RangeError,
  );
});

test("an archive within is kept where it is asked for, as the file that it is", async () => {
  const folder = await fresh();
  const inner = zipOf([{ name: "a.txt", content: "a" }]);
  const { files: found } = await extractArchive(
    inPieces(tarOf([{ name: "inner.zip", content: inner }])),
    join(folder, "out"),
    { keepNested: true },
  );
  expect(found).toEqual([{ path: "inner.zip", sizeBytes: inner.length, digest: digestOf(inner) }]);
});

test("a directory with files in it, a stream that fails and an abort leave everything as it was", async () => {
  const folder = await fresh();
  const target = join(folder, "out");
  await mkdir(target);
  await writeFile(join(target, "mine"), "");
  const bytes = kinds[0]![1];
  await expect(extractArchive(inPieces(bytes), target)).rejects.toMatchObject({ code: "MODEL_DIRECTORY_OCCUPIED" });
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* inPieces(bytes.subarray(0, 5000));
    throw new TypeError("the line broke");
  }
  await expect(extractArchive(failing(), join(folder, "other"))).rejects.toThrow("the line broke");
  const abort = new AbortController();
  async function* aborting(): AsyncGenerator<Uint8Array> {
    for await (const piece of inPieces(bytes)) {
      yield piece;
      abort.abort(new RangeError("no longer wanted"));
    }
  }
  await expect(extractArchive(aborting(), join(folder, "other"), { signal: abort.signal })).rejects.toThrow(
    "no longer wanted",
  );
  expect(await readdir(folder, { recursive: true })).toEqual(["out", join("out", "mine")]);
  await expect(extractArchive(join(folder, "none"), join(folder, "other"))).rejects.toMatchObject({
    code: "MODEL_ARCHIVE_INVALID",
  });
  await expect(extractArchive(folder, join(folder, "other"))).rejects.toMatchObject({ code: "MODEL_ARCHIVE_INVALID" });
});

test("damaged archives are extracted as they were, or refused by a code", async () => {
  const folder = await fresh();
  for (const [kind, bytes] of kinds)
    for (let round = 0; round < 60; round += 1) {
      const damaged = Buffer.from(bytes);
      // Where the structure is: the beginning and the end.
      const at = random.integer(600);
      damaged[round % 2 === 0 ? at : damaged.length - 1 - at] = random.integer(256);
      const target = join(folder, `${kind}-${round}`);
      const outcome = await extractArchive(inPieces(damaged, 50_000), target).catch(
        (error: { code?: string }) => error.code,
      );
      if (typeof outcome === "object") await rm(target, { recursive: true });
      else expect(outcome).toMatch(/^MODEL_ARCHIVE_/);
    }
  expect(await readdir(folder)).toEqual([]);
}, 300_000);
