import { randomBytes } from "node:crypto";
import {
  type AwsFailure,
  calling,
  createWaits,
  type DynamoDbItem,
  type DynamoDbKeys,
  type DynamoDbTable,
  type GivenItem,
} from "./dynamodb-client.ts";
import {
  chunkKeys,
  headOf,
  isSameStamp,
  itemsOf,
  keyOfPlace,
  type Place,
  placeName,
  placeOf,
  placeOfItem,
  type Stamped,
} from "./dynamodb-items.ts";
import type { Replacement } from "./optimistic-update.ts";
import { sideBySide } from "./side-by-side.ts";

/** Items of a request, as DynamoDB has it. */
const BATCH_ITEMS = 100;

/** Items by their keys, as they are now; those that are not there are left out. What a request leaves over is asked for again. */
async function getItems(
  at: DynamoDbTable,
  keys: readonly GivenItem[],
  signal: AbortSignal | undefined,
): Promise<DynamoDbItem[]> {
  const batches = Array.from({ length: Math.ceil(keys.length / BATCH_ITEMS) }, (_, index) =>
    keys.slice(index * BATCH_ITEMS, (index + 1) * BATCH_ITEMS),
  );
  const found = await sideBySide(batches, async (batch) => {
    const items: DynamoDbItem[] = [];
    const waiting = createWaits(at, signal);
    let asked: DynamoDbKeys = { [at.table]: { Keys: batch, ConsistentRead: true } };
    for (;;) {
      const RequestItems = asked;
      const answer = await calling(at, signal, (options) => at.client.batchGetItem({ RequestItems }, options));
      const got = answer.Responses?.[at.table] ?? [];
      items.push(...got);
      asked = (answer.UnprocessedKeys ?? {}) as DynamoDbKeys;
      if (Object.keys(asked).length === 0) return items;
      // Large answers come in parts; one that brings nothing is throttled.
      if (got.length === 0) await waiting("it leaves all keys unprocessed");
    }
  });
  return found.flat();
}

/** Entries by the names of their places. */
export async function readPlaces(
  at: DynamoDbTable,
  places: readonly Place[],
  signal: AbortSignal | undefined,
): Promise<Map<string, Stamped>> {
  const items = await getItems(at, places.map(keyOfPlace), signal);
  return await wholeEntries(at, items, signal);
}

/** Entries of heads, with the bytes of those that stand in chunks. One that is written meanwhile is read anew. */
export async function wholeEntries(
  at: DynamoDbTable,
  items: readonly DynamoDbItem[],
  signal: AbortSignal | undefined,
): Promise<Map<string, Stamped>> {
  const entries = new Map<string, Stamped>();
  let heads = items;
  while (heads.length > 0) {
    const chunked: { readonly place: Place; readonly head: Stamped }[] = [];
    for (const item of heads) {
      const place = placeOfItem(item);
      const head = headOf(item);
      if (head.chunks === 0) entries.set(placeName(place), head);
      else chunked.push({ place, head });
    }
    const keys = chunked.flatMap(({ place, head }) => chunkKeys(place, 0, head.chunks));
    const chunks = new Map((await getItems(at, keys, signal)).map((item) => [placeName(placeOfItem(item)), item]));
    const torn: Place[] = [];
    for (const { place, head } of chunked) {
      const own = chunkKeys(place, 0, head.chunks).map((key) => chunks.get(placeName(placeOfItem(key))));
      if (own.every((chunk) => isSameStamp(chunk?.["s"]?.B, head.stamp))) {
        const bytes = Buffer.concat(own.map((chunk) => chunk!["b"]!.B!));
        entries.set(placeName(place), { ...head, bytes: new Uint8Array(bytes) });
      } else torn.push(place);
    }
    heads = torn.length === 0 ? [] : await getItems(at, torn.map(keyOfPlace), signal);
  }
  return entries;
}

export interface EntryWrite {
  readonly group: string;
  readonly key: string;
  readonly buckets: number;
  readonly replacement: Replacement<Stamped>;
}

const KEPT = Symbol("kept");

/** Writes an entry where what it was decided on still stands. @returns undefined where it did, else what stands there. */
export async function writeEntry(
  at: DynamoDbTable,
  { group, key, buckets, replacement: { before, bytes } }: EntryWrite,
): Promise<{ readonly standing: Stamped | undefined } | undefined> {
  const place = placeOf(group, key, buckets);
  const stamp = randomBytes(12);
  const items = bytes === null ? [] : itemsOf(group, key, place, { bytes, stamp });
  const condition = {
    ConditionExpression: before === undefined ? "attribute_not_exists(p)" : "s = :before",
    ...(before === undefined ? {} : { ExpressionAttributeValues: { ":before": { B: before.stamp } } }),
    ReturnValuesOnConditionCheckFailure: "ALL_OLD" as const,
  };
  const head = items[0];
  const outcome = await calling(at, undefined, async (options) => {
    const TableName = at.table;
    const surplus = chunkKeys(place, Math.max(0, items.length - 1), before?.chunks ?? 0);
    const writeHead =
      head === undefined
        ? { Delete: { TableName, Key: keyOfPlace(place), ...condition } }
        : { Put: { TableName, Item: head, ...condition } };
    try {
      if (items.length > 1 || surplus.length > 0) {
        const puts = items.slice(1).map((Item) => ({ Put: { TableName, Item } }));
        const deletes = surplus.map((Key) => ({ Delete: { TableName, Key } }));
        await at.client.transactWriteItems({ TransactItems: [writeHead, ...puts, ...deletes] }, options);
      } else if (writeHead.Put === undefined) await at.client.deleteItem(writeHead.Delete, options);
      else await at.client.putItem(writeHead.Put, options);
      return KEPT;
    } catch (error) {
      return conflictOf(error as AwsFailure);
    }
  });
  // A call that was made again, for an answer that was lost, meets what it wrote itself.
  if (outcome === KEPT || isSameStamp(outcome?.["s"]?.B, stamp)) return undefined;
  if (outcome === undefined) return { standing: undefined };
  const [standing] = (await wholeEntries(at, [outcome], undefined)).values();
  return { standing };
}

/** The item that stands where another was expected; undefined where none does. Any other failure is thrown. */
function conflictOf(error: AwsFailure): DynamoDbItem | undefined {
  if (error.name === "ConditionalCheckFailedException") return error.Item;
  const [first] = error.CancellationReasons ?? [];
  if (first?.Code === "ConditionalCheckFailed") return first.Item;
  throw error as Error;
}
