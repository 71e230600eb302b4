import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { type Invocation, startTransform, type TransformTarget } from "@millwright/serving/transform";
import { datasetOf, batchOf } from "@millwright/data";
import { expect, test } from "vitest";
import { denseRuntime, expected, packFolder } from "./models.ts";
import { folder } from "./transforms-of-files.ts";

const rowOf = (at: number): readonly number[] => [at / 7, -at / 11, (at % 13) / 3, at % 5];
const csvOf = (rows: readonly (readonly number[])[]): string => rows.map((row) => `${row.join(",")}\n`).join("");

/** Answers each line with its length, and remembers what it was sent. */
function createEcho(): {
  readonly target: TransformTarget;
  readonly sent: Invocation[];
  readonly bodies: () => readonly string[];
} {
  const sent: Invocation[] = [];
  return {
    sent,
    bodies: () => sent.map(({ body }) => Buffer.from(body as Uint8Array).toString("utf8")),
    target: {
      name: "echo",
      invoke: (invocation) => {
        sent.push(invocation);
        return Promise.resolve({ status: 200, body: invocation.body as Uint8Array });
      },
    },
  };
}

test("BT-1: three files become three outputs with as many lines in the same order, as the endpoint of the same model answers them", async () => {
  await using models = await packFolder(1);
  await using files = await folder();
  const counts = { "a.csv": 1, "b.csv": 700, "deep/c.csv": 42 };
  await mkdir(join(files.input, "deep"));
  for (const [name, count] of Object.entries(counts))
    await writeFile(join(files.input, name), csvOf(Array.from({ length: count }, (_, at) => rowOf(at + count))));
  const runtimes = [denseRuntime()];
  const job = startTransform({
    model: { source: models.source, runtimes, model: "late@champion" },
    input: files.input,
    output: files.output,
  });
  const { objects, manifest, status } = await job.result();
  expect(objects.map(({ output, records, written }) => [output, records, written])).toEqual([
    ["a.csv.out", 1, 1],
    ["b.csv.out", 700, 700],
    ["deep/c.csv.out", 42, 42],
  ]);
  expect(status).toMatchObject({ state: "completed", objects: 3, objectsDone: 3, records: 743, failed: 0 });
  expect(manifest?.model?.version).toBe(1);
  await using server: ModelServer = await openModelServer({
    source: models.source,
    runtimes,
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
  });
  for (const [name, count] of Object.entries(counts)) {
    const text = await readFile(join(files.output, `${name}.out`), "utf8");
    const answer = await server.handle(
      new Request("http://server/invocations", {
        method: "POST",
        headers: { "content-type": "text/csv" },
        body: await readFile(join(files.input, name)),
      }),
    );
    expect(text).toBe(await answer.text());
    const values = text.trimEnd().split("\n").map(Number);
    expect(values).toEqual(values.map((_, at) => expect.closeTo(expected(1, rowOf(at + count)), 5)));
  }
  // Nothing of the job is left but its outputs and its manifest.
  expect((await readdir(files.output)).toSorted()).toEqual([
    "a.csv.out",
    "b.csv.out",
    "deep",
    "transform.manifest.json",
  ]);
});

test("BT-1: a prefix, a list, a manifest, rows and a dataset are inputs too", async () => {
  await using models = await packFolder(1);
  await using files = await folder();
  for (const name of ["part-0.csv", "part-1.csv", "other.csv"])
    await writeFile(join(files.input, name), csvOf([rowOf(name.length), rowOf(2)]));
  await writeFile(
    join(files.input, "late.manifest"),
    JSON.stringify([{ prefix: "s3://bucket/in/" }, "part-1.csv", "other.csv"]),
  );
  const model = { source: models.source, runtimes: [denseRuntime()], model: "late/1" };
  const outputsOf = async (
    input: Parameters<typeof startTransform>[0]["input"],
    name: string,
  ): Promise<readonly string[]> => {
    const job = startTransform({
      model,
      input,
      output: files.output,
      name,
      contentType: name === "rows" ? undefined : "text/csv",
    });
    return (await job.result()).objects.map(({ output, records }) => `${output} ${records}`);
  };
  expect(await outputsOf(join(files.input, "part-"), "prefix")).toEqual(["part-0.csv.out 2", "part-1.csv.out 2"]);
  expect(await outputsOf([join(files.input, "other.csv"), join(files.input, "part-0.csv")], "list")).toEqual([
    "other.csv.out 2",
    "part-0.csv.out 2",
  ]);
  const manifest = join(files.input, "late.manifest");
  expect(await outputsOf({ manifest, locations: { "s3://bucket/in/": files.input } }, "manifest")).toEqual([
    "part-1.csv.out 2",
    "other.csv.out 2",
  ]);
  const rows = [{ features: [1, 2, 3, 4] }, { features: [0, 0, 0, 1] }];
  expect(await outputsOf({ rows }, "rows")).toEqual(["rows.out 2"]);
  const answers = (await readFile(join(files.output, "rows.out"), "utf8")).trimEnd().split("\n").map(Number);
  expect(answers).toEqual(rows.map(({ features }) => expect.closeTo(expected(1, features), 5)));
});

test("BT-1: rows of a dataset go through the model's columns, and gzipped files are unpacked", async () => {
  await using files = await folder();
  const { target, bodies } = createEcho();
  const dataset = datasetOf([batchOf({ id: [1, 2], name: ["a", null] }), batchOf({ id: [3], name: ["c,\n"] })]);
  await startTransform({ target, input: { rows: dataset, key: "table" }, output: files.output }).result();
  expect(bodies().join("")).toBe('{"id":1,"name":"a"}\n{"id":2,"name":null}\n{"id":3,"name":"c,\\n"}\n');
  expect(await readFile(join(files.output, "table.out"), "utf8")).toBe(bodies().join(""));
  await writeFile(join(files.input, "x.csv.gz"), gzipSync("1\n2\n3\n"));
  const zipped = startTransform({
    target,
    input: files.input,
    output: files.output,
    compression: "Gzip",
    name: "zipped",
  });
  expect((await zipped.result()).objects[0]?.records).toBe(3);
});

test("an input that its own output would lie in is refused; a file's output may lie beside it", async () => {
  await using files = await folder();
  const { target } = createEcho();
  await writeFile(join(files.input, "x.csv"), "1\n");
  const refused = { code: "SERVING_TRANSFORM_INVALID" };
  for (const output of [files.input, join(files.input, "out")])
    await expect(startTransform({ target, input: files.input, output }).result()).rejects.toMatchObject(refused);
  await expect(
    startTransform({ target, input: join(files.root, "o"), output: files.output }).result(),
  ).rejects.toMatchObject(refused);
  await startTransform({ target, input: join(files.input, "x.csv"), output: files.input }).result();
  expect(await readFile(join(files.input, "x.csv.out"), "utf8")).toBe("1\n");
});

test("keys that begin alike and are long are objects of their own, and many requests at once are no leak", async () => {
  await using files = await folder();
  const { target } = createEcho();
  const long = "k".repeat(190);
  const object = (at: number) => ({
    key: `${long}-${at}.csv`,
    open: async function* () {
      yield Buffer.from(`${at}\n`.repeat(40));
    },
  });
  const warnings: unknown[] = [];
  const note = (warning: unknown): void => void warnings.push(warning);
  process.on("warning", note);
  const slow = {
    ...target,
    invoke: async (invocation: Invocation) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return target.invoke(invocation);
    },
  };
  const shape = { batchStrategy: "SingleRecord", maxConcurrentTransforms: 40, chunkRecords: 1 } as const;
  await startTransform({
    target: slow,
    input: { objects: [object(1), object(2)] },
    output: files.output,
    ...shape,
  }).result();
  process.off("warning", note);
  expect(warnings).toEqual([]);
  for (const at of [1, 2])
    expect(await readFile(join(files.output, `${long}-${at}.csv.out`), "utf8")).toBe(`${at}\n`.repeat(40));
});
