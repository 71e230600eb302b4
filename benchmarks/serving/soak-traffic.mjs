// What the soak sends: mostly what clients send, and all that clients do wrong. Each request says what may be answered to it.
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";

const json = { "content-type": "application/json" };
const malformed = [
  ["{", json],
  ['{"instances": [[1, 2', json],
  ['{"instances": "no"}', json],
  ['{"instances": [[1,2,3]]}', json],
  ['{"instances": [["a"]]}', json],
  ["[".repeat(5000), json],
  ["1,2,x\n", { "content-type": "text/csv" }],
  ["\u0000\u0001\u0002", { "content-type": "application/octet-stream", "inference-header-content-length": "99" }],
  ["", json],
  ["{}", { "content-type": "application/vnd.unknown" }],
  ["not gzip", { ...json, "content-encoding": "gzip" }],
];

/** Bodies of requests, drawn at random. */
function createBodies({ width, random }) {
  const row = () => Array.from({ length: width }, () => Number((random() - 0.5).toFixed(4)));
  const tensor = (count) => Float32Array.from({ length: count * width }, () => random() - 0.5);
  const spec = (count) => ({ name: "features", shape: [count, width], datatype: "FP32" });
  return {
    csv: () => `${row().join(",")}\n`,
    ndjson: () => `${JSON.stringify({ features: row() })}\n`.repeat(2),
    rows: (count) => JSON.stringify({ instances: Array.from({ length: count }, row) }),
    oip: (count) => JSON.stringify({ inputs: [{ ...spec(count), data: [...tensor(count)] }] }),
    /** The body and its headers. */
    binary: (count) => {
      const parameters = { binary_data_size: count * width * 4 };
      const head = JSON.stringify({
        parameters: { binary_data_output: true },
        inputs: [{ ...spec(count), parameters }],
      });
      const headers = {
        "content-type": "application/octet-stream",
        "inference-header-content-length": `${head.length}`,
      };
      return [Buffer.concat([Buffer.from(head), Buffer.from(tensor(count).buffer)]), headers];
    },
  };
}

/** @returns what asks once: the status, or how the connection ended. */
const asker =
  (port, agent) =>
  (path, body, headers = {}, { hangUpMs } = {}) =>
    new Promise((resolve) => {
      const length = Buffer.byteLength(body);
      const target = { port, host: "127.0.0.1", path, method: "POST", agent };
      const call = httpRequest({ ...target, headers: { ...headers, "content-length": length } });
      call.on("response", (answer) => {
        answer.on("data", () => undefined);
        answer.on("end", () => resolve(answer.statusCode));
        answer.on("error", () => resolve("cut"));
      });
      call.on("error", () => resolve(hangUpMs === undefined ? "error" : "hung up"));
      call.end(body);
      if (hangUpMs !== undefined) setTimeout(() => call.destroy(), hangUpMs);
    });

const post = "POST /invocations HTTP/1.1\r\n";
const jsonHead = "Host: x\r\nContent-Type: application/json\r\n";

/** A connection of its own that says it sends more than it does, and goes. */
const hangUp = (port, random) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`${post}${jsonHead}Content-Length: 5000\r\n\r\n{"instances": [[`);
      setTimeout(() => socket.destroy(), 5 + 20 * random());
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve("hung up"));
  });

/** Connections that trickle for as long as they are let. @returns how often they were cut off. */
function trickle(port, connections) {
  const cut = { count: 0 };
  const open = new Set();
  let ended = false;
  const start = (at) => {
    const socket = connect(port, "127.0.0.1");
    open.add(socket);
    const inHead = at % 2 === 0;
    socket.write(inHead ? post : `${post}${jsonHead}Content-Length: 100000\r\n\r\n`);
    const timer = setInterval(() => socket.write(inHead ? "X" : " "), 400);
    socket.on("data", () => undefined);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearInterval(timer);
      open.delete(socket);
      cut.count += 1;
      if (!ended) setTimeout(() => start(at), 200);
    });
  };
  for (let at = 0; at < connections; at += 1) start(at);
  const stop = () => {
    ended = true;
    for (const socket of open) socket.destroy();
  };
  return { cut, stop };
}

export function createTraffic({ port, width, flights, random }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const { csv, ndjson, rows, oip, binary } = createBodies({ width, random });
  const ask = asker(port, agent);
  const usual = Array.from({ length: 64 }, () => rows(1));
  const below = (end) => Math.floor(random() * end);
  const one = (list) => list[below(list.length)];
  let sent = 0;
  const unique = () => `${process.pid}-${(sent += 1)}`;
  const sticky = () => ({ ...json, "x-millwright-sticky-key": unique() });
  const late = "/endpoints/late/invocations";
  const kept = "/endpoints/kept/invocations";
  const deployed = "/endpoints/deployed/invocations";
  const traced = () => ({ ...sticky(), "x-request-id": unique(), "x-user": `u${below(1e6)}` });
  const entity = () => JSON.stringify({ entities: [{ flight: `AA${below(flights * 1.05)}` }] });
  const oipHeaders = () => ({ ...json, "x-request-id": unique() });
  // Shares, what they are, what may be answered.
  const kinds = [
    [34, "invocations", [200], () => ask("/invocations", rows(1), traced())],
    [6, "csv", [200], () => ask("/invocations", csv(), { "content-type": "text/csv" })],
    [3, "ndjson", [200], () => ask("/invocations", ndjson(), { "content-type": "application/x-ndjson" })],
    [12, "inference protocol", [200], () => ask("/v2/models/late/infer", oip(1), oipHeaders())],
    [8, "binary tensors", [200], () => ask("/v2/models/late/infer", ...binary(4))],
    [10, "features", [200], () => ask("/endpoints/fed/predict", entity(), json)],
    [6, "batches of 64", [200], () => ask(late, rows(64), json)],
    [6, "response cache", [200], () => ask(kept, one(usual), json)],
    [2, "idempotency keys", [200], () => ask(kept, rows(1), { ...json, "idempotency-key": unique() })],
    [4, "while deployed", [200], () => ask(deployed, rows(1), sticky())],
    [4, "malformed", [400, 413, 415], () => ask("/invocations", ...one(malformed))],
    [1, "unknown", [404, 405], () => ask(`/v2/models/${unique()}/infer`, oip(1), json)],
    [1, "too large", [413, "error"], () => ask("/invocations", " ".repeat((1 << 20) + 1), json)],
    [2, "hung up in the body", ["hung up"], () => hangUp(port, random)],
    [1, "hung up", [200, "hung up", "cut"], () => ask(late, rows(64), json, { hangUpMs: 3 * random() })],
  ];
  const total = kinds.reduce((sum, [share]) => sum + share, 0);
  return {
    /** One request. @returns its kind, what came, and whether that is what may come. */
    async one() {
      let left = random() * total;
      const [, kind, allowed, send] = kinds.find(([share]) => (left -= share) < 0) ?? kinds[0];
      const startMs = performance.now();
      const status = await send();
      return { kind, status, well: allowed.includes(status), ms: performance.now() - startMs };
    },
    trickle: (connections) => trickle(port, connections),
    close: () => agent.destroy(),
  };
}
