import { createHash } from "node:crypto";
import { entryTooLarge } from "../keyed/keyed-errors.ts";
import type { Standing } from "./optimistic-update.ts";
import type { DynamoDbItem, GivenItem } from "./dynamodb-client.ts";

/** What stands at a key: bytes, how many items they take beside their head, and a stamp that no other write has. */
export interface Stamped extends Standing {
  readonly stamp: Uint8Array;
  readonly chunks: number;
}

/** Where an entry's head stands. */
export interface Place {
  readonly partition: Buffer;
  readonly key: Buffer;
}

/** DynamoDB's items have 400 KB at most, and their keys, names and stamps take a part of that. */
const ITEM_BYTES = 380_000;
/** A transaction has 4 MB at most: entries of so many items are written as one. */
const MOST_CHUNKS = 10;
const MOST_BYTES = ITEM_BYTES * MOST_CHUNKS;

const LONGEST_GROUP_BYTES = 2000;
const LONGEST_KEY_BYTES = 1000;
const HEADS = 0;
const CHUNKS = 1;
const SHORT = 0;
const LONG = 0xff;

/** FNV-1a. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Text as bytes of a length that fits; a first byte says which of the two it is, so that none is empty. */
function fitting(text: string, mostBytes: number): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= mostBytes) return Buffer.concat([Buffer.of(SHORT), bytes]);
  return Buffer.concat([Buffer.of(LONG), createHash("sha256").update(bytes).digest()]);
}

export function partitionOf(group: string, bucket: number): Buffer {
  return Buffer.concat([Buffer.of(HEADS, bucket >> 8, bucket & 0xff), fitting(group, LONGEST_GROUP_BYTES)]);
}

export function placeOf(group: string, key: string, buckets: number): Place {
  const fitted = fitting(key, LONGEST_KEY_BYTES);
  return { partition: partitionOf(group, hashOf(fitted) % buckets), key: fitted };
}

export const keyOfPlace = ({ partition, key }: Place): GivenItem => ({ p: { B: partition }, k: { B: key } });

/** Chunks stand in partitions beside those of the heads: who lists entries does not meet them. */
export function chunkKeys({ partition, key }: Place, from: number, to: number): GivenItem[] {
  const beside = Buffer.from(partition);
  beside[0] = CHUNKS;
  return Array.from({ length: Math.max(0, to - from) }, (_, at) => ({
    p: { B: beside },
    k: { B: Buffer.concat([key, Buffer.of((from + at) >> 8, (from + at) & 0xff)]) },
  }));
}

/** The items of an entry, its head first. Throws `FEATURE_STORE_ENTRY_TOO_LARGE`. */
export function itemsOf(
  group: string,
  key: string,
  place: Place,
  { bytes, stamp }: Omit<Stamped, "chunks">,
): GivenItem[] {
  if (bytes.length > MOST_BYTES) throw entryTooLarge(group, key, bytes.length, MOST_BYTES);
  const isLong = place.key[0] === LONG;
  const head = { ...keyOfPlace(place), s: { B: stamp }, ...(isLong ? { t: { B: Buffer.from(key) } } : {}) };
  const room = ITEM_BYTES - (isLong ? Buffer.byteLength(key) : 0);
  if (room < 0) throw entryTooLarge(group, key, Buffer.byteLength(key), ITEM_BYTES);
  if (bytes.length <= room) return [{ ...head, b: { B: bytes } }];
  const count = Math.ceil(bytes.length / ITEM_BYTES);
  const chunks = chunkKeys(place, 0, count).map((keys, at) => ({
    ...keys,
    s: { B: stamp },
    b: { B: bytes.subarray(at * ITEM_BYTES, (at + 1) * ITEM_BYTES) },
  }));
  return [{ ...head, n: { N: String(count) } }, ...chunks];
}

/** What a head says; its bytes are empty where they stand in chunks. */
export const headOf = (item: DynamoDbItem): Stamped => ({
  stamp: item["s"]!.B!,
  chunks: Number(item["n"]?.N ?? 0),
  bytes: new Uint8Array(item["b"]?.B ?? []),
});

export function placeOfItem(item: DynamoDbItem): Place {
  return { partition: Buffer.from(item["p"]!.B!), key: Buffer.from(item["k"]!.B!) };
}

export function textOfItem(item: DynamoDbItem): string {
  const long = item["t"]?.B;
  return long === undefined ? Buffer.from(item["k"]!.B!).toString("utf8", 1) : Buffer.from(long).toString("utf8");
}

export const placeName = ({ partition, key }: Place): string =>
  `${partition.toString("latin1")} ${key.toString("latin1")}`;

export const isSameStamp = (one: Uint8Array | undefined, other: Uint8Array): boolean =>
  one !== undefined && Buffer.compare(one, other) === 0;
