import { mkdir, mkdtemp, readFile, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canonicalJson, createManualClock, digestOf, digestOfJson, type ModelManifest } from "@millwright/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { filesIn, packModel, type PackModelOptions, verifyModel } from "../src/index.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-model-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const signature = {
  inputs: [{ name: "x", dtype: "float32", shape: [-1, 1] }],
  outputs: [{ name: "y", dtype: "float32", shape: [-1, 1] }],
} as const;

const options = (files: PackModelOptions["files"]): PackModelOptions => ({
  name: "late",
  format: "dense",
  files,
  signature,
  provenance: { seed: 7, metrics: { logLoss: 0.25 } },
  clock: createManualClock(1_700_000_000_000),
});

const small = { "weights.bin": Uint8Array.of(1, 2, 3), "notes/read me.txt": "Grüße" };

test("a package holds its files and a canonical manifest that names them, in order, by their digests", async () => {
  const directory = join(root, "deep", "first");
  const packed = await packModel(directory, options(small));
  expect(packed.manifest.files).toEqual([
    { path: "notes/read me.txt", sizeBytes: 7, digest: digestOf("Grüße") },
    { path: "weights.bin", sizeBytes: 3, digest: digestOf(Uint8Array.of(1, 2, 3)) },
  ]);
  expect(packed.manifest.provenance).toEqual({
    datasets: {},
    environment: {},
    hyperparameters: {},
    metrics: { logLoss: 0.25 },
    seed: 7,
    createdTimeMs: 1_700_000_000_000,
  });
  const text = await readFile(join(directory, "manifest.json"), "utf8");
  expect(text).toBe(canonicalJson(packed.manifest));
  expect(packed.digest).toBe(digestOf(text));
  expect(await readdir(join(root, "deep"))).toEqual(["first"]);
});

test("verifying gives what packing gave, and the same content gives the same digest elsewhere", async () => {
  const packed = await packModel(join(root, "same-a"), options(small));
  expect(await verifyModel(join(root, "same-a"))).toEqual(packed);
  expect((await packModel(join(root, "same-b"), options(small))).digest).toBe(packed.digest);
  const other = await packModel(join(root, "same-c"), options({ ...small, "weights.bin": Uint8Array.of(1, 2, 4) }));
  expect(other.digest).not.toBe(packed.digest);
});

test("files on disk are copied, and a folder's files can be taken together", async () => {
  const source = join(root, "source");
  await mkdir(join(source, "nested"), { recursive: true });
  const big = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 31) % 251);
  await writeFile(join(source, "nested", "big.bin"), big);
  await writeFile(
    join(source, "model.json"),
    '{ "weightsManifest": [{ "paths": ["nested/big.bin"], "weights": [] }] }',
  );
  const files = await filesIn(source);
  expect(Object.keys(files)).toEqual(["model.json", "nested/big.bin"]);
  const { manifest } = await packModel(join(root, "copied"), options(files));
  expect(manifest.files[1]).toEqual({ path: "nested/big.bin", sizeBytes: big.length, digest: digestOf(big) });
  expect(Buffer.from(big).equals(await readFile(join(root, "copied", "nested", "big.bin")))).toBe(true);
  await verifyModel(join(root, "copied"));
});

const change = async (directory: string, edit: (manifest: ModelManifest) => unknown): Promise<void> => {
  const path = join(directory, "manifest.json");
  await writeFile(path, JSON.stringify(edit(JSON.parse(await readFile(path, "utf8")) as ModelManifest)));
};

test.each<[string, (directory: string) => Promise<unknown>, string]>([
  [
    "a file was changed",
    (at) => writeFile(join(at, "weights.bin"), Uint8Array.of(1, 2, 4)),
    '"weights.bin" was changed',
  ],
  [
    "a file has grown",
    (at) => writeFile(join(at, "weights.bin"), Uint8Array.of(1, 2, 3, 4)),
    '"weights.bin" was changed',
  ],
  ["a file is missing", (at) => rm(join(at, "notes", "read me.txt")), '"notes/read me.txt" is missing'],
  ["a file was added", (at) => writeFile(join(at, "notes", "code.js"), ""), '"notes/code.js" is not in its manifest'],
  [
    "a file is a link",
    async (at) => {
      await rm(join(at, "weights.bin"));
      await symlink(join(at, "manifest.json"), join(at, "weights.bin"));
    },
    '"weights.bin" is neither a file nor a directory',
  ],
  ["there is no manifest", (at) => rm(join(at, "manifest.json")), "manifest.json cannot be read"],
  ["the manifest is not JSON", (at) => writeFile(join(at, "manifest.json"), "{"), "manifest.json cannot be read"],
  [
    "the format version is unknown",
    (at) => change(at, (manifest) => ({ ...manifest, formatVersion: 2 })),
    "formatVersion",
  ],
  [
    "the manifest has no files",
    (at) => change(at, (manifest) => ({ ...manifest, files: undefined })),
    "manifest.json cannot be read",
  ],
  [
    "a path leaves the package",
    (at) => change(at, (manifest) => ({ ...manifest, files: [{ ...manifest.files[0], path: "../../etc/passwd" }] })),
    "../../etc/passwd",
  ],
  [
    "a path is absolute",
    (at) => change(at, (manifest) => ({ ...manifest, files: [{ ...manifest.files[0], path: "/etc/passwd" }] })),
    "/etc/passwd",
  ],
  [
    "a file is named twice",
    (at) => change(at, (manifest) => ({ ...manifest, files: [...manifest.files, manifest.files[1]] })),
    "names a file twice",
  ],
])("a package is refused where %s", async (name, damage, named) => {
  const directory = join(root, name.replaceAll(" ", "-"));
  await packModel(directory, options(small));
  await damage(directory);
  await expect(verifyModel(directory)).rejects.toMatchObject({
    code: "PORT_MODEL_CORRUPT",
    message: expect.stringContaining(named) as string,
  });
});

test.each([
  "../weights.bin",
  "/weights.bin",
  "a//b",
  "a/./b",
  "a/../b",
  "",
  "manifest.json",
  "Manifest.JSON",
  "a\\b",
  "c:weights",
  "nul\0",
  "what?",
  "dot.",
])("the file name %j is not taken into a package", async (path) => {
  const directory = join(root, "never");
  await expect(packModel(directory, options({ [path]: "x" }))).rejects.toMatchObject({ code: "MODEL_FILE_PATH" });
  expect(await readdir(root)).not.toContain("never");
});

test("names that differ only in their case are refused: they are one file on some systems", async () => {
  const packing = packModel(join(root, "never"), options({ "a.bin": "x", "A.bin": "y" }));
  await expect(packing).rejects.toMatchObject({ code: "MODEL_FILE_PATH" });
});

test("what no reader could read again is not packed", async () => {
  const unreadable = { ...options(small), provenance: { metrics: { logLoss: "low" as unknown as number } } };
  await expect(packModel(join(root, "never"), unreadable)).rejects.toMatchObject({ code: "CONTRACTS_VALUE_INVALID" });
  expect((await readdir(root)).filter((entry) => entry.startsWith("never"))).toEqual([]);
});

test("a directory with files in it is not overwritten; an empty one is taken", async () => {
  const directory = join(root, "occupied");
  await mkdir(directory);
  await packModel(directory, options(small));
  await expect(packModel(directory, options(small))).rejects.toMatchObject({ code: "MODEL_DIRECTORY_OCCUPIED" });
  await verifyModel(directory);
});

test("of many who pack into one directory one wins, and the package is whole", async () => {
  const directory = join(root, "raced");
  const packings = [1, 2, 3, 4].map((value) =>
    packModel(directory, options({ "weights.bin": new Uint8Array(50_000).fill(value) })),
  );
  const settled = await Promise.allSettled(packings);
  expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const result of settled)
    if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "MODEL_DIRECTORY_OCCUPIED" });
  const winner = settled.find((result) => result.status === "fulfilled");
  expect((await verifyModel(directory)).digest).toBe(winner?.value.digest);
  expect((await readdir(root)).filter((entry) => entry.includes("partial"))).toEqual([]);
});

test("packing that fails half way leaves nothing", async () => {
  const parent = join(root, "failing");
  const files = { "a.bin": "x", "b.bin": { path: join(root, "does not exist") } };
  await expect(packModel(join(parent, "model"), options(files))).rejects.toMatchObject({ code: "ENOENT" });
  expect(await readdir(parent)).toEqual([]);
});

test("a path that the file system does not take is told by a code", async () => {
  await expect(packModel(join(root, "x".repeat(5_000)), options(small))).rejects.toMatchObject({
    code: "MODEL_WRITE_FAILED",
    category: "user",
  });
});

test("an aborted signal stops packing and verifying with its reason, and leaves nothing", async () => {
  const reason = new Error("stopped");
  const signal = AbortSignal.abort(reason);
  await expect(packModel(join(root, "aborted"), { ...options(small), signal })).rejects.toBe(reason);
  expect(await readdir(root)).not.toContain("aborted");
  await packModel(join(root, "verified"), options(small));
  await expect(verifyModel(join(root, "verified"), { signal })).rejects.toBe(reason);
});

test("what the manifest may hold is kept: transforms, feature service, profile, golden requests", async () => {
  const extras = {
    transforms: {
      formatVersion: 1,
      steps: [{ kind: "oneHot", column: "a", input: "bool", categories: ["true"], fill: null, other: false }],
    },
    featureService: { name: "late_v1", digest: digestOfJson("late_v1") },
    profile: { formatVersion: 1 },
    golden: [
      {
        inputs: { x: { dtype: "float32", shape: [1, 1], data: ["NaN"] } },
        outputs: { y: { dtype: "float32", shape: [1, 1], data: [0.5] } },
        tolerance: 1e-6,
      },
    ],
  } as const;
  await packModel(join(root, "extras"), { ...options(small), ...extras });
  expect((await verifyModel(join(root, "extras"))).manifest).toMatchObject(extras);
});

test("a large file is verified to its last byte, and other work of the process goes on meanwhile", async () => {
  const weights = new Uint8Array(new Float32Array(2 ** 22 + 1).fill(0.3).buffer);
  const directory = join(root, "large");
  const packed = await packModel(directory, options({ "weights.bin": weights }));
  let turns = 0;
  let verifying = true;
  const turn = (): void => {
    turns += 1;
    if (verifying) setImmediate(turn);
  };
  setImmediate(turn);
  expect((await verifyModel(directory)).digest).toBe(packed.digest);
  verifying = false;
  // Slices of 128 KiB: at the very least a turn of the loop for each.
  expect(turns).toBeGreaterThanOrEqual(weights.length / 2 ** 17);
  weights[weights.length - 1] = 1;
  await writeFile(join(directory, "weights.bin"), weights);
  await expect(verifyModel(directory)).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  await writeFile(join(directory, "weights.bin"), weights.subarray(0, -4));
  await expect(verifyModel(directory)).rejects.toThrow(`it has ${weights.length - 4} bytes`);
});

test("bytes that were found to be clean are looked at anew under a name by which they would be run", async () => {
  const directory = join(root, "renamed");
  const packed = await packModel(directory, options({ "weights.bin": Uint8Array.of(9, 8, 7, 6) }));
  await verifyModel(directory);
  await verifyModel(directory);
  await rename(join(directory, "weights.bin"), join(directory, "weights.js"));
  const files = packed.manifest.files.map((file) => ({ ...file, path: "weights.js" }));
  await writeFile(join(directory, "manifest.json"), canonicalJson({ ...packed.manifest, files }));
  await expect(verifyModel(directory)).rejects.toMatchObject({ code: "MODEL_CONTENT_UNSAFE" });
  await expect(verifyModel(directory)).rejects.toMatchObject({ code: "MODEL_CONTENT_UNSAFE" });
});
