import { setTimeout as sleep } from "node:timers/promises";
import type { CallOptions } from "@millwright/contracts";
import {
  calling,
  type AwsFailure,
  type DynamoDbClient,
  type DynamoDbItem,
  type DynamoDbTable,
  type GivenItem,
} from "../remote/dynamodb-client.ts";
import { readPlaces, wholeEntries, writeEntry } from "../remote/dynamodb-entries.ts";
import { partitionOf, placeName, placeOf, placeOfItem, type Stamped, textOfItem } from "../remote/dynamodb-items.ts";
import { onlineRefused } from "../keyed/keyed-errors.ts";
import { type KeyedChange, type KeyedEntry, type KeyedOnlineStore, type Unpurged } from "../keyed/keyed-store.ts";
import { createRemoteStore } from "../remote/remote-store.ts";
import { type OptimisticPart, updateOptimistically } from "../remote/optimistic-update.ts";
import { sideBySide } from "../remote/side-by-side.ts";

export type { DynamoDbClient } from "../remote/dynamodb-client.ts";

export interface DynamoDbOnlineStoreOptions extends CallOptions {
  /** The table the entries stand in, made where it is missing, and then paid by request. Default: `"millwright_online"`. */
  readonly table?: string | undefined;
  /**
   * Over how many partition keys the entities of a group are spread: one of them takes about 1000 writes a second. From 1 to 4096; the same
   * for all who open the store. Listing a group asks each. Default: 16.
   */
  readonly buckets?: number | undefined;
  /** How long a call may wait for a table that throttles, in milliseconds; then it throws `FEATURE_STORE_ONLINE_BUSY`. Default: 10,000. */
  readonly maxRetryMs?: number | undefined;
}

/**
 * Keeps entries in a table of DynamoDB, for services on many machines. The caller makes the client and destroys it:
 * `openDynamoDbOnlineStore(new DynamoDB({ region }))`. Reads are consistent ones; writes are made on the condition that what was read still
 * stands, so that of two writers at once none is lost. An entry above 380 KB stands in several items, written in one transaction; one above
 * 3.8 MB throws `FEATURE_STORE_ENTRY_TOO_LARGE`. Of a call that changes many entities, each change is one step of its own.
 *
 * Throws `FEATURE_STORE_ONLINE_UNREACHABLE`, `FEATURE_STORE_ONLINE_BUSY`, `FEATURE_STORE_ONLINE_REFUSED`.
 */
export async function openDynamoDbOnlineStore(
  client: DynamoDbClient,
  options: DynamoDbOnlineStoreOptions = {},
): Promise<KeyedOnlineStore> {
  const { table = "millwright_online", buckets = 16, maxRetryMs = 10_000, signal } = options;
  signal?.throwIfAborted();
  if (!(Number.isInteger(buckets) && buckets >= 1 && buckets <= 4096)) {
    throw new RangeError(`buckets is ${buckets}, and must be a whole number from 1 to 4096.`);
  }
  if (!(maxRetryMs >= 0)) throw new RangeError(`maxRetryMs is ${maxRetryMs}, and must be 0 or more.`);
  if (typeof client?.batchGetItem !== "function") {
    throw new TypeError("The client is no `DynamoDB` of @aws-sdk/client-dynamodb: it has no `batchGetItem`.");
  }
  const at = { client, table, maxRetryMs };
  await prepareTable(at, signal);
  return createStore(at, buckets);
}

const BACKUPS: Unpurged = {
  path: "backups, point-in-time recovery and streams of the DynamoDB table",
  reason: "they keep what a table held before, up to 35 days, and backups until they are deleted",
  remedy: "Delete backups that were made before, and let point-in-time recovery pass its period.",
};

function createStore(at: DynamoDbTable, buckets: number): KeyedOnlineStore {
  const readKeys = async (group: string, keys: readonly string[], signal?: AbortSignal) => {
    const places = keys.map((key) => placeOf(group, key, buckets));
    const found = await readPlaces(at, places, signal);
    const byKey = new Map<string, Stamped>();
    keys.forEach((key, index) => {
      const entry = found.get(placeName(places[index]!));
      if (entry !== undefined) byKey.set(key, entry);
    });
    return byKey;
  };
  return createRemoteStore({
    durable: true,
    rest: BACKUPS,
    async read(group, keys, { signal } = {}) {
      const found = await readKeys(group, [...new Set(keys)], signal);
      // Who asks twice gets two copies.
      return keys.map((key) => (found.has(key) ? new Uint8Array(found.get(key)!.bytes) : undefined));
    },
    update: (group, keys, change, { signal } = {}) =>
      updateEntries(at, { group, buckets, readKeys }, keys, change, signal),
    async *scan(group, signal) {
      for (let bucket = 0; bucket < buckets; bucket++) {
        for await (const items of queryPages(at, partitionOf(group, bucket), signal)) {
          yield await entriesOf(at, items, signal);
        }
      }
    },
  });
}

interface Group {
  readonly group: string;
  readonly buckets: number;
  readKeys(group: string, keys: readonly string[], signal?: AbortSignal): Promise<Map<string, Stamped>>;
}

async function updateEntries(
  at: DynamoDbTable,
  { group, buckets, readKeys }: Group,
  keys: readonly string[],
  change: KeyedChange,
  signal: AbortSignal | undefined,
): Promise<void> {
  const whole = (distinct: readonly string[]): OptimisticPart<Stamped> => ({
    keys: distinct,
    read: () => readKeys(group, distinct, signal),
    async write(changes) {
      const others = new Map<string, Stamped | undefined>();
      await sideBySide([...changes], async ([key, replacement]) => {
        const conflict = await writeEntry(at, { group, key, buckets, replacement });
        if (conflict !== undefined) others.set(key, conflict.standing);
      });
      return others;
    },
  });
  await updateOptimistically(keys, change, { split: (distinct) => [whole(distinct)], signal });
}

async function entriesOf(
  at: DynamoDbTable,
  items: readonly DynamoDbItem[],
  signal: AbortSignal | undefined,
): Promise<KeyedEntry[]> {
  const found = await wholeEntries(at, items, signal);
  return items.flatMap((item): KeyedEntry[] => {
    const entry = found.get(placeName(placeOfItem(item)));
    return entry === undefined ? [] : [{ key: textOfItem(item), bytes: entry.bytes }];
  });
}

async function* queryPages(
  at: DynamoDbTable,
  partition: Buffer,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly DynamoDbItem[]> {
  let after: GivenItem | undefined;
  do {
    signal?.throwIfAborted();
    const input = {
      TableName: at.table,
      KeyConditionExpression: "p = :p",
      ExpressionAttributeValues: { ":p": { B: partition } },
      ConsistentRead: true,
      ...(after === undefined ? {} : { ExclusiveStartKey: after }),
    };
    const page = await calling(at, signal, (options) => at.client.query(input, options));
    yield page.Items ?? [];
    after = page.LastEvaluatedKey as GivenItem | undefined;
  } while (after !== undefined);
}

const ATTRIBUTES = ["p", "k"] as const;

/** Finds the table or makes it, and waits until it can be used. Throws `FEATURE_STORE_ONLINE_REFUSED` where it has another shape. */
async function prepareTable(at: DynamoDbTable, signal: AbortSignal | undefined): Promise<void> {
  const TableName = at.table;
  for (;;) {
    const found = await calling(at, signal, async (options) => {
      try {
        return (await at.client.describeTable({ TableName }, options)).Table;
      } catch (error) {
        if ((error as AwsFailure).name === "ResourceNotFoundException") return undefined;
        throw error;
      }
    });
    if (found === undefined) await createTable(at, signal);
    else {
      const keys = (found.KeySchema ?? []).map(({ AttributeName }) => AttributeName);
      const types = (found.AttributeDefinitions ?? []).map(({ AttributeType }) => AttributeType);
      if (keys.join() !== ATTRIBUTES.join() || types.some((type) => type !== "B")) {
        throw onlineRefused(
          `the DynamoDB table "${TableName}"`,
          `its keys are ${keys.join(" and ")} of ${types.join(" and ")}, not the bytes p and k`,
        );
      }
      if (found.TableStatus === "ACTIVE" || found.TableStatus === "UPDATING") return;
    }
    await sleep(100, undefined, { signal }).catch(() => {});
    signal?.throwIfAborted();
  }
}

async function createTable(at: DynamoDbTable, signal: AbortSignal | undefined): Promise<void> {
  const AttributeDefinitions = ATTRIBUTES.map((AttributeName) => ({ AttributeName, AttributeType: "B" as const }));
  const KeySchema = ATTRIBUTES.map((AttributeName, place) => ({
    AttributeName,
    KeyType: place === 0 ? ("HASH" as const) : ("RANGE" as const),
  }));
  const input = { TableName: at.table, BillingMode: "PAY_PER_REQUEST" as const, AttributeDefinitions, KeySchema };
  await calling(at, signal, async (options) => {
    try {
      await at.client.createTable(input, options);
    } catch (error) {
      // Somebody else makes it at the same time.
      if ((error as AwsFailure).name !== "ResourceInUseException") throw error;
    }
  });
}
