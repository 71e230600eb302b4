import type { Batch, Column, Schema } from "@millwright/contracts";
import { assertSchema, columnOf } from "./batch.ts";
import { column, nullCount } from "./column.ts";
import { toIpc } from "./to-arrow.ts";

/**
 * A writer of batches of one schema as Arrow IPC streams, for whoever writes many short ones, as a server does: the schema's message and the layout of the
 * batch's are made once, and a batch is then little more than the copy of its bytes. Schemas with lists or dictionaries are written as `toIpc` does.
 * @returns what writes a batch; it throws `DATA_SCHEMA_MISMATCH`.
 */
export function createIpcWriter(schema: Schema): (batch: Batch) => Uint8Array {
  if (schema.some(({ type }) => type === "list" || type === "dictionary")) {
    return (batch) => (assertSchema(schema, batch), toIpc(batch));
  }
  const head = schemaMessage(schema);
  const layout = layoutOf(schema);
  return (batch) => {
    assertSchema(schema, batch);
    const parts = schema.map(({ name }) => partOf(columnOf(batch, name)));
    const bodyBytes = parts.reduce((sum, { buffers }) => buffers.reduce((all, each) => all + padded(each), sum), 0);
    const bodyAt = head.length + PREFIX_BYTES + layout.template.length;
    const bytes = new Uint8Array(bodyAt + bodyBytes + PREFIX_BYTES);
    bytes.set(head);
    bytes.set(layout.template, head.length + PREFIX_BYTES);
    const view = new DataView(bytes.buffer);
    writePrefix(view, head.length, layout.template.length);
    writeBatch(bytes, parts, { view, layout, rows: batch.length, at: head.length + PREFIX_BYTES, bodyAt, bodyBytes });
    writePrefix(view, bodyAt + bodyBytes, 0);
    return bytes;
  };
}

/** A message begins with −1 and the length of its metadata; the stream ends with −1 and 0. */
const PREFIX_BYTES = 8;

function writePrefix(view: DataView, at: number, sizeBytes: number): void {
  view.setInt32(at, -1, true);
  view.setInt32(at + 4, sizeBytes, true);
}

/** The bytes of the schema's message: those with which any stream of it begins. */
function schemaMessage(schema: Schema): Uint8Array {
  const columns = schema.map(({ name, type }) => [name, column(type, [])] as const);
  const stream = toIpc({ length: 0, columns: Object.fromEntries(columns) });
  const sizeBytes = new DataView(stream.buffer, stream.byteOffset).getInt32(4, true);
  return stream.slice(0, PREFIX_BYTES + sizeBytes);
}

/*
 * The metadata of a record batch, as FlatBuffers has it (Message.fbs of Arrow). It is of one layout for all batches of a schema:
 *
 *    0  u32  where the message stands
 *    4  the message's layout: its size, that of its table, and where version, kind, header and body's length stand in it
 *   16  the message: i32 back to the layout; u32 on to the header; i64 the body's length; i16 the version (V5); u8 the kind (record batch)
 *   40  the header's layout: its size, that of its table, and where rows, nodes and buffers stand in it
 *   52  the header: i32 back to the layout; i64 rows; u32 on to the nodes, u32 on to the buffers
 *   76  u32 how many nodes, and for each i64 rows, i64 nulls
 *       4 bytes of nothing, u32 how many buffers, and for each i64 where it starts in the body, i64 its length
 */
const BODY_LENGTH_AT = 24;
const ROWS_AT = 56;
const NODES_AT = 80;
const ENTRY_BYTES = 16;

interface BatchLayout {
  readonly template: Uint8Array;
  readonly buffersAt: number;
}

function layoutOf(schema: Schema): BatchLayout {
  const nodes = schema.length;
  const buffers = schema.reduce((sum, { type }) => sum + (type === "utf8" || type === "binary" ? 3 : 2), 0);
  const buffersAt = NODES_AT + nodes * ENTRY_BYTES + 8;
  const template = new Uint8Array(buffersAt + buffers * ENTRY_BYTES);
  const view = new DataView(template.buffer);
  const shorts = (at: number, ...values: readonly number[]): void =>
    values.forEach((value, index) => view.setUint16(at + index * 2, value, true));
  view.setUint32(0, 16, true);
  shorts(4, 12, 20, 16, 18, 4, 8);
  view.setInt32(16, 12, true);
  view.setUint32(20, 32, true);
  shorts(32, 4);
  template[34] = 3;
  shorts(40, 10, 20, 4, 12, 16);
  view.setInt32(52, 12, true);
  view.setUint32(64, NODES_AT - 4 - 64, true);
  view.setUint32(68, buffersAt - 4 - 68, true);
  view.setUint32(NODES_AT - 4, nodes, true);
  view.setUint32(buffersAt - 4, buffers, true);
  return { template, buffersAt };
}

/** A column as a record batch has it. */
interface Part {
  readonly nulls: number;
  readonly buffers: readonly Uint8Array[];
}

const NONE = new Uint8Array(0);

function partOf(given: Column): Part {
  const nulls = nullCount(given);
  const bits = (given.length + 7) >> 3;
  const validity = nulls === 0 || given.validity === undefined ? NONE : given.validity.subarray(0, bits);
  if (given.type === "bool") return { nulls, buffers: [validity, given.values.subarray(0, bits)] };
  if (given.type === "utf8" || given.type === "binary") {
    const { offsets, values, length } = given;
    const first = offsets[0] ?? 0;
    const texts = values.subarray(first, offsets[length] ?? 0);
    const own = first === 0 ? offsets.subarray(0, length + 1) : offsets.subarray(0, length + 1).map((at) => at - first);
    return { nulls, buffers: [validity, bytesOf(own), texts] };
  }
  const { values } = given as Extract<Column, { readonly type: "float64" }>;
  return { nulls, buffers: [validity, bytesOf(values.subarray(0, given.length))] };
}

const bytesOf = (values: ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Each buffer takes whole 8 bytes. */
const padded = ({ length }: Uint8Array): number => (length + 7) & ~7;

interface BatchPlace {
  readonly view: DataView;
  readonly layout: BatchLayout;
  readonly rows: number;
  /** Where the metadata and the body start in the stream. */
  readonly at: number;
  readonly bodyAt: number;
  readonly bodyBytes: number;
}

function writeBatch(bytes: Uint8Array, parts: readonly Part[], place: BatchPlace): void {
  const { view, layout, rows, at, bodyAt, bodyBytes } = place;
  view.setUint32(at + BODY_LENGTH_AT, bodyBytes, true);
  view.setUint32(at + ROWS_AT, rows, true);
  let node = at + NODES_AT;
  let entry = at + layout.buffersAt;
  let offset = 0;
  for (const { nulls, buffers } of parts) {
    view.setUint32(node, rows, true);
    view.setUint32(node + 8, nulls, true);
    node += ENTRY_BYTES;
    for (const buffer of buffers) {
      view.setUint32(entry, offset, true);
      view.setUint32(entry + 8, buffer.length, true);
      bytes.set(buffer, bodyAt + offset);
      offset += padded(buffer);
      entry += ENTRY_BYTES;
    }
  }
}
