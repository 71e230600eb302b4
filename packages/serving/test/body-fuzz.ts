import { gzipSync } from "node:zlib";
import { createRandom } from "@millwright/contracts";
import { Float32, Table, makeData, makeVector, tableToIPC } from "apache-arrow";

/** Chances of `createRandom`, with whole numbers from `low` up to but not `high`. */
interface Random {
  next(): number;
  int(low: number, high: number): number;
}

function seeded(seed: number): Random {
  const { next } = createRandom(seed);
  return { next, int: (low, high) => low + Math.floor(next() * (high - low)) };
}

/** A request whose body may be anything. */
export interface FuzzedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const rows = [
  [0.5, -1, 2, 0.25],
  [1, 1, 1, 1],
];

function npy(): Buffer {
  const head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }".padEnd(117) + "\n";
  const bytes = Buffer.from(Float32Array.from(rows.flat()).buffer);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00\x76\x00", "latin1"), Buffer.from(head), bytes]);
}

function zipped(file: Buffer): Buffer {
  const shared = Buffer.alloc(26);
  shared.writeUInt32LE(file.length, 14);
  shared.writeUInt32LE(file.length, 18);
  shared.writeUInt16LE(8, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), shared, Buffer.from("features"), file]);
  const entry = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00", "latin1"),
    shared,
    Buffer.alloc(14),
    Buffer.from("features"),
  ]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, entry, end]);
}

function binary(): FuzzedRequest {
  const bytes = Buffer.from(Float32Array.from(rows.flat()).buffer);
  const head = JSON.stringify({
    id: "a",
    inputs: [{ name: "features", datatype: "FP32", shape: [2, 4], parameters: { binary_data_size: bytes.length } }],
    outputs: [{ name: "probability", parameters: { binary_data: true } }],
  });
  return {
    path: "/v2/models/late/infer",
    headers: { "content-type": "application/octet-stream", "inference-header-content-length": String(head.length) },
    body: Buffer.concat([Buffer.from(head), bytes]),
  };
}

/** Good requests of every content type, from which bad ones are made. */
function seeds(): readonly FuzzedRequest[] {
  const json = "application/json";
  const at = (path: string, type: string, body: string | Uint8Array): FuzzedRequest => ({
    path,
    headers: { "content-type": type },
    body: Buffer.from(body as string),
  });
  const arrow = tableToIPC(
    new Table({ features: makeVector(makeData({ type: new Float32(), data: Float32Array.of(1, 2) })) }),
    "stream",
  );
  const lines = rows.map((row) => JSON.stringify(row)).join("\n");
  const form = '--b\r\nContent-Disposition: form-data; name="features"\r\n\r\n[[1,2,3,4]]\r\n--b--\r\n';
  const tensor = { name: "features", datatype: "FP32", shape: [2, 4], data: rows };
  return [
    at("/invocations", json, JSON.stringify({ instances: rows })),
    at("/endpoints/late/predict", json, JSON.stringify({ inputs: { features: rows } })),
    at("/endpoints/late/predict", json, JSON.stringify({ instances: rows.map((features) => ({ features })) })),
    at(
      "/endpoints/named/predict",
      json,
      '{"instances":[{"distance":700,"carrier":"AA"},{"distance":null,"carrier":"BB"}]}',
    ),
    at("/endpoints/named/predict", json, '{"entities":[{"flight":"AA1"}],"request":[{"wind":4}]}'),
    at("/invocations", "text/csv", rows.map((row) => row.join(",")).join("\r\n")),
    at("/endpoints/named/invocations", "text/csv; header=present", 'distance,carrier\n700,"A,""A"\n1e3,BB\n'),
    at("/invocations", "application/jsonlines", lines),
    {
      ...at("/invocations", "application/x-ndjson", lines),
      headers: { "content-type": "application/x-ndjson", accept: "text/event-stream" },
    },
    at("/invocations", "application/x-npy", npy()),
    at("/invocations", "application/x-npz", zipped(npy())),
    at("/invocations", "application/vnd.apache.arrow.stream", arrow),
    at("/invocations", "multipart/form-data; boundary=b", form),
    {
      ...at("/invocations", json, gzipSync(JSON.stringify({ instances: rows }))),
      headers: { "content-type": json, "content-encoding": "gzip" },
    },
    at(
      "/v2/models/late/infer",
      json,
      JSON.stringify({ id: "a", inputs: [tensor], outputs: [{ name: "probability" }] }),
    ),
    binary(),
  ];
}

const values: readonly unknown[] = [
  null,
  true,
  "",
  "x",
  "\u0000",
  "__proto__",
  "NaN",
  0,
  -0,
  -1,
  1e308,
  1e-320,
  2 ** 53,
  2 ** 63,
  4_294_967_296,
  0.1,
  [],
  {},
  [[]],
  [null],
  { toString: 1 },
  "9".repeat(400),
  "constructor",
  { __proto__: [] },
  Array.from({ length: 50 }, () => []),
];
const names = [
  "instances",
  "inputs",
  "entities",
  "request",
  "name",
  "datatype",
  "shape",
  "data",
  "parameters",
  "binary_data_size",
  "outputs",
  "id",
  "__proto__",
  "length",
];

/** A JSON value with some of its parts exchanged, taken away, doubled or named anew. */
function mutateJson(random: Random, value: unknown, depth = 0): unknown {
  if (random.next() < 0.15 / (depth + 1) + 0.05) return values[random.int(0, values.length)];
  if (Array.isArray(value)) {
    const items = value.map((item) => (random.next() < 0.5 ? mutateJson(random, item, depth + 1) : (item as unknown)));
    const chance = random.next();
    if (chance < 0.1) items.pop();
    else if (chance < 0.2) items.push(...items);
    else if (chance < 0.25) return [items];
    return items;
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) => {
      const chance = random.next();
      if (chance < 0.05) return [];
      const as = chance < 0.12 ? (names[random.int(0, names.length)] ?? name) : name;
      return [[as, random.next() < 0.6 ? mutateJson(random, item, depth + 1) : (item as unknown)]];
    }),
  );
}

const snippets = [
  "{",
  "}",
  "[",
  "]",
  '"',
  ",",
  ":",
  "\\u",
  "1e999",
  "-",
  "NaN",
  "\r\n",
  "\ufeff",
  "--b",
  "\u0000",
  "(99999999999999,)",
  "'descr': '>c16'",
  "[[[[[[[[[[[[[[[[[[[[",
  '{"a":',
];

/** Bytes with some of them changed, taken away, doubled, or with pieces of syntax between. */
function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let mutated = Buffer.from(bytes);
  for (let times = random.int(1, 5); times > 0; times -= 1) {
    const at = random.int(0, mutated.length + 1);
    switch (random.int(0, 6)) {
      case 0:
        if (at < mutated.length) mutated[at] = random.int(0, 256);
        break;
      case 1:
        mutated = mutated.subarray(0, at);
        break;
      case 2:
        mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(random.int(0, at + 1))]);
        break;
      case 3:
        mutated = Buffer.concat([
          mutated.subarray(0, at),
          Buffer.from(snippets[random.int(0, snippets.length)] ?? ""),
          mutated.subarray(at),
        ]);
        break;
      case 4:
        if (at < mutated.length) mutated[at] = (mutated[at] ?? 0) ^ (1 << random.int(0, 8));
        break;
      default:
        if (at + 4 <= mutated.length)
          mutated.writeUInt32LE([0, 0xffffffff, 0x7fffffff, 0x80000000, 1, 65_536][random.int(0, 6)] ?? 0, at);
    }
  }
  return mutated;
}

const types = [
  "",
  "text/csv",
  "application/json",
  "application/x-npy",
  "application/vnd.apache.arrow.stream",
  "multipart/form-data",
  "multipart/form-data; boundary=",
  "x",
  "application/x-npz",
  "application/jsonlines; header=present",
];

/** Malformed requests without end, the same from the same seed. */
export function* fuzzedRequests(seed: number): Generator<FuzzedRequest, never> {
  const random = seeded(seed);
  const good = seeds();
  for (;;) {
    const { path, headers, body } = good[random.int(0, good.length)] as FuzzedRequest;
    const isJson = body[0] === 0x7b && headers["inference-header-content-length"] === undefined;
    let bytes: Uint8Array =
      isJson && random.next() < 0.6
        ? Buffer.from(JSON.stringify(mutateJson(random, JSON.parse(Buffer.from(body).toString()))))
        : body;
    if (bytes === body || random.next() < 0.3) bytes = mutateBytes(random, bytes);
    const changed: Record<string, string> = { ...headers };
    const chance = random.next();
    if (chance < 0.05) changed["content-type"] = types[random.int(0, types.length)] ?? "";
    else if (chance < 0.08)
      changed["inference-header-content-length"] =
        ["-1", "1e9", "x", "0", "5", "9007199254740993"][random.int(0, 6)] ?? "";
    else if (chance < 0.1)
      changed["content-encoding"] = ["gzip", "br", "deflate", "zstd", "gzip, gzip"][random.int(0, 5)] ?? "";
    else if (chance < 0.14)
      changed["accept"] =
        ["*/*", ";;;q=x", "application/x-npy", "application/vnd.apache.arrow.stream", "text/event-stream;q=0"][
          random.int(0, 5)
        ] ?? "";
    yield { path, headers: changed, body: bytes };
  }
}
