import { parentPort, workerData } from "node:worker_threads";
import type { SqliteReply, SqliteRequest, SqliteThreadData } from "./sqlite-messages.ts";
import { openReader } from "./sqlite-reader.ts";
import { describeFailure } from "./sqlite-session.ts";
import { openWriter } from "./sqlite-writer.ts";
import { ThreadGate } from "./thread-gate.ts";

const port = parentPort;
if (port === null) throw new TypeError("This module is the entry of a worker thread.");

/** Does what one request asks. */
type Handler = (request: SqliteRequest) => unknown;

// The first message out, with id 0, says whether the file could be opened.
const data = workerData as SqliteThreadData;
const gate = new ThreadGate(data.gate);
const handle = open();

function enter(): void {
  gate.pass();
}

function open(): Handler | undefined {
  gate.arrive();
  try {
    const handler = data.mode === "writer" ? openWriter(data, enter) : openReader(data, enter);
    send({ id: 0, value: undefined });
    return handler;
  } catch (error) {
    send({ id: 0, failure: describeFailure(error) });
    return undefined;
  } finally {
    gate.leave();
  }
}

function send(reply: SqliteReply): void {
  port?.postMessage(reply);
}

port.on("message", ({ id, request }: { readonly id: number; readonly request: SqliteRequest }) => {
  gate.arrive();
  try {
    send({ id, value: handle?.(request) });
  } catch (error) {
    send({ id, failure: describeFailure(error, "sql" in request ? request.sql : undefined) });
  } finally {
    gate.leave();
  }
  if (request.op === "close") port.close();
});
if (handle === undefined) port.close();
