import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "@millwright/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packModel, scanModel, stageModel, verifyModel, writeDenseModel } from "../src/index.ts";
import { writeOnnxModel } from "../src/onnx.ts";

const unsafe = fileURLToPath(new URL("fixtures/unsafe", import.meta.url));
const layers = [{ kernel: [0.5, -0.25], bias: [0.1], activation: "sigmoid" as const }];
const dense = writeDenseModel(layers);

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "millwright-scan-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

let count = 0;
const fresh = (): string => join(root, String((count += 1)));

async function findingsOf(files: Readonly<Record<string, Uint8Array | string>>, format?: string): Promise<string[]> {
  const folder = fresh();
  await mkdir(folder);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return (await scanModel(folder, { format })).findings.map(
    ({ path, rule, problem }) => `${path}: ${rule}: ${problem}`,
  );
}

/** What each fixture is, and what the scanner has to say of it. `make_unsafe.py` beside them writes them with Python's own libraries. */
const expected: readonly (readonly [file: string, rule: string, words: string])[] = [
  ...[0, 1, 2, 3, 4, 5].map(
    (protocol) => [`protocol-${protocol}.bin`, "pickle", "import and call posix.system"] as const,
  ),
  ["second.bin", "pickle", "import and call posix.system"],
  ["broken.bin", "pickle", "import and call posix.system"],
  ["inst.bin", "pickle", "import and call posix.system"],
  ["obj.bin", "pickle", "import and call posix.system"],
  ["memo.bin", "pickle", "import and call posix.system"],
  ["computed.bin", "pickle", "builtins.getattr, ?.system"],
  ["build.bin", "pickle", "__main__.Hook"],
  ["dotted.bin", "pickle", "torch.serialization.os.system"],
  [
    "torch.bin",
    "pickle",
    '"archive/data.pkl", which is a Python pickle; reading it would import and call posix.system',
  ],
  ["torch-deflated.bin", "pickle", "posix.system"],
  ["joblib.bin", "pickle", "numpy.ndarray"],
  ["joblib-zlib.bin", "archive", "compressed by zlib"],
  ["objects.npy", "pickle", "Python objects"],
  ["objects.npz", "pickle", '"weights.npy"'],
  ["lambda.json", "lambda", "class Lambda"],
  ["class.json", "lambda", '"os.system"'],
  ["lambda.keras", "lambda", "__lambda__"],
  ["lambda.h5", "lambda", "class Lambda"],
  ["saved_model.pb", "operator", "ReadFile"],
  ["function.pb", "operator", "PyFunc"],
  ["frozen.pb", "operator", "WriteFile"],
  ["custom-operator.onnx", "operator", "ai.evil::Hook"],
  ["inner-operator.onnx", "operator", "ai.evil::Hook"],
  ["python-operator.onnx", "operator", "PythonOp"],
  ["external-up.onnx", "external-data", '"../../../etc/passwd"'],
  ["external-absolute.onnx", "external-data", '"/etc/passwd"'],
  ["constant-up.onnx", "external-data", "secret"],
  ["elf.bin", "program", "ELF"],
  ["windows.bin", "program", "Windows"],
  ["module.bin", "program", "WebAssembly"],
  ["page.txt", "script", "page"],
  ["script.txt", "script", "#!"],
  ["python.txt", "script", "Python"],
  ["javascript.txt", "script", "JavaScript"],
  ["zip-behind.safetensors", "unrecognised", "none of its tensors"],
  ["pickle-behind.safetensors", "unrecognised", "none of its tensors"],
];

test("every fixture is in the table", async () => {
  const files = (await readdir(unsafe)).filter((file) => file !== "make_unsafe.py");
  expect(expected.map(([file]) => file).toSorted()).toEqual(files.toSorted());
});

test.each(expected)("%s is found, whatever it is called and whatever format is claimed", async (file, rule, words) => {
  const content = await readFile(join(unsafe, file));
  for (const format of [undefined, "dense", "a-format-of-my-own"])
    // Its own name, and one that says nothing: the bytes decide.
    for (const name of [file, "weights.bin"]) {
      const found = await findingsOf({ [name]: content }, format);
      expect(found.some((finding) => finding.startsWith(`${name}: ${rule}: `) && finding.includes(words))).toBe(true);
    }
});

test("MR-23: a malicious pickle in a bundle is rejected with the reason, at packing, at verifying and at staging, and is never run", async () => {
  for (const file of ["protocol-0.bin", "protocol-4.bin", "broken.bin", "torch.bin", "joblib.bin", "objects.npy"]) {
    const content = await readFile(join(unsafe, file));
    const refused = {
      code: "MODEL_CONTENT_UNSAFE",
      message: expect.stringMatching(/"weights\.bin".*(pickle|Python objects)/) as string,
    };
    const options = {
      name: "late",
      format: "dense",
      files: { ...dense.files, "weights.bin": content },
      signature: dense.signature,
    };
    const target = fresh();
    await expect(packModel(target, options)).rejects.toMatchObject(refused);
    expect(existsSync(target)).toBe(false);

    // A package whose maker never asked us: manifest and digests are true, and the bytes are a pickle.
    const whole = fresh();
    const { manifest } = await packModel(whole, { ...options, files: dense.files });
    await writeFile(join(whole, "weights.bin"), content);
    const { digestOf } = await import("@millwright/contracts");
    const files = manifest.files.map((each) =>
      each.path === "weights.bin" ? { ...each, digest: digestOf(content), sizeBytes: content.length } : each,
    );
    await writeFile(join(whole, "manifest.json"), JSON.stringify({ ...manifest, files }));
    await expect(verifyModel(whole)).rejects.toMatchObject(refused);
    await expect(stageModel(whole, join(root, "staging"))).rejects.toMatchObject(refused);
  }
  expect(await readdir(join(root, "staging"))).toEqual([]);
  expect(existsSync("millwright-was-here") || existsSync(join(root, "millwright-was-here"))).toBe(false);
});

test("what models are made of passes", async () => {
  const header = JSON.stringify({ weight: { dtype: "F32", shape: [2], data_offsets: [0, 8] } });
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  const array = Buffer.from("\x93NUMPY\x01\0\x36\0{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n", "latin1");
  const onnx = writeOnnxModel({ layers });
  const files: Record<string, Uint8Array | string> = {
    "network.json": dense.files["network.json"] ?? "",
    "weights.bin": dense.files["weights.bin"] ?? "",
    "model.onnx": onnx.files["model.onnx"] as Uint8Array,
    "model.safetensors": Buffer.concat([size, Buffer.from(header), Buffer.alloc(8)]),
    "mean.npy": Buffer.concat([array, Buffer.alloc(8)]),
    "booster.txt": "tree\nversion=v4\nnum_class=1\nTree=0\nleaf_value=0.5 1.5\n",
    "README.md": "# Late flights\n\nImport the table first; export it then. const is a word too.\n",
    // Read as opcodes, lists of words begin like imports.
    "labels.txt": "cat\ndog\nbird\n",
    "functions.txt": "cos\nsin\ntan\n",
    "umlauts.txt": "Zürich\nÜberlingen\n日本\n",
    "model.json": JSON.stringify({ weightsManifest: [{ paths: ["group1-shard1of1.bin"], weights: [] }] }),
    "group1-shard1of1.bin": Uint8Array.of(0, 255, 254, 1),
    empty: "",
  };
  expect(await findingsOf(files)).toEqual([]);
});

test("bytes that nothing names are refused in this house's formats and left to the runtime in others", async () => {
  const files = { "extra.bin": Uint8Array.of(0, 1, 2, 255), "network.json": "{}" };
  expect(await findingsOf(files, "dense")).toEqual([expect.stringMatching(/^extra\.bin: unrecognised: /)]);
  expect(await findingsOf(files, "a-format-of-my-own")).toEqual([]);
});

test("a pickle that hides behind millions of opcodes is found, and an ONNX graph that cannot be read through", async () => {
  const padding = Buffer.alloc(4_000_000, "N0");
  const late = Buffer.concat([padding, Buffer.from("cposix\nsystem\n(S'touch millwright-was-here'\ntR.")]);
  expect(await findingsOf({ "weights.bin": late }, "dense")).toEqual([
    expect.stringMatching(/^weights\.bin: pickle: /),
  ]);
  // A node in the group encoding, which other readers of Protocol Buffers pass over.
  const graph = Buffer.from([0x0a, 0x04, 0x0b, 0x0c, 0x22, 0x00]);
  const model = Buffer.concat([Buffer.from([0x08, 0x08, 0x3a, graph.length]), graph]);
  expect(await findingsOf({ "model.onnx": model }, "onnx")).toEqual([
    expect.stringContaining("cannot be read through"),
  ]);
});

test("text that was written to keep a search busy does not", async () => {
  const lines = [
    ";const a",
    "\n",
    "import a ",
    "\ndef a(",
    "class a",
    ";function a(",
    "<a ",
    '"class_name" ',
    ";import a b ",
    "\nfrom a ",
  ];
  const files = Object.fromEntries(
    lines.map((line, index) => [`${index}.md`, line.repeat(Math.ceil(400_000 / line.length))]),
  );
  const before = process.cpuUsage();
  await findingsOf(files);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6).toBeLessThan(10);
});

test("links are found, and names by which files are run", async ({ skip }) => {
  skip(process.platform === "win32", "links need rights on Windows");
  const folder = fresh();
  await mkdir(folder);
  await symlink("/etc/passwd", join(folder, "weights.bin"));
  await writeFile(join(folder, "inference.py"), "plain words");
  expect((await scanModel(folder)).findings).toMatchObject([
    { path: "inference.py", rule: "script" },
    { path: "weights.bin", rule: "link" },
  ]);
});

test("numbers are never taken for code: 3,000 files of random bytes and of random floats", async () => {
  const random = createRandom(7);
  const folder = fresh();
  await mkdir(folder);
  for (let index = 0; index < 3_000; index += 1) {
    const floats = Float32Array.from({ length: 1 + Math.floor(random.next() * 60) }, () => random.next() * 2 - 1);
    const bytes = Uint8Array.from({ length: 1 + Math.floor(random.next() * 200) }, () =>
      Math.floor(random.next() * 256),
    );
    await writeFile(join(folder, `${index}.bin`), index % 2 === 0 ? new Uint8Array(floats.buffer) : bytes);
  }
  expect((await scanModel(folder, { format: "a-format-of-my-own" })).findings).toEqual([]);
});

test("damaged files are looked at without an error of the scanner's own", async () => {
  const random = createRandom(11);
  const folder = fresh();
  await mkdir(folder);
  for (const file of (await readdir(unsafe)).filter((each) => each !== "make_unsafe.py")) {
    const content = await readFile(join(unsafe, file));
    for (let round = 0; round < 12; round += 1) {
      const damaged = Buffer.from(content);
      for (let flips = 0; flips < 3; flips += 1)
        damaged[Math.floor(random.next() * damaged.length)] = Math.floor(random.next() * 256);
      const end = round % 3 === 0 ? Math.floor(random.next() * damaged.length) : damaged.length;
      await writeFile(join(folder, `${file}-${round}`), damaged.subarray(0, end));
    }
  }
  expect((await scanModel(folder)).files.length).toBeGreaterThan(400);
});
