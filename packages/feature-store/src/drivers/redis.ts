import { createHash } from "node:crypto";
import { abortable, type CallOptions } from "@millwright/contracts";
import { onlineFailure } from "../keyed/keyed-errors.ts";
import { type KeyedChange, type KeyedEntry, type KeyedOnlineStore, type Unpurged } from "../keyed/keyed-store.ts";
import { createRemoteStore } from "../remote/remote-store.ts";
import {
  type OptimisticPart,
  type Replacement,
  type Standing,
  updateOptimistically,
} from "../remote/optimistic-update.ts";
import { connectRedis, type RedisClient, type RedisCommands } from "../remote/redis-commands.ts";

export type { IoRedisClient, NodeRedisClient, NodeRedisCluster, RedisClient } from "../remote/redis-commands.ts";

export interface RedisOnlineStoreOptions extends CallOptions {
  /** What all keys of the store begin with. Default: `"millwright:"`. */
  readonly prefix?: string | undefined;
  /**
   * Over how many Redis hashes the entities of a group are spread, each of them in one slot of a cluster. From 1 to 4096; the same for all who
   * open the store. Reading many entities asks once for each hash that has some of them. Default: 1.
   */
  readonly buckets?: number | undefined;
}

/** Entries of a command at most. */
const COMMAND_ENTRIES = 1000;

/**
 * Changes those fields of a hash whose values are as expected. ARGV: for each, the field, what is expected, what to do. Expected is `0` for
 * nothing, or `1` and the value; to do is `0` for deleting, or `1` and the value. Answers with place and value of each field that was other.
 */
const COMPARE_AND_SET = `local conflicts = {}
for at = 1, #ARGV, 3 do
  local current = redis.call('HGET', KEYS[1], ARGV[at])
  if (current and '1' .. current or '0') ~= ARGV[at + 1] then
    conflicts[#conflicts + 1] = { at, current }
  elseif ARGV[at + 2] == '0' then
    redis.call('HDEL', KEYS[1], ARGV[at])
  else
    redis.call('HSET', KEYS[1], ARGV[at], string.sub(ARGV[at + 2], 2))
  end
end
return conflicts`;
const SCRIPT_DIGEST = createHash("sha1").update(COMPARE_AND_SET).digest("hex");

/**
 * Keeps entries in Redis, for services on many machines. The caller connects a client of `ioredis` or of `redis` (also to a cluster), and
 * closes it. Writes compare before they set, so that of two writers at once none is lost. Whether the store is durable is what the server
 * says of itself: without an append-only file (`appendonly yes`) a Redis that dies loses what was acknowledged.
 *
 * Where the server is out of memory, calls throw `FEATURE_STORE_WRITE_FAILED`.
 */
export async function openRedisOnlineStore(
  client: RedisClient,
  options: RedisOnlineStoreOptions = {},
): Promise<KeyedOnlineStore> {
  const { prefix = "millwright:", buckets = 1, signal } = options;
  signal?.throwIfAborted();
  if (!(Number.isInteger(buckets) && buckets >= 1 && buckets <= 4096)) {
    throw new RangeError(`buckets is ${buckets}, and must be a whole number from 1 to 4096.`);
  }
  const commands = connectRedis(client);
  const information = await abortable(commands.serverInformation("persistence"), signal);
  const durable = /aof_enabled:1/.test(String(information));
  return createStore({ commands, prefix, buckets }, durable);
}

const SERVER_FILES: Unpurged = {
  path: "the files of the Redis server",
  reason: "its append-only file and its snapshot have what was written before, until the server writes them anew",
  remedy: "Send BGREWRITEAOF where the append-only file is on, and BGSAVE where there is a snapshot, to each server.",
};

interface Place {
  readonly commands: RedisCommands;
  readonly prefix: string;
  readonly buckets: number;
}

function createStore(place: Place, durable: boolean): KeyedOnlineStore {
  return createRemoteStore({
    durable,
    rest: SERVER_FILES,
    async read(group, keys) {
      const found: (Uint8Array | undefined)[] = keys.map(() => undefined);
      const readPart = async ({ hash, indexes }: Part): Promise<void> => {
        const values = await readFields(place.commands, hash, keysAt(keys, indexes));
        indexes.forEach((index, at) => (found[index] = values[at]));
      };
      await Promise.all(partsOf(place, group, keys).map(readPart));
      return found;
    },
    async update(group, keys, change, { signal } = {}) {
      try {
        await updateKeys(place, group, keys, change, signal);
      } catch (error) {
        throw onlineFailure(`the Redis keys "${place.prefix}*"`, error);
      }
    },
    async *scan(group) {
      for (let bucket = 0; bucket < place.buckets; bucket++) {
        yield* scanHash(place.commands, hashName(place, group, bucket));
      }
    },
  });
}

/** Keys that one command asks for: those of one hash. */
interface Part {
  readonly hash: string;
  /** Their places among all keys asked for. */
  readonly indexes: number[];
}

const keysAt = (keys: readonly string[], indexes: readonly number[]): string[] => indexes.map((index) => keys[index]!);

/** What stands in braces decides the slot of a cluster, so braces in names are written otherwise. */
function hashName({ prefix, buckets }: Place, group: string, bucket: number): string {
  const name = group.replace(/[{}%]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
  return `${prefix}{${name}:${bucket}/${buckets}}`;
}

function partsOf(place: Place, group: string, keys: readonly string[]): Part[] {
  const open = new Map<number, Part>();
  const parts: Part[] = [];
  keys.forEach((key, index) => {
    const bucket = place.buckets === 1 ? 0 : bucketOf(key, place.buckets);
    let part = open.get(bucket);
    if (part === undefined || part.indexes.length === COMMAND_ENTRIES) {
      part = { hash: hashName(place, group, bucket), indexes: [] };
      open.set(bucket, part);
      parts.push(part);
    }
    part.indexes.push(index);
  });
  return parts;
}

/** FNV-1a over the characters. */
function bucketOf(key: string, buckets: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % buckets;
}

async function readFields(
  commands: RedisCommands,
  hash: string,
  fields: readonly string[],
): Promise<(Uint8Array | undefined)[]> {
  const values = (await commands.send(hash, true, ["HMGET", hash, ...fields])) as readonly (Uint8Array | null)[];
  return values.map((value) => value ?? undefined);
}

/** Each part is read and written with one command. */
async function updateKeys(
  place: Place,
  group: string,
  keys: readonly string[],
  change: KeyedChange,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { commands } = place;
  const split = (distinct: readonly string[]): OptimisticPart<Standing>[] =>
    partsOf(place, group, distinct).map(({ hash, indexes }) => {
      const fields = keysAt(distinct, indexes);
      return {
        keys: fields,
        read: async () => standing(fields, await readFields(commands, hash, fields)),
        write: (changes) => compareAndSet(commands, hash, changes),
      };
    });
  await updateOptimistically(keys, change, { split, signal });
}

function standing(fields: readonly string[], values: readonly (Uint8Array | undefined)[]): Map<string, Standing> {
  const found = new Map<string, Standing>();
  fields.forEach((field, at) => {
    const bytes = values[at];
    if (bytes !== undefined) found.set(field, { bytes });
  });
  return found;
}

/** @returns the fields that had other values than expected, with those. */
async function compareAndSet(
  commands: RedisCommands,
  hash: string,
  changes: ReadonlyMap<string, Replacement<Standing>>,
): Promise<Map<string, Standing | undefined>> {
  const values: (string | Buffer)[] = [];
  for (const [field, { before, bytes }] of changes) {
    values.push(field, marked(before?.bytes), marked(bytes ?? undefined));
  }
  const parameters = ["1", hash, ...values];
  const reply = await commands.send(hash, false, ["EVALSHA", SCRIPT_DIGEST, ...parameters]).catch((error: unknown) => {
    if (!String((error as Error).message).startsWith("NOSCRIPT")) throw error;
    return commands.send(hash, false, ["EVAL", COMPARE_AND_SET, ...parameters]);
  });
  const conflicts = new Map<string, Standing | undefined>();
  for (const [at, current] of reply as readonly (readonly [number, Uint8Array | null])[]) {
    conflicts.set(values[Number(at) - 1] as string, current ? { bytes: current } : undefined);
  }
  return conflicts;
}

const ONE = Buffer.from("1");
const marked = (bytes: Uint8Array | undefined): string | Buffer =>
  bytes === undefined ? "0" : Buffer.concat([ONE, bytes]);

/** A hash that grows or shrinks meanwhile may give a field again: those seen are left out. */
async function* scanHash(commands: RedisCommands, hash: string): AsyncGenerator<readonly KeyedEntry[]> {
  const seen = new Set<string>();
  let cursor = "0";
  do {
    const reply = await commands.send(hash, true, ["HSCAN", hash, cursor, "COUNT", String(COMMAND_ENTRIES)]);
    const [next, pairs] = reply as readonly [Uint8Array, readonly Uint8Array[]];
    cursor = Buffer.from(next).toString();
    const page: KeyedEntry[] = [];
    for (let at = 0; at < pairs.length; at += 2) {
      const key = Buffer.from(pairs[at]!).toString();
      if (!seen.has(key)) page.push({ key, bytes: pairs[at + 1]! });
      seen.add(key);
    }
    if (page.length > 0) yield page;
  } while (cursor !== "0");
}
