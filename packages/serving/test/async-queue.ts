import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openSqlite } from "@millwright/storage";
import {
  type AsyncEndpointOptions,
  type AsyncInference,
  type AsyncInferenceOptions,
  createDirectoryPayloads,
  openAsyncInference,
} from "@millwright/serving/async";

export interface OpenQueue extends AsyncDisposable {
  readonly root: string;
  readonly database: Database;
  readonly inference: AsyncInference;
  /** Another process's view of the same queue. */
  another(endpoint: AsyncEndpointOptions, more?: Partial<AsyncInferenceOptions>): Promise<AsyncInference>;
}

/** A queue of the endpoint "late" in a folder of its own. */
export async function openQueue(
  endpoint: AsyncEndpointOptions,
  more: Partial<AsyncInferenceOptions> = {},
): Promise<OpenQueue> {
  const root = await mkdtemp(join(tmpdir(), "millwright-async-"));
  const database = more.database ?? (await openSqlite(join(root, "queue.db")));
  const opened: AsyncInference[] = [];
  const another: OpenQueue["another"] = async (options, other = {}) => {
    const payloads = createDirectoryPayloads(join(root, "payloads"));
    const inference = await openAsyncInference({
      database,
      payloads,
      pollMs: 10,
      leaseMs: 2_000,
      endpoints: { late: { backoffMs: 10, ...options } },
      ...other,
    });
    opened.push(inference);
    return inference;
  };
  const inference = await another(endpoint, more);
  return {
    root,
    database,
    inference,
    another,
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((each) => each.drain({ graceMs: 0 })));
      if (more.database === undefined) await database[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
