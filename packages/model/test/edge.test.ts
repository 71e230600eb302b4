import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { hasCode } from "@millwright/contracts";
import { packModel } from "@millwright/model";
import { type EdgeExport, exportEdge } from "@millwright/model/edge";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UsageError, edgeCommand } from "../dist/edge/edge-command.js";
import { type EdgeCase, exactly, packEdgeCases, rowsText } from "./edge-models.ts";

const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

let folder = "";
let packed: Awaited<ReturnType<typeof packEdgeCases>>;
const exported = new Map<string, EdgeExport>();
const caseOf = (name: string): EdgeCase => packed.cases.find((each) => each.name === name) as EdgeCase;
const file = (name: string): string => join(folder, name);

async function write({ files }: EdgeExport): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(file(name), content);
}

type Answer = Readonly<Record<string, number | readonly number[]>>;

/** What an exported module exports, as JavaScript sees it: whatever may be given. */
interface Module {
  readonly EdgeError: typeof Error;
  readonly manifest: object;
  predict(row: unknown): Answer;
  predictMany(rows: unknown): readonly Answer[];
  predictTensors(inputs: unknown): object;
  selfTest(): object;
  load(options?: object): Promise<Module>;
}

/** A module as Node itself loads it. */
async function load(name: string): Promise<Module> {
  return (await import(/* @vite-ignore */ pathToFileURL(file(name)).href)) as Module;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "millwright-edge-modules-"));
  packed = await packEdgeCases(2000);
  for (const { name, model, rows } of packed.cases) {
    exported.set(name, await exportEdge(model));
    await write(exported.get(name) as EdgeExport);
    await writeFile(file(`${name}.rows.mjs`), rowsText(rows));
  }
});

afterAll(async () => {
  await packed[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

test("EG-3: a module answers with the bits of the runtime where there is nothing but ECMAScript, no eval and no WebAssembly, and within its budget of bytes", async () => {
  const pairs = packed.cases.flatMap(({ name }) => [file(`${name}.mjs`), file(`${name}.rows.mjs`)]);
  const args = ["--no-warnings", "--experimental-vm-modules", pathOf("fixtures/edge-context.mjs"), ...pairs];
  const told = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8", maxBuffer: 1 << 28 }));
  for (const { name, answers } of packed.cases) {
    const wanted = answers.map((row) => row.map(exactly));
    const { foreign, single, many, selfTest } = told[name];
    expect(foreign).toEqual([]);
    expect(single, name).toEqual(wanted);
    expect(many, name).toEqual(wanted);
    expect(selfTest, name).toEqual({ passed: true, requests: 1, largestDifference: 0 });
  }
  for (const [name, { sizes, files }] of exported) {
    expect(String(files[`${name}.mjs`])).not.toMatch(/\beval\b|new Function|WebAssembly|^import /m);
    expect(sizes.codeBytes, name).toBeLessThan(33_000);
    expect(sizes.gzipBytes - sizes.weightBytes, name).toBeLessThan(20_000);
  }
});

test("EG-3: a worker answers with the same module", async () => {
  const { answers } = caseOf("trees");
  const text = `import { parentPort } from "node:worker_threads"; import { load } from ${JSON.stringify(pathToFileURL(file("trees.mjs")).href)};
    import { rows } from ${JSON.stringify(pathToFileURL(file("trees.rows.mjs")).href)};
    parentPort.postMessage((await load()).predictMany(rows));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(text)}`));
  const told = await new Promise<readonly { readonly prediction: number }[]>((resolve, reject) => {
    worker.once("message", resolve).once("error", reject);
  });
  await worker.terminate();
  expect(told.map(({ prediction }) => [prediction])).toEqual(answers);
});

test("what a row lacks or has wrong is told by its field and row, with the code and the remedy", async () => {
  const { predict, predictMany, predictTensors, EdgeError } = await load("transformed.mjs");
  const [row] = caseOf("transformed").rows;
  const wrong: readonly [object, string][] = [
    [{ ...row, distance: "far" }, "distance"],
    [{ ...row, late: 1 }, "late"],
    [{ ...row, carrier: 7n }, "carrier"],
    [{ ...row, day: {} }, "day"],
    [Object.fromEntries(Object.entries(row ?? {}).filter(([name]) => name !== "note")), "note"],
  ];
  for (const [given, field] of wrong) {
    let thrown: unknown;
    try {
      predict(given);
    } catch (error) {
      thrown = error;
    }
    expect(thrown, field).toBeInstanceOf(EdgeError);
    expect(hasCode(thrown, "MODEL_INPUT_MISMATCH"), field).toBe(true);
    expect(thrown).toMatchObject({ field, category: "user", message: expect.stringContaining(`"${field}"`) });
  }
  expect(() => predictMany([row, { ...row, note: 5 }])).toThrow(/"note" of row 1 .* it is 5\. Give a text/);
  const vector = await load("vector.mjs");
  expect(() => vector.predict({ pixels: [1, 2] })).toThrow(/"pixels".*it has 2 numbers\. Give a list of 6 numbers/);
  expect(() => vector.predict({ pixels: [1, 2, "3", 4, 5, 6] })).toThrow(/"pixels".*it holds "3"/);
  for (const value of [undefined, null, 5, "row", () => 1]) {
    expect(() => predict(value)).toThrow(EdgeError);
    expect(() => predictMany(value)).toThrow(EdgeError);
    expect(() => predictMany([value])).toThrow(EdgeError);
  }
  expect(() => predictTensors({})).toThrow(/"features".*it is missing/);
  const trees = await load("trees.mjs");
  const tensor = { dtype: "float64", shape: [1], data: Float64Array.of(1) };
  expect(() => trees.predictTensors({ distance: tensor, count: tensor, carrier: tensor })).toThrow(
    /"carrier".*type is float64/,
  );
  const short = { dtype: "float64", shape: [0], data: new Float64Array(0) };
  expect(() => trees.predictTensors({ distance: tensor, count: short })).toThrow(/"count".*shape is \[0\]/);
  const whole = { dtype: "int64", shape: [1], data: BigInt64Array.of(3n) };
  const one = { dtype: "string", shape: [1], data: ["UA"] };
  expect(trees.predictTensors({ distance: whole, count: whole, carrier: one })).toEqual(
    trees.predictTensors({
      distance: { ...tensor, data: Float64Array.of(3) },
      count: { ...tensor, data: Float64Array.of(3) },
      carrier: one,
    }),
  );
});

test("a module whose contents were changed refuses to answer; golden answers that are not given fail the load", async () => {
  const text = String(exported.get("vector")?.files["vector.mjs"]);
  const [, base64 = ""] = /"base64":"([^"]+)"/.exec(text) ?? [];
  await writeFile(file("weights-changed.mjs"), text.replace(base64, base64.replace(/^../, "zz")));
  await writeFile(file("spec-changed.mjs"), text.replace('"activation":"relu"', '"activation":"tanh"'));
  for (const name of ["weights-changed.mjs", "spec-changed.mjs"]) {
    const { predict, load: open } = await load(name);
    expect(() => predict({ pixels: [1, 2, 3, 4, 5, 6] }), name).toThrow(/damaged: its contents have the digest/);
    await expect(open(), name).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  }
  // A runtime that rounds elsewhere: the code is not part of the digest, the golden requests tell.
  await writeFile(file("code-changed.mjs"), text.replaceAll("Math.exp(", "Math.expm1("));
  const changed = await load("code-changed.mjs");
  await expect(changed.load()).rejects.toMatchObject({ code: "MODEL_GOLDEN_MISMATCH" });
  expect(changed.selfTest()).toMatchObject({ passed: false, problem: expect.stringContaining('output "class"') });
  await expect(changed.load({ selfTest: false })).resolves.toBeDefined();
});

test("weights beside the module are loaded from bytes or from where they are, and checked", async () => {
  const beside = await exportEdge(caseOf("classes").model, { weights: "beside", name: "apart" });
  await write(beside);
  expect(Object.keys(beside.files)).toEqual(["apart.mjs", "apart.d.mts", "apart.bin"]);
  const { load: open, predict, manifest } = await load("apart.mjs");
  const [row] = caseOf("classes").rows;
  expect(() => predict(row)).toThrow(/call `await load\(\)` first/);
  const weights = await readFile(file("apart.bin"));
  await expect(open({ weights: weights.subarray(1) })).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  await expect(open({ weights: "data:text/plain,none" })).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
  await expect(open({ weights: "http://127.0.0.1:9/apart.bin" })).rejects.toThrow(/cannot be fetched from http/);
  const gone = AbortSignal.abort("gone");
  await expect(open({ weights, signal: gone })).rejects.toBe("gone");
  const model = await open({ weights: `data:application/octet-stream;base64,${weights.toString("base64")}` });
  expect(Object.values(model.predict(row)).flat()).toEqual(caseOf("classes").answers[0]);
  expect(predict(row)).toEqual(model.predict(row));
  expect(manifest).toMatchObject({ classes: ["early", "late", "never"], digest: caseOf("classes").model.digest });
});

test("a signed module is opened by whoever has the public key, and by nobody for another", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const other = generateKeyPairSync("ed25519").publicKey;
  await write(await exportEdge(caseOf("rate").model, { key: privateKey, name: "signed" }));
  const { load: open } = await load("signed.mjs");
  const pem = publicKey.export({ type: "spki", format: "pem" });
  await expect(open({ keys: [other.export({ format: "jwk" }), pem] })).resolves.toBeDefined();
  await expect(open({ keys: [publicKey.export({ format: "jwk" })] })).resolves.toBeDefined();
  for (const keys of [[], [other.export({ format: "jwk" })], ["no key"]])
    await expect(open({ keys })).rejects.toMatchObject({ code: "MODEL_SIGNATURE_INVALID" });
  const unsigned = await load("rate.mjs");
  await expect(unsigned.load({ keys: [pem] })).rejects.toThrow(/the model is not signed/);
  // The signature of one model beside the contents of another.
  const text = await readFile(file("signed.mjs"), "utf8");
  const [envelopes = ""] = /JSON\.parse\('\[\{"payloadType.*?\]'\)/.exec(text) ?? [];
  const linear = await readFile(file("linear.mjs"), "utf8");
  expect(envelopes).not.toBe("");
  await writeFile(
    file("borrowed.mjs"),
    linear.replace("JSON.parse('[]')", () => envelopes),
  );
  const borrowed = await load("borrowed.mjs");
  await expect(borrowed.load({ keys: [pem] })).rejects.toThrow(/none of the keys has signed these contents/);
});

test("its declarations have a member for each field and each output", async () => {
  await writeFile(
    file("use.mts"),
    `import { load, manifest, predict } from "./transformed.mjs";
import { predict as classify } from "./classes.mjs";
const answer: number = predict({ distance: 1, count: 2n, late: null, carrier: "UA", note: null, day: new Date(0), at: 3n }).prediction;
const shares: readonly number[] = classify({ distance: 1, count: null, carrier: "UA" }).prediction;
// @ts-expect-error a text is no distance
predict({ distance: "far", count: 2n, late: null, carrier: "UA", note: null, day: null, at: null });
// @ts-expect-error a field is missing
classify({ distance: 1, count: null });
export const all = [answer, shares, manifest.name, await load({ selfTest: false })];
`,
  );
  const tsc = pathOf("../../../node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023", "--types", ""];
  execFileSync(process.execPath, [tsc, ...flags, file("use.mts")], { cwd: folder, stdio: "inherit" });
});

test("a model that cannot be exported, or is too large, is refused by name", async () => {
  const { model } = caseOf("trees");
  await expect(exportEdge(model, { maxBytes: 10_000 })).rejects.toMatchObject({
    code: "MODEL_EDGE_TOO_LARGE",
    message: expect.stringMatching(/^The exported model "trees" has \d+ bytes/),
  });
  const signature = {
    inputs: [{ name: "x", dtype: "float32" as const, shape: [-1] }],
    outputs: [{ name: "y", dtype: "float32" as const, shape: [-1] }],
  };
  const other = await packModel(join(packed.root, "other"), {
    name: "other",
    format: "text",
    files: { "a.txt": "a" },
    signature,
  });
  await expect(exportEdge(other)).rejects.toMatchObject({ code: "MODEL_EDGE_UNSUPPORTED" });
});

test("millwright-model writes a verified package's module, and says what it did", async () => {
  const main = pathOf("../dist/edge/main.js");
  const run = (...args: string[]): string =>
    execFileSync(process.execPath, [main, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const here = (...args: string[]): Promise<number> => edgeCommand(args, { print: () => undefined });
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  await writeFile(file("private.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
  await writeFile(file("public.pem"), publicKey.export({ type: "spki", format: "pem" }));
  const { directory } = caseOf("rate").model;
  const out = file("out");
  const told = run("edge", directory, "--out", out, "--key", file("private.pem"), "--weights", "beside");
  expect(told).toMatch(
    /rate\.mjs\n.*rate\.d\.mts\n.*rate\.bin\nsize .* as gzip; weights .*\ndigest     sha256:[0-9a-f]{64}\nintegrity  sha384-/,
  );
  const { load: open } = await load("out/rate.mjs");
  const weights = await readFile(join(out, "rate.bin"));
  await expect(open({ weights, keys: [await readFile(file("public.pem"), "utf8")] })).resolves.toBeDefined();
  expect(JSON.parse(run("edge", directory, "--out", out, "--json"))).toMatchObject({
    files: ["rate.mjs", "rate.d.mts"],
  });
  const failing = (...args: string[]): unknown => {
    try {
      return run(...args);
    } catch (error) {
      const { status, stderr } = error as { readonly status: number; readonly stderr: string };
      return [status, stderr.split("\n")[0]];
    }
  };
  expect(failing("edge")).toEqual([2, "Give one folder of a model package."]);
  const tooLarge = failing("edge", directory, "--out", out, "--max-bytes", "100");
  expect(tooLarge).toEqual([1, expect.stringContaining("MODEL_EDGE_TOO_LARGE")]);
  await expect(here("edge", directory)).rejects.toBeInstanceOf(UsageError);
  await expect(here("edge", directory, "--out", out, "--weights", "far")).rejects.toThrow(
    "--weights is embedded or beside.",
  );
  await expect(here("edge", directory, "--out", out, "--trust", file("public.pem"))).rejects.toMatchObject({
    code: "MODEL_SIGNATURE_MISSING",
  });
  await expect(here("edge", file("none"), "--out", out)).rejects.toMatchObject({ code: "PORT_MODEL_CORRUPT" });
});
