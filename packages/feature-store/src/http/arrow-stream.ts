import { bodyInvalid, bodyTooLarge } from "./errors.ts";

/** Arrow's numbers for kinds of messages. */
const SCHEMA = 1;
const DICTIONARY_BATCH = 2;
const RECORD_BATCH = 3;
const BOOL = 6;
/** Arrow's numbers for types that columns can hold: integers, floats, text, bytes, booleans, dates, times; none that nest. */
const FLAT_TYPES: ReadonlySet<number> = new Set([2, 3, 4, 5, 6, 8, 10, 19, 20, 23, 24]);
const MOST_FIELDS = 10_000;

const fail = (problem: string): never => {
  throw bodyInvalid(
    `it is not a sound Arrow IPC stream (${problem})`,
    "Send one of flat columns, without compression.",
  );
};

/**
 * Holds the lengths and positions that an Arrow IPC stream speaks of against its bytes, as Arrow's own reader does not: a few changed bytes
 * make that allocate without end. Formats: Arrow's `Message.fbs` and `Schema.fbs`, and the FlatBuffers binary format.
 * @returns the bytes up to the end of the stream. Throws `FEATURE_STORE_BODY_INVALID`, `FEATURE_STORE_BODY_TOO_LARGE`.
 */
export function soundArrowStream(body: Uint8Array, maxRows: number): Uint8Array {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let fields: Fields | undefined;
  let rows = 0;
  let at = 0;
  try {
    while (at < body.length) {
      // Before Arrow 0.15 the length stood alone.
      if (view.getInt32(at, true) === -1) at += 4;
      const size = view.getInt32(at, true);
      at += 4;
      if (size === 0) break;
      if (size < 0 || size > body.length - at) fail("a message is longer than the stream");
      const message = tableAt(new DataView(body.buffer, body.byteOffset + at, size), undefined);
      at += size;
      const bodyBytes = message.long(3);
      if (!(bodyBytes >= 0 && bodyBytes <= body.length - at)) fail("a message has more bytes than the stream");
      keyValues(message, 4);
      const kind = message.byte(1);
      const header = message.table(2) ?? fail("a message is empty");
      if (kind === SCHEMA && fields === undefined) fields = schemaFields(header);
      else if (kind === RECORD_BATCH && fields !== undefined) rows += recordBatch(header, fields, bodyBytes, maxRows);
      else if (kind === DICTIONARY_BATCH && fields !== undefined) {
        recordBatch(header.table(1) ?? fail("a dictionary is empty"), ofDictionary, bodyBytes, bodyBytes);
      } else fail("its messages are not a schema, then batches");
      if (rows > maxRows) throw bodyTooLarge(maxRows, "rows");
      at += bodyBytes;
    }
  } catch (error) {
    // What DataView says of a position outside it.
    if (error instanceof RangeError) fail("a position is outside its message");
    throw error;
  }
  if (fields === undefined) fail("it has no schema");
  return body.subarray(0, at);
}

/** A FlatBuffers table: members by their number. */
interface Table {
  readonly view: DataView;
  /** Where a member stands, or 0 where it has its default. */
  position(member: number): number;
  byte(member: number): number;
  long(member: number): number;
  table(member: number): Table | undefined;
  /** Where the items of a vector start, and how many there are. Throws where they reach beyond the message. */
  vector(member: number, itemBytes: number): { readonly start: number; readonly length: number };
}

/** The table at a position, or the root. */
function tableAt(view: DataView, given: number | undefined): Table {
  const start = given ?? view.getUint32(0, true);
  const layout = start - view.getInt32(start, true);
  const layoutBytes = view.getUint16(layout, true);
  const position = (member: number): number => {
    const entry = 4 + member * 2;
    const offset = entry + 2 <= layoutBytes ? view.getUint16(layout + entry, true) : 0;
    return offset === 0 ? 0 : start + offset;
  };
  const target = (at: number): number => at + view.getUint32(at, true);
  return {
    view,
    position,
    byte: (member) => (position(member) === 0 ? 0 : view.getUint8(position(member))),
    long: (member) => (position(member) === 0 ? 0 : Number(view.getBigInt64(position(member), true))),
    table: (member) => (position(member) === 0 ? undefined : tableAt(view, target(position(member)))),
    vector(member, itemBytes) {
      if (position(member) === 0) return { start: 0, length: 0 };
      const at = target(position(member));
      const length = view.getUint32(at, true);
      if (at + 4 + length * itemBytes > view.byteLength) fail("a list is longer than its message");
      return { start: at + 4, length };
    },
  };
}

/** The tables of a vector of them. */
function tablesOf(parent: Table, member: number): readonly Table[] {
  const { start, length } = parent.vector(member, 4);
  if (length > MOST_FIELDS) fail(`it has more than ${MOST_FIELDS} members in one place`);
  return Array.from({ length }, (_, index) => {
    const at = start + index * 4;
    return tableAt(parent.view, at + parent.view.getUint32(at, true));
  });
}

/** Checks a list of pairs of texts. */
function keyValues(parent: Table, member: number): void {
  for (const pair of tablesOf(parent, member)) {
    pair.vector(0, 1);
    pair.vector(1, 1);
  }
}

/** The columns of a schema: how many, and how many of them have a byte a row at least. */
interface Fields {
  readonly count: number;
  readonly wide: number;
}

const ofDictionary: Fields = { count: 1, wide: 1 };

function schemaFields(schema: Table): Fields {
  const fields = tablesOf(schema, 1);
  keyValues(schema, 2);
  schema.vector(3, 8);
  for (const field of fields) {
    field.vector(0, 1);
    const type = field.byte(2);
    if (!FLAT_TYPES.has(type) || field.vector(5, 4).length > 0) fail("a column is of a type that no column here has");
    const members = field.table(3);
    // Of the flat types, only times have a text: their zone.
    if (type === 10) members?.vector(1, 1);
    field.table(4)?.table(1);
    keyValues(field, 6);
  }
  return { count: fields.length, wide: fields.filter((field) => field.byte(2) !== BOOL).length };
}

/** @returns the rows of the batch. */
function recordBatch(batch: Table, fields: Fields, bodyBytes: number, maxRows: number): number {
  const rows = batch.long(0);
  if (!(rows >= 0)) fail(`a batch has ${rows} rows`);
  if (rows > maxRows) throw bodyTooLarge(maxRows, "rows");
  if (batch.table(3) !== undefined) fail("it is compressed");
  batch.vector(4, 8);
  const nodes = batch.vector(1, 16);
  if (nodes.length !== fields.count) fail(`a batch has ${nodes.length} columns, and its schema ${fields.count}`);
  // Columns over the same bytes would be copied one by one.
  if (rows * fields.wide > bodyBytes) fail(`a batch has ${rows} rows in ${bodyBytes} bytes`);
  for (let index = 0; index < nodes.length; index++) {
    const at = nodes.start + index * 16;
    const length = Number(batch.view.getBigInt64(at, true));
    const nulls = Number(batch.view.getBigInt64(at + 8, true));
    if (length !== rows || !(nulls >= 0 && nulls <= rows)) fail("a column has other rows than its batch");
  }
  const buffers = batch.vector(2, 16);
  for (let index = 0; index < buffers.length; index++) {
    const at = buffers.start + index * 16;
    const offset = Number(batch.view.getBigInt64(at, true));
    const length = Number(batch.view.getBigInt64(at + 8, true));
    if (!(offset >= 0 && length >= 0 && offset + length <= bodyBytes)) fail("a column has bytes outside its batch");
  }
  return rows;
}
