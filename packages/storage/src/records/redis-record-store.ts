import { type JsonValue, type RecordStore, type StoredRecord, versionConflict } from "@millwright/contracts";
import { StorageError } from "../errors.ts";
import { checkKey, recordText } from "../record-text.ts";

/** What is used of a client of the package `ioredis`. */
export interface IoRedisClient {
  call(command: string, ...args: (string | number)[]): Promise<unknown>;
}

/** What is used of a client of the package `redis`. */
export interface NodeRedisClient {
  sendCommand(args: readonly string[]): Promise<unknown>;
}

export interface RedisRecordStoreOptions {
  /** Of `ioredis` or of `redis`, to one server, or of `ioredis` to a cluster; never closed here. */
  readonly client: IoRedisClient | NodeRedisClient;
  /** Before the names of what is kept in Redis. Default: `millwright`. */
  readonly namespace?: string | undefined;
}

/** A record is a field `version:json`; one that was deleted is `version:`, and its version goes on counting. */
const parse = `
local found = redis.call('HGET', KEYS[1], ARGV[1])
local version, current = 0, 0
if found then
  local at = string.find(found, ':', 1, true)
  version = tonumber(string.sub(found, 1, at - 1))
  if string.len(found) > at then current = version end
end
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= current then return {0, current} end
`;

const writeScript = `${parse}
redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', version + 1) .. ':' .. ARGV[3])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return {1, version + 1}`;

const deleteScript = `${parse}
if current > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', version) .. ':')
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return {1, current}`;

const pageRows = 256;

/**
 * Small JSON records in Redis, with compare-and-swap in scripts that the server runs as one step. They survive what the server's own persistence
 * survives: with `appendfsync always` a power failure, with the default up to a second is lost.
 */
export function openRedisRecordStore({ client, namespace = "millwright" }: RedisRecordStoreOptions): RecordStore {
  const send = sender(client);
  // The braces keep both in one slot of a cluster.
  const [records, keys] = [`{${namespace}}:records`, `{${namespace}}:keys`];
  const change = async (
    script: string,
    key: string,
    ifVersion: number | undefined,
    more: readonly string[],
  ): Promise<number> => {
    checkKey(key);
    const condition = ifVersion === undefined ? "" : String(ifVersion);
    const [done, version] = (await send("EVAL", script, "2", records, keys, key, condition, ...more)) as number[];
    if (Number(done) === 0) throw versionConflict(key, ifVersion ?? 0, Number(version));
    return Number(version);
  };
  return {
    async read(key, { signal } = {}) {
      signal?.throwIfAborted();
      checkKey(key);
      return storedRecord(key, await send("HGET", records, key));
    },
    async write(key, value, { ifVersion, signal } = {}) {
      signal?.throwIfAborted();
      return await change(writeScript, key, ifVersion, [recordText(value)]);
    },
    async delete(key, { ifVersion, signal } = {}) {
      signal?.throwIfAborted();
      await change(deleteScript, key, ifVersion, []);
    },
    async *list(prefix, { signal } = {}) {
      let after: string | undefined;
      for (;;) {
        signal?.throwIfAborted();
        const start = after === undefined ? `[${prefix}` : `(${after}`;
        const page = (await send("ZRANGEBYLEX", keys, start, "+", "LIMIT", "0", String(pageRows))) as string[];
        // Keys with one prefix stand together.
        const wanted = page.filter((key) => key.startsWith(prefix));
        const found = wanted.length === 0 ? [] : ((await send("HMGET", records, ...wanted)) as unknown[]);
        for (const [index, key] of wanted.entries()) {
          const record = storedRecord(key, found[index]);
          if (record !== undefined) yield record;
        }
        if (page.length < pageRows || wanted.length < page.length) return;
        after = page.at(-1);
      }
    },
  };
}

function sender(client: RedisRecordStoreOptions["client"]): (command: string, ...args: string[]) => Promise<unknown> {
  const call = (command: string, ...args: string[]): Promise<unknown> => {
    if ("call" in client) return client.call(command, ...args);
    return client.sendCommand([command, ...args]);
  };
  if (typeof client !== "object" || client === null || !("call" in client || "sendCommand" in client))
    throw new TypeError(
      "The client is neither one of ioredis nor one of redis: it has no `call` and no `sendCommand`.",
    );
  return async (command, ...args) => {
    try {
      return await call(command, ...args);
    } catch (error) {
      throw redisFailure(error, command === "EVAL");
    }
  };
}

/** Answers of a server that is busy with itself begin with one of these. */
const passing = /^(?:LOADING|READONLY|OOM|CLUSTERDOWN|MASTERDOWN|TRYAGAIN|BUSY)\b/;

function redisFailure(error: unknown, isWrite: boolean): StorageError {
  const problem = error instanceof Error ? error.message : String(error);
  // An answer begins with a word in capitals; all else is the way to the server.
  const isAnswer = /^[A-Z]{2,} /.test(problem) && !/^E[A-Z]+ /.test(problem);
  if (!isAnswer && isWrite) {
    return new StorageError(
      "STORAGE_COMMIT_UNKNOWN",
      `The connection to Redis was lost before its answer: ${problem}.`,
      {
        category: "transient",
        remedy: "Read the record: the write may be there, or not.",
        cause: error,
      },
    );
  }
  const retryable = !isAnswer || passing.test(problem);
  return new StorageError("STORAGE_DATABASE_UNREACHABLE", `Redis cannot be used: ${problem}.`, {
    category: retryable ? "transient" : "user",
    remedy: retryable ? "Try again." : "See that the client may read and write there, and that the namespace is free.",
    retryable,
    cause: error,
  });
}

function storedRecord(key: string, found: unknown): StoredRecord | undefined {
  if (found === null || found === undefined) return undefined;
  const text = found as string;
  const at = text.indexOf(":");
  if (at === text.length - 1) return undefined;
  return { key, value: JSON.parse(text.slice(at + 1)) as JsonValue, version: Number(text.slice(0, at)) };
}
