import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateRawSync, crc32 } from "node:zlib";
import {
  Field,
  FixedSizeList,
  Float32,
  makeData,
  makeVector,
  Table,
  tableFromIPC,
  tableToIPC,
  vectorFromArray,
} from "apache-arrow";
import fastify from "fastify";
import { expect, test } from "vitest";
import { type ModelServer, type Stage, listen, openModelServer } from "@millwright/serving";
import { denseRuntime, expected, packFolder } from "./models.ts";

const rows = [
  [0.5, -1, 2, 0.25],
  [1, 1, 1, 1],
  [-3, 0.125, 7, 0.001],
];
const answers = rows.map((row) => expected(1, row));

/** An array as NumPy's documentation describes its format. */
function npy(descr: string, shape: string, bytes: Uint8Array, fortran = "False"): Buffer {
  const head = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`.padEnd(117) + "\n";
  const length = Buffer.alloc(2);
  length.writeUInt16LE(head.length);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), length, Buffer.from(head), bytes]);
}

const floats = Buffer.from(Float64Array.from(rows.flat()).buffer);
const npyBody = npy("<f8", "(3, 4)", floats);

/** A zip of one deflated file. */
function npz(name: string, file: Uint8Array): Buffer {
  const packed = deflateRawSync(file);
  const shared = Buffer.alloc(26);
  shared.writeUInt16LE(20, 0);
  shared.writeUInt16LE(8, 4);
  shared.writeUInt32LE(crc32(file), 10);
  shared.writeUInt32LE(packed.length, 14);
  shared.writeUInt32LE(file.length, 18);
  shared.writeUInt16LE(name.length, 22);
  const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), shared, Buffer.from(name), packed]);
  const entry = Buffer.concat([
    Buffer.from("PK\x01\x02\x14\x00", "latin1"),
    shared,
    Buffer.alloc(14),
    Buffer.from(name),
  ]);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", "latin1");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, entry, end]);
}

function arrowBody(): Uint8Array {
  const type = new FixedSizeList(4, new Field("item", new Float32(), false));
  const child = makeData({ type: new Float32(), data: Float32Array.from(rows.flat()) });
  return tableToIPC(new Table({ features: makeVector(makeData({ type, length: 3, child })) }), "stream");
}

const form = async (parts: Readonly<Record<string, File | string>>): Promise<readonly [string, Buffer]> => {
  const data = new FormData();
  for (const [name, part] of Object.entries(parts)) {
    if (typeof part === "string") data.append(name, part);
    else data.append(name, part, part.name);
  }
  const request = new Request("http://x", { method: "POST", body: data });
  return [request.headers.get("content-type") ?? "", Buffer.from(await request.arrayBuffer())];
};

const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const csv = rows.map((row) => row.join(",")).join("\r\n");

const bodies = async (): Promise<readonly (readonly [string, string | Uint8Array])[]> => [
  ["application/json", JSON.stringify({ instances: rows })],
  ["application/json; charset=utf-8", JSON.stringify({ inputs: { features: rows } })],
  ["application/jsonlines", lines],
  ["application/x-ndjson", lines],
  ["text/csv", csv],
  ["application/x-npy", npyBody],
  ["application/x-npz", npz("features.npy", npyBody)],
  ["application/vnd.apache.arrow.stream", arrowBody()],
  await form({ features: new File([npyBody], "features.npy", { type: "application/x-npy" }) }),
  await form({ features: JSON.stringify(rows) }),
  await form({ file: new File([csv], "rows.csv", { type: "text/csv" }) }),
];

/** The numbers of an npy of float32. */
function numbersOf(bytes: Buffer): readonly number[] {
  const start = 10 + bytes.readUInt16LE(8);
  expect(start % 64).toBe(0);
  expect(bytes.subarray(10, start).toString()).toMatch(
    /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(3, 1\), \} *\n$/,
  );
  return Array.from({ length: 3 }, (_, at) => bytes.readFloatLE(start + at * 4));
}

const readers: Readonly<Record<string, (response: Response) => Promise<readonly number[]>>> = {
  "application/json": async (response) => ((await response.json()) as { predictions: number[] }).predictions,
  "application/jsonlines": async (response) => (await response.text()).trim().split("\n").map(Number),
  "application/x-ndjson": async (response) => (await response.text()).trim().split("\n").map(Number),
  "text/csv": async (response) => (await response.text()).trim().split("\n").map(Number),
  "text/event-stream": async (response) =>
    [...(await response.text()).matchAll(/data: (.*)\n\n/g)].map(([, data]) => Number(data)),
  "application/x-npy": async (response) => numbersOf(Buffer.from(await response.arrayBuffer())),
  "application/x-npz": async (response) => {
    const bytes = Buffer.from(await response.arrayBuffer());
    const start = 30 + bytes.readUInt16LE(26);
    expect(bytes.subarray(30, start).toString()).toBe("probability.npy");
    return numbersOf(bytes.subarray(start, start + bytes.readUInt32LE(18)));
  },
  "application/vnd.apache.arrow.stream": async (response) => {
    const table = tableFromIPC(new Uint8Array(await response.arrayBuffer()));
    expect(table.schema.fields.map(({ name, type }) => `${name}: ${String(type)}`)).toEqual(["probability: Float32"]);
    return Array.from((table.getChild("probability")?.toArray() ?? []) as Float32Array);
  },
  "multipart/form-data": async (response) => {
    const file = (await response.formData()).get("probability") as File;
    expect(file.name).toBe("probability.npy");
    return numbersOf(Buffer.from(await file.arrayBuffer()));
  },
};

const options = (stages: readonly Stage[] = []) => ({
  runtimes: [denseRuntime()],
  endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } }, stages } },
});

const asking =
  (server: ModelServer) =>
  (type: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
    server.handle(
      new Request("http://host/invocations", {
        method: "POST",
        headers: { "content-type": type, ...headers },
        body: body as string,
      }),
    );

test("SV-6: every content type that is read is answered in every one that is written, with the same numbers", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({ source: folder.source, ...options() });
  const ask = asking(server);
  let pairs = 0;
  for (const [type, body] of await bodies())
    for (const [accept, read] of Object.entries(readers)) {
      const response = await ask(type, body, { accept: `image/png, text/csv;q=0.1, ${accept};q=0.9, */*;q=0.01` });
      const told = `${type} → ${accept}: ${response.ok ? "" : await response.clone().text()}`;
      expect(response.status, told).toBe(200);
      expect(response.headers.get("content-type")?.split(";")[0], told).toBe(accept);
      expect(await read(response), told).toEqual(answers.map((answer) => expect.closeTo(answer, 6)));
      pairs += 1;
    }
  expect(pairs).toBe(99);
});

test("arrays of other types, byte orders and layouts, and columns of Arrow, are read as they are", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({ source: folder.source, ...options() });
  const ask = asking(server);
  const read = async (response: Response): Promise<unknown> =>
    ((await response.json()) as { predictions: unknown }).predictions;
  const whole = [3, -1, 2, 1];
  const wanted = [expect.closeTo(expected(1, whole), 6)];
  const json = { accept: "application/json" };
  const big = Buffer.from(Float32Array.from(whole).buffer).swap32();
  const columnMajor = Buffer.from(
    Float32Array.from([0, 1, 2, 3].flatMap((at) => rows.map((row) => row[at] ?? 0))).buffer,
  );
  for (const body of [
    npy(">f4", "(1, 4)", big),
    npy("<i8", "(1, 4)", Buffer.from(BigInt64Array.from(whole.map(BigInt)).buffer)),
    npy("|i1", "(1, 4)", Buffer.from(Int8Array.from(whole).buffer)),
  ])
    expect(await read(await ask("application/x-npy", body, json))).toEqual(wanted);
  expect(await read(await ask("application/x-npy", npy("<f4", "(3, 4)", columnMajor, "True"), json))).toEqual(
    answers.map((answer) => expect.closeTo(answer, 6)),
  );
  const strange = tableToIPC(new Table({ other: vectorFromArray([1, 2], new Float32()) }), "stream");
  const refused = await ask("application/vnd.apache.arrow.stream", strange, json);
  expect([refused.status, await refused.json()]).toMatchObject([
    400,
    { code: "SERVING_INPUT_INVALID", path: "/inputs/other" },
  ]);
  for (const [type, body] of [
    ["application/x-npy", npyBody.subarray(0, 150)],
    ["application/x-npy", npy("|O", "(1,)", Buffer.alloc(8))],
    ["application/x-npz", npz("features.npy", npyBody).subarray(0, 90)],
    ["application/vnd.apache.arrow.stream", arrowBody().subarray(0, 200)],
    ["multipart/form-data; boundary=x", Buffer.from("--y\r\n")],
  ] as const) {
    const response = await ask(type, body);
    expect([response.status, await response.json()], type).toMatchObject([400, { code: "SERVING_BODY_INVALID" }]);
  }
});

/** Listens through both hosts that speak over sockets. */
async function listening(server: ModelServer): Promise<AsyncDisposable & { readonly addresses: readonly string[] }> {
  const app = fastify();
  await app.register(server.fastify);
  const plain = createServer(server.node).listen(0, "127.0.0.1");
  await once(plain, "listening");
  const own = await listen(app, { port: 0 });
  return {
    addresses: [own, `http://127.0.0.1:${(plain.address() as AddressInfo).port}`],
    async [Symbol.asyncDispose]() {
      plain.closeAllConnections();
      plain.close();
      await app.close();
    },
  };
}

test("SV-6: lines are answered while they come, as lines or as events, and what goes wrong later is the last of them", async () => {
  await using folder = await packFolder(1);
  await using server = await openModelServer({ source: folder.source, ...options() });
  await using opened = await listening(server);
  for (const address of opened.addresses) {
    let answered: () => void = () => undefined;
    let heard = new Promise<void>((resolve) => (answered = resolve));
    async function* sent(): AsyncGenerator<Uint8Array, void> {
      for (const row of rows) {
        yield Buffer.from(JSON.stringify(row).slice(0, 5));
        yield Buffer.from(`${JSON.stringify(row).slice(5)}\n`);
        // The next row is not written before this one was answered.
        await heard;
        heard = new Promise<void>((resolve) => (answered = resolve));
      }
      yield Buffer.from("[1, 2]\n");
    }
    const { hostname, port } = new URL(address);
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (/\r\n[0-9a-f]+\r\n0\.\d+\n\r\n$/.test(text)) answered();
    });
    socket.write(
      "POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for await (const part of sent()) socket.write(`${part.length.toString(16)}\r\n${Buffer.from(part).toString()}\r\n`);
    socket.write("0\r\n\r\n");
    await once(socket, "close");
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    const told = [...text.matchAll(/\r\n(0\.\d+)\n/g)].map(([, value]) => Number(value));
    expect(told).toEqual(answers.map((answer) => expect.closeTo(answer, 6)));
    expect(text).toContain('"code":"SERVING_INPUT_INVALID"');

    const events = await fetch(`${address}/invocations`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", accept: "text/event-stream" },
      body: lines,
    });
    expect(events.headers.get("content-type")).toContain("text/event-stream");
    expect(await events.text()).toMatch(/^(data: 0\.\d+\n\n){3}$/);
    const wrong = await fetch(`${address}/invocations`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", accept: "text/event-stream" },
      body: "{",
    });
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { code: "SERVING_BODY_INVALID" }]);
  }
});

test("SV-6: a reader that is slow holds the model back, and is answered in full once it reads", async () => {
  await using folder = await packFolder(1);
  let asked = 0;
  const counting: Stage = { name: "counting", model: (call, next) => ((asked += call.rows), next(call)) };
  await using server = await openModelServer({ source: folder.source, ...options([counting]) });
  await using opened = await listening(server);
  // Answers of some 20 bytes each: far more than the buffers of sockets take.
  const total = 600_000;
  const part = Buffer.from("[0.5,-1,2,0.25]\n".repeat(1_000));
  const chunk = Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]);
  for (const address of opened.addresses) {
    asked = 0;
    const { hostname, port } = new URL(address);
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.write(
      "POST /invocations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const writing = (async () => {
      for (let sent = 0; sent < total; sent += 1_000) if (!socket.write(chunk)) await once(socket, "drain");
      socket.write("0\r\n\r\n");
    })();
    let before = -1;
    // Until nothing moves any more.
    for (let still = 0; still < 3;) {
      await sleep(100);
      still = asked === before && asked > 0 ? still + 1 : 0;
      before = asked;
    }
    const held = asked;
    expect(held).toBeLessThan(total * 0.9);
    let bytes = 0;
    socket.on("data", (data: Buffer) => {
      bytes += data.length;
    });
    socket.resume();
    await writing;
    await once(socket, "close");
    expect(asked).toBe(total);
    expect(bytes).toBeGreaterThan(total * 18);
  }
});
