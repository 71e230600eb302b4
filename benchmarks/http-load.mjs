// A load generator on bare sockets: requests are bytes made beforehand, answers are read by their content-length. The generator itself takes little
// of the processors that the servers need.
import { connect } from "node:net";

/** The bytes of a POST. */
export function requestOf({ path, body, headers = {} }) {
  const bytes = typeof body === "string" ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.length);
  const lines = { host: "127.0.0.1", "content-type": "application/json", ...headers, "content-length": bytes.length };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join("")}\r\n`), bytes]);
}

const headEnd = Buffer.from("\r\n\r\n");
const chunksEnd = Buffer.from("0\r\n\r\n");

/** One connection that asks one thing at a time. */
class Connection {
  #socket;
  #parts = [];
  #received = 0;
  #wanted = 0;
  #bodyAt = 0;
  #status = 0;
  #done;
  #fail;

  static async open(port) {
    const connection = new Connection();
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    socket.on("data", (data) => connection.#take(data));
    socket.on("error", () => {});
    socket.on("close", () => connection.#fail?.(new Error("the server closed a connection")));
    connection.#socket = socket;
    return connection;
  }

  get isOpen() {
    return this.#socket.readyState === "open";
  }

  /** @returns status and body. */
  ask(bytes) {
    this.#socket.write(bytes);
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
    });
  }

  close() {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  #take(data) {
    this.#parts.push(data);
    this.#received += data.length;
    if (this.#wanted === 0) {
      const whole = this.#parts.length === 1 ? data : Buffer.concat(this.#parts);
      this.#parts = [whole];
      const end = whole.indexOf(headEnd);
      if (end < 0) return;
      const head = whole.latin1Slice(0, end);
      this.#status = Number(head.slice(9, 12));
      this.#bodyAt = end + 4;
      const length = /content-length: *(\d+)/i.exec(head);
      if (length === null && /transfer-encoding: *chunked/i.test(head)) return this.#takeChunks(whole);
      if (length === null) return this.#fail?.(new Error(`an answer has no content-length:\n${head}`));
      this.#wanted = this.#bodyAt + Number(length[1]);
    }
    if (this.#received < this.#wanted) return;
    const whole = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts);
    this.#answer(whole.subarray(this.#bodyAt, this.#wanted));
  }

  /** Answers that do not say how long they are end with an empty chunk. */
  #takeChunks(whole) {
    if (whole.subarray(-chunksEnd.length).equals(chunksEnd)) this.#answer(joinChunks(whole.subarray(this.#bodyAt)));
  }

  #answer(body) {
    const answer = { status: this.#status, body };
    this.#parts = [];
    this.#received = this.#wanted = 0;
    this.#fail = undefined;
    this.#done(answer);
  }
}

/** The bytes of chunks without their sizes. */
function joinChunks(bytes) {
  const chunks = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.latin1Slice(at, line), 16);
    if (!(size > 0)) return Buffer.concat(chunks);
    chunks.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 4 + size;
  }
}

/** Asks once. Throws where the answer is not 200. */
export async function askOnce(port, request) {
  const connection = await Connection.open(port);
  try {
    const { status, body } = await connection.ask(request);
    if (status !== 200) throw new Error(`the server answered ${status}: ${body.toString().slice(0, 1000)}`);
    return body;
  } finally {
    connection.close();
  }
}

/** Connections that are opened again where a server closes them, as Feast's workers do after some requests. */
class Pool {
  #port;
  #free = [];
  #waiting = [];
  failed = 0;

  static async open(port, size) {
    const pool = new Pool();
    pool.#port = port;
    pool.#free = await Promise.all(Array.from({ length: size }, () => Connection.open(port)));
    return pool;
  }

  async ask(bytes) {
    let connection = this.#free.pop() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    try {
      if (!connection.isOpen) connection = await Connection.open(this.#port);
      const { status } = await connection.ask(bytes);
      if (status !== 200) this.failed++;
    } catch {
      this.failed++;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#free.push(connection);
    else next(connection);
  }

  close() {
    for (const connection of this.#free) connection.close();
  }
}

/** Asks one thing after the other on each of some connections. @returns how many were answered, and for how long it went on. */
export async function closedLoop({ port, requests, seconds, connections }) {
  const pool = await Pool.open(port, connections);
  const started = performance.now();
  const end = started + seconds * 1000;
  let answered = 0;
  await Promise.all(
    Array.from({ length: connections }, async (_, first) => {
      for (let at = first; performance.now() < end; at += connections) {
        await pool.ask(requests[at % requests.length]);
        answered++;
      }
    }),
  );
  const { failed } = pool;
  pool.close();
  return { answered, failed, seconds: (performance.now() - started) / 1000 };
}

/**
 * Asks at a constant rate, whether or not answers come. @returns the latencies in ms, each from the time at which its request was to be sent, so
 * that a server that stops for a while is charged for all whom it kept waiting.
 */
export async function openLoop({ port, requests, seconds, rate, connections }) {
  const pool = await Pool.open(port, connections);
  const count = Math.max(1, Math.round(seconds * rate));
  const latencies = [];
  const pending = [];
  const started = performance.now() + 5;
  for (let index = 0; index < count; index++) {
    const due = started + (index * 1000) / rate;
    for (let left = due - performance.now(); left > 0; left = due - performance.now()) {
      // Timers are late by up to 1 ms or so: the last of it is waited for by asking again and again.
      await new Promise((resolve) => (left > 2 ? setTimeout(resolve, left - 2) : setImmediate(resolve)));
    }
    pending.push(pool.ask(requests[index % requests.length]).then(() => latencies.push(performance.now() - due)));
  }
  await Promise.all(pending);
  const { failed } = pool;
  pool.close();
  return { latencies, failed, seconds: (performance.now() - started) / 1000 };
}
