import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ArtifactStore,
  type Batch,
  type EventLog,
  type JsonValue,
  type ModelRuntime,
  type NumericValue,
  type RecordStore,
  type TensorSpec,
  decodeNumbers,
  encodeNumbers,
} from "@millwright/contracts";
import { batchOf, collect, column, datasetOf, fromIpc, toArray, toIpc } from "@millwright/data";
import { openDuckDb } from "@millwright/duckdb";
import { openLogOnlineStore } from "@millwright/feature-store/drivers/log";
import { openMemoryOnlineStore } from "@millwright/feature-store/drivers/memory";
import type { OnlineRecord, OnlineStore } from "@millwright/feature-store";
import { openDirectoryModelSource, packModel } from "@millwright/model";
import { openRegistry } from "@millwright/registry";
import { type ModelServer, openModelServer } from "@millwright/serving";
import {
  openDirectoryArtifactStore,
  openMemoryArtifactStore,
  openMemoryEventLog,
  openMemoryRecordStore,
  openSqlite,
  openEventLog,
  openRecordStore,
} from "@millwright/storage";
import { expect, test } from "vitest";

const integers = [2n ** 63n - 1n, -(2n ** 63n)];
const numbers = [Number.NaN, -0, 1e-320];

/** `toEqual` tells −0 from 0 and knows NaN; what has passed through must have the same types too. */
const same = (actual: unknown, how: string): void => expect(actual, how).toEqual({ integers, numbers });

type Passage = (folder: string) => Promise<void>;

const json: Passage = async () => {
  const text = JSON.stringify(encodeNumbers({ integers, numbers }));
  same(decodeNumbers(JSON.parse(text)), "JSON");
};

async function throughRecords(store: RecordStore, how: string): Promise<void> {
  await store.write("numbers", encodeNumbers({ integers, numbers }));
  same(decodeNumbers((await store.read("numbers"))!.value), how);
}

async function throughEvents(log: EventLog, how: string): Promise<void> {
  const data = encodeNumbers({ integers, numbers }) as Readonly<Record<string, never>>;
  await log.append([{ source: "test", type: "run.logged", subject: "numbers", data }]);
  const held: NumericValue[] = [];
  for await (const { event } of log.read()) held.push(decodeNumbers(event.data as JsonValue));
  same(held[0], how);
}

const records: Passage = async (folder) => {
  await throughRecords(openMemoryRecordStore(), "records in memory");
  await throughEvents(openMemoryEventLog(), "events in memory");
  const path = join(folder, "mill.db");
  {
    await using database = await openSqlite(path);
    await throughRecords(openRecordStore(database), "records in SQLite");
    await throughEvents(openEventLog(database), "events in SQLite");
    expect(await openEventLog(database).verify()).toMatchObject({ broken: undefined });
  }
  await using again = await openSqlite(path);
  same(decodeNumbers((await openRecordStore(again).read("numbers"))!.value), "records, read again");
};

const metrics: Passage = async (folder) => {
  await using database = await openSqlite(join(folder, "runs.db"));
  const artifacts = await openDirectoryArtifactStore(join(folder, "run-artifacts"));
  await using registry = await openRegistry({ database, artifacts, directory: join(folder, "staged") });
  const run = await registry.startRun({ experiment: "numbers", name: "all" });
  run.logParams({ integers: encodeNumbers(integers), numbers });
  run.logMetrics(numbers.map((value, step) => ({ name: "value", value, step })));
  await run.end("finished");
  const { params } = await registry.run(run.id);
  same({ integers: decodeNumbers(params["integers"]!), numbers: params["numbers"] }, "parameters of a run");
  expect((await registry.series(run.id, "value")).map(({ value }) => value)).toEqual(numbers);
};

const columns: Batch = batchOf({ i: column("int64", [...integers, null]), f: column("float64", numbers) });
const sameColumns = (batch: Batch, how: string): void => {
  expect(batch.columns["i"]?.type, how).toBe("int64");
  same({ integers: toArray(batch.columns["i"]!).slice(0, 2), numbers: toArray(batch.columns["f"]!) }, how);
};

const tables: Passage = async (folder) => {
  const [arrived, ...more] = fromIpc(toIpc(columns));
  expect(more).toEqual([]);
  sameColumns(arrived!, "Arrow IPC");
  await using duckdb = await openDuckDb();
  const path = join(folder, "numbers.parquet");
  await duckdb.writeParquet(columns, path);
  const dataset = await duckdb.scan(path);
  sameColumns(await collect(dataset), "Parquet");
  expect(await dataset.digest()).toBe(await datasetOf([columns]).digest());
};

async function throughOnline(store: OnlineStore, how: string): Promise<void> {
  const row = { key: "k", timeUs: 1, createdUs: null, inputs: [], values: [...integers, ...numbers] };
  await store.append("view", [row]);
  await sameOnline(store, how);
}

async function sameOnline(store: OnlineStore, how: string): Promise<void> {
  const rows: OnlineRecord[] = [];
  for await (const row of store.read("view")) rows.push(row);
  const values = rows.flatMap((row) => ("values" in row ? row.values : []));
  same({ integers: values.slice(0, 2), numbers: values.slice(2) }, how);
}

const online: Passage = async (folder) => {
  await using memory = openMemoryOnlineStore();
  await throughOnline(memory, "online rows in memory");
  {
    await using store = await openLogOnlineStore(join(folder, "online"));
    await throughOnline(store, "online rows in a log");
  }
  await using again = await openLogOnlineStore(join(folder, "online"));
  await sameOnline(again, "online rows, read again");
};

const artifacts: Passage = async (folder) => {
  const floats = new Uint8Array(Float64Array.from(numbers).buffer);
  const longs = new Uint8Array(BigInt64Array.from(integers).buffer);
  const read = async (store: ArtifactStore, bytes: Uint8Array): Promise<ArrayBuffer> => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.open((await store.put(bytes)).digest)) chunks.push(chunk.slice());
    return new Uint8Array(Buffer.concat(chunks)).buffer;
  };
  for (const store of [openMemoryArtifactStore(), await openDirectoryArtifactStore(join(folder, "artifacts"))]) {
    const held = {
      integers: [...new BigInt64Array(await read(store, longs))],
      numbers: [...new Float64Array(await read(store, floats))],
    };
    same(held, "artifacts");
  }
};

const specs: readonly TensorSpec[] = [
  { name: "i", dtype: "int64", shape: [-1] },
  { name: "f", dtype: "float64", shape: [-1] },
];

/** Answers with what it was asked. */
const echo: ModelRuntime = {
  formats: ["echo"],
  load: async () => ({ predict: (inputs) => inputs, memoryBytes: 0, dispose: async () => {} }),
};

async function openEcho(folder: string): Promise<ModelServer> {
  const files = { "model.txt": new TextEncoder().encode("echo") };
  await packModel(join(folder, "models", "echo", "1"), {
    name: "echo",
    format: "echo",
    files,
    signature: { inputs: specs, outputs: specs },
  });
  await writeFile(join(folder, "models", "echo", "aliases.json"), '{"champion":1}');
  return openModelServer({
    source: openDirectoryModelSource(join(folder, "models")),
    runtimes: [echo],
    endpoints: { echo: { variants: { main: { model: "echo@champion", weight: 1 } } } },
  });
}

const ask = (
  server: ModelServer,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> => server.handle(new Request(`http://mill${path}`, { method: "POST", body, headers }));

/** The elements of each `data` as they stand in the text: `JSON.parse` would round integers. */
const dataOf = (text: string): string[][] =>
  [...text.matchAll(/"data":\[([^\]]*)\]/g)].map(([, list]) => list!.split(","));
const numberOf = (text: string): number => (text === "null" ? Number.NaN : Number(text));

// A row holds one of each: integers beyond 2^53 go in as text or as they are, and NaN, for which JSON has no number, as null.
const wireIntegers = [...integers, 0n].map(String);
const wireNumbers = ["null", "-0", "1e-320"];

const tensors: Passage = async (folder) => {
  await using server = await openEcho(folder);
  const [i, f] = [
    { name: "i", datatype: "INT64", shape: [3] },
    { name: "f", datatype: "FP64", shape: [3] },
  ];
  const texts = `[${wireNumbers.join(",")}]`;
  const body = `{"inputs":[${JSON.stringify({ ...i, data: wireIntegers })},${JSON.stringify(f).slice(0, -1)},"data":${texts}}]}`;
  const answer = await (await ask(server, "/v2/models/echo/infer", body)).text();
  const [longs, floats] = dataOf(answer) as [string[], string[]];
  same({ integers: longs.slice(0, 2).map(BigInt), numbers: floats.map(numberOf) }, `Open Inference JSON: ${answer}`);
  // As numbers, which JSON.parse would round, they keep all their digits too.
  const bare = body.replaceAll(/"(-?\d{19})"/g, "$1");
  expect(bare).not.toBe(body);
  const [exact] = dataOf(await (await ask(server, "/v2/models/echo/infer", bare)).text());
  expect(exact?.slice(0, 2).map(BigInt)).toEqual(integers);

  const parameters = { binary_data_size: 24 };
  const head = JSON.stringify({
    inputs: [i, f].map((tensor) => ({ ...tensor, parameters })),
    parameters: { binary_data_output: true },
  });
  const bytes = [BigInt64Array.from([...integers, 0n]), Float64Array.from(numbers)].map(({ buffer }) =>
    Buffer.from(buffer),
  );
  const length = { "inference-header-content-length": String(Buffer.byteLength(head)) };
  const reply = await ask(
    server,
    "/v2/models/echo/infer",
    new Uint8Array(Buffer.concat([Buffer.from(head), ...bytes])),
    length,
  );
  const tail = (await reply.arrayBuffer()).slice(Number(reply.headers.get("inference-header-content-length")));
  same(
    { integers: [...new BigInt64Array(tail, 0, 2)], numbers: [...new Float64Array(tail, 24, 3)] },
    "Open Inference binary",
  );
  await server.drain();
};

const invocations: Passage = async (folder) => {
  await using server = await openEcho(join(folder, "invocations"));
  const rows = wireIntegers.map((integer, row) => `{"i":"${integer}","f":${wireNumbers[row]}}`);
  const headers = { "content-type": "application/json" };
  const body = `{"instances":[${rows.join(",")}]}`;
  const csv = await ask(server, "/endpoints/echo/invocations", body, { ...headers, accept: "text/csv" });
  const lines = (await csv.text())
    .trim()
    .split("\n")
    .map((line) => line.trim().split(","));
  same({ integers: lines.slice(0, 2).map(([i]) => BigInt(i!)), numbers: lines.map(([, f]) => Number(f)) }, "CSV");
  const answer = await (await ask(server, "/endpoints/echo/invocations", body, headers)).text();
  const found = [...answer.matchAll(/"i":(-?\d+),"f":([^}]*)\}/g)];
  same(
    { integers: found.slice(0, 2).map(([, i]) => BigInt(i!)), numbers: found.map(([, , f]) => numberOf(f!)) },
    answer,
  );
  await server.drain();
};

test("CT-9: 2^63−1, −2^63, NaN, −0 and 1e−320 pass every store and wire format unchanged, or are refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-numbers-"));
  try {
    for (const pass of [json, records, metrics, tables, online, artifacts, tensors, invocations]) await pass(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
