import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { ModelSignature } from "@millwright/contracts";
import { packModel, writeDenseModel } from "@millwright/model";
import { generateClient } from "../src/clients.ts";
import { clientCommand } from "../src/clients/client-command.ts";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const tsc = file("../../../node_modules/typescript/bin/tsc");
const command = file("../dist/clients/main.js");
const run = promisify(execFile);

const signature: ModelSignature = {
  inputs: [
    { name: "features", dtype: "float32", shape: [-1, 3] },
    { name: "ids", dtype: "int64", shape: [-1] },
    { name: "label", dtype: "string", shape: [2] },
    { name: "known", dtype: "bool", shape: [] },
  ],
  outputs: [
    { name: "score", dtype: "float64", shape: [-1, 2] },
    { name: "class", dtype: "string", shape: [-1] },
  ],
};

/** Statements that compile, and below `BAD` those that must not, one a line. */
const program = `
import { createModelClient, millwrightServer } from "@millwright/serving/clients";
import { createLateClient, lateSignature } from "./late.js";

const protocol = millwrightServer({ url: "http://127.0.0.1:1", endpoint: "late" });
const late = createLateClient({ protocol });
const inline = createModelClient({ protocol, signature: { inputs: [{ name: "x", dtype: "int32", shape: [-1, 2] }], outputs: [{ name: "y", dtype: "float32", shape: [-1] }] } });
const constant = createModelClient({ protocol, signature: lateSignature });
const features = { dtype: "float32", shape: [1, 3], data: new Float32Array(3) } as const;
const rest = { ids: [1n], label: ["a", "b"], known: true } as const;
await late.predict({ features, ...rest });
await late.predict({ features: [[1, 2, 3], [4, 5, 6]], ...rest });
await constant.predict({ features: [[1, 2, 3]], ids: { dtype: "int64", shape: [1], data: new BigInt64Array(1) }, label: ["a", "b"], known: { dtype: "bool", shape: [], data: new Uint8Array(1) } });
const { outputs, evidence } = await late.predict({ features, ...rest }, { deadlineMs: 100 });
const scores: Float64Array = outputs.score.data;
const two: 2 = outputs.score.shape[1];
const classes: readonly string[] = outputs["class"].data;
const id: string = evidence.requestId;
const y: Float32Array = (await inline.predict({ x: [[1, 2]] })).outputs.y.data;
export { scores, two, classes, id, y };
// BAD
await late.predict({ feature: features, ...rest });
await late.predict({ features, ids: [1n], label: ["a", "b"] });
await late.predict({ features, ...rest, more: [1] });
await late.predict({ features: { dtype: "float64", shape: [1, 3], data: new Float64Array(3) }, ...rest });
await late.predict({ features: { dtype: "float32", shape: [1, 3], data: new Float64Array(3) }, ...rest });
await late.predict({ features: { dtype: "float32", shape: [1, 4], data: new Float32Array(4) }, ...rest });
await late.predict({ features: { dtype: "float32", shape: [3], data: new Float32Array(3) }, ...rest });
await late.predict({ features: { dtype: "float32", shape: [1, 1, 3], data: new Float32Array(3) }, ...rest });
await late.predict({ features: [[1, 2]], ...rest });
await late.predict({ features: [1, 2, 3], ...rest });
await late.predict({ features: [["1", "2", "3"]], ...rest });
await late.predict({ features, ids: [1], label: ["a", "b"], known: true });
await late.predict({ features, ids: [1n], label: ["a"], known: true });
await late.predict({ features, ids: [1n], label: ["a", "b"], known: 1 });
await inline.predict({ x: [[1, 2, 3]] });
await inline.predict({ x: { dtype: "float32", shape: [1, 2], data: new Float32Array(2) } });
await constant.predict({ features: [[1, 2, 3, 4]], ...rest });
const wrongName = outputs.scores;
const wrongType: Float32Array = outputs.score.data;
const wrongSize: 3 = outputs.score.shape[1];
const wrongRank = outputs.score.shape[2];
createModelClient({ protocol, signature: { inputs: [{ name: "x", dtype: "float16", shape: [1] }], outputs: [] } });
createLateClient({});
`;

async function compiled(folder: string, name: string): Promise<ReadonlyMap<number, string>> {
  const settings = {
    compilerOptions: {
      target: "es2023",
      lib: ["es2023", "esnext.disposable"],
      module: "nodenext",
      types: ["node"],
      typeRoots: [file("../../../node_modules/@types")],
      strict: true,
      noEmit: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      paths: { "@millwright/serving/clients": [file("../dist/clients.d.ts")] },
    },
    files: [name],
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(settings));
  const output = await run(process.execPath, [tsc, "-p", folder, "--pretty", "false"], { cwd: folder }).then(
    ({ stdout }) => stdout,
    ({ stdout }: { readonly stdout: string }) => stdout,
  );
  const found = new Map<number, string>();
  for (const line of output.split("\n")) {
    const parts = /^(\S+)\((\d+),\d+\): error (.*)$/.exec(line);
    if (parts === null) continue;
    expect(parts[1], line).toBe(name);
    found.set(Number(parts[2]), parts[3] ?? "");
  }
  return found;
}

test("SV-4: tsc refuses a wrong tensor name, element type, rank or size, of generated clients and of signatures in the program, and nothing else", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-clients-"));
  try {
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await writeFile(join(folder, "late.ts"), generateClient(signature, { name: "late", from: "a test" }));
    await writeFile(join(folder, "program.ts"), program);
    const refused = await compiled(folder, "program.ts");
    const lines = program.split("\n");
    const first = lines.indexOf("// BAD") + 2;
    const bad = lines.flatMap((line, at) => (at + 1 >= first && line !== "" ? [at + 1] : []));
    expect(bad).toHaveLength(23);
    const told = [...refused].map(([line, error]) => `${line}: ${error} | ${lines[line - 1]}`);
    expect(
      [...refused.keys()].toSorted((a, b) => a - b),
      told.join("\n"),
    ).toEqual(bad);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("SV-4: the generator writes the client of a package by its command, the same each time, and tells when it is out of date", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-clients-"));
  try {
    const { files, signature: dense } = writeDenseModel([{ kernel: [1, 1], bias: [0], activation: "sigmoid" }]);
    await packModel(join(folder, "late"), { name: "late-flights", format: "dense", files, signature: dense });
    const out = join(folder, "client.ts");
    const args = [command, "--manifest", join(folder, "late"), "--out", out];
    await run(process.execPath, args);
    await run(process.execPath, [...args, "--check"]);
    const printed = await run(process.execPath, args.slice(0, 3));
    expect(printed.stdout).toContain("export const createLateFlightsClient");
    expect(printed.stdout).toContain(
      'readonly prediction: TensorOf<{ name: "prediction"; dtype: "float32"; shape: readonly [-1, 1] }>;',
    );
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    expect([...(await compiled(folder, "client.ts"))]).toEqual([]);
    // Formatted, it is the same client; of another signature, it is not.
    await writeFile(out, (await readFile(out, "utf8")).replaceAll("  ", "\t"));
    await run(process.execPath, [...args, "--check"]);
    await writeFile(out, generateClient(signature, { name: "late-flights" }));
    await expect(run(process.execPath, [...args, "--check"])).rejects.toMatchObject({ code: 1 });
    await expect(run(process.execPath, [command, "--model", "late"])).rejects.toMatchObject({ code: 2 });
    await expect(run(process.execPath, [command, "--manifest", folder])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("cannot be used"),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the command asks a server for the signature, in either protocol, with the headers it is given", async () => {
  const asked: string[] = [];
  const dim = (size: number): object => ({ size: String(size), name: "" });
  const tensorFlow = {
    metadata: {
      signature_def: {
        signature_def: {
          serving_default: {
            inputs: { x: { dtype: "DT_FLOAT", tensor_shape: { dim: [dim(-1), dim(3)], unknown_rank: false } } },
            outputs: { y: { dtype: "DT_INT64", tensor_shape: { dim: [dim(-1)], unknown_rank: false } } },
          },
        },
      },
    },
  };
  const tensor = (name: string, datatype: string, shape: readonly number[]): object => ({ name, datatype, shape });
  const bodies: Readonly<Record<string, unknown>> = {
    "http://models/v2/models/late/versions/2": {
      name: "late",
      platform: "x_y",
      inputs: [tensor("x", "FP16", [-1, 3])],
      outputs: [tensor("y", "INT64", [-1])],
    },
    "http://models/v1/models/late/metadata": tensorFlow,
  };
  const fetch = async (url: string, { headers }: RequestInit): Promise<Response> => {
    asked.push(`${url} ${new Headers(headers).get("authorization")}`);
    const body = bodies[url];
    return body === undefined ? Response.json({ error: "no such model" }, { status: 404 }) : Response.json(body);
  };
  const printed: string[] = [];
  const io = { print: (text: string) => void printed.push(text), fetch };
  const base = ["--url", "http://models", "--model", "late", "--header", "Authorization: Bearer x"];
  expect(await clientCommand([...base, "--version", "2"], io)).toBe(0);
  expect(await clientCommand([...base, "--protocol", "tensorflow"], io)).toBe(0);
  const [one = "", two = ""] = printed;
  expect(one).toBe(two);
  expect(one).toContain('{ name: "x", dtype: "float32", shape: [-1, 3] }');
  expect(one).toContain('{ name: "y", dtype: "int64", shape: [-1] }');
  await expect(clientCommand([...base, "--version", "3"], io)).rejects.toMatchObject({
    code: "SERVING_CLIENT_MODEL_UNKNOWN",
  });
  expect(asked).toEqual([
    "http://models/v2/models/late/versions/2 Bearer x",
    "http://models/v1/models/late/metadata Bearer x",
    "http://models/v2/models/late/versions/3 Bearer x",
  ]);
});

test("names that are no identifiers, or would end a comment, make modules all the same", () => {
  const { inputs } = signature;
  const odd = { inputs: [{ ...inputs[0]!, name: 'a "b"*/c' }], outputs: signature.outputs };
  const text = generateClient(odd, { name: "7 of/late*/", from: "line\nbreak" });
  expect(text).toContain("export const createModel7OfLateClient");
  expect(text).toContain('readonly "a \\"b\\"*/c": TensorInput<');
  expect(text.split("\n")[0]).toMatch(/^\/\/ Generated by millwright-client from line break\. Do not edit/);
  expect(() => generateClient(odd, { name: "!" })).toThrow(TypeError);
});

/** Packages that a compiled module needs, by itself and by what it imports. */
async function packagesOf(
  path: string,
  seen: Set<string> = new Set(),
  found: Set<string> = new Set(),
): Promise<Set<string>> {
  if (seen.has(path)) return found;
  seen.add(path);
  for (const [, from = ""] of (await readFile(path, "utf8")).matchAll(/(?:from|import) "([^"]+)"/g)) {
    if (from.startsWith(".")) await packagesOf(join(dirname(path), from), seen, found);
    else found.add(from);
  }
  return found;
}

test("the clients and the remote runtime load no server: no package but contracts", async () => {
  for (const door of ["clients", "remote"]) {
    const packages = [...(await packagesOf(file(`../dist/${door}.js`)))].filter((name) => !name.startsWith("node:"));
    expect(packages, door).toEqual(["@millwright/contracts"]);
  }
});
