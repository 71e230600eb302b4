import { bodyInvalid } from "../errors.ts";
import { FlatTable, must } from "./flat-buffer.ts";

/** Types of Arrow's schema (Schema.fbs) that are read. */
const types = { int: 2, float: 3, utf8: 5, bool: 6, date: 8, timestamp: 10, list: 12, fixedSizeList: 16 } as const;

interface CheckedField {
  readonly type: number;
  /** Bytes of an item, for numbers; items of a row, for lists of one size. */
  readonly width: number;
  readonly children: readonly CheckedField[];
}

const maxDepth = 4;
const maxFields = 4_096;

/**
 * Checks that every place and length of an Arrow IPC stream lies within its bytes (Message.fbs, Schema.fbs of Arrow's format): apache-arrow believes what it
 * reads, and a length that lies would fill the memory of the process. Throws `SERVING_BODY_INVALID`, also for types, compression and dictionaries that are not read here.
 */
export function checkArrowStream(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let fields: readonly CheckedField[] | undefined;
  let at = 0;
  while (at + 8 <= bytes.length) {
    must(view.getInt32(at, true) === -1);
    const size = view.getInt32(at + 4, true);
    if (size === 0) break;
    must(size > 0 && at + 8 + size <= bytes.length);
    const message = FlatTable.root(new DataView(bytes.buffer, bytes.byteOffset + at + 8, size));
    const bodyAt = at + 8 + size;
    const bodyBytes = message.number(3, 8);
    must(bodyBytes >= 0 && bodyAt + bodyBytes <= bytes.length);
    const kind = message.number(1, 1);
    const head = message.table(2);
    must(head !== undefined);
    if (kind === 1) {
      must(fields === undefined);
      fields = checkSchema(head);
    } else if (kind === 3) {
      must(fields !== undefined);
      checkRecordBatch(head, fields, new DataView(bytes.buffer, bytes.byteOffset + bodyAt, bodyBytes));
    } else throw bodyInvalid("its Arrow stream has dictionaries or tensors", "Send columns of plain values.");
    at = bodyAt + bodyBytes;
  }
  must(fields !== undefined);
}

function checkMetadata(owner: FlatTable, index: number): void {
  for (const entry of owner.tables(index)) {
    entry.checkVector(0);
    entry.checkVector(1);
  }
}

function checkSchema(schema: FlatTable): readonly CheckedField[] {
  let count = 0;
  const fieldOf = (field: FlatTable, depth: number): CheckedField => {
    count += 1;
    must(depth <= maxDepth && count <= maxFields);
    field.checkVector(0);
    checkMetadata(field, 6);
    if (field.table(4) !== undefined)
      throw bodyInvalid("its Arrow stream has dictionaries", "Send columns of plain values.");
    const type = field.number(2, 1);
    const details = field.table(3);
    must(details !== undefined);
    const children = field.tables(5).map((child) => fieldOf(child, depth + 1));
    return { type, width: widthOf(type, details), children };
  };
  must(schema.number(0, 2) === 0);
  checkMetadata(schema, 2);
  schema.checkVector(3, 8);
  return schema.tables(1).map((field) => fieldOf(field, 1));
}

function widthOf(type: number, details: FlatTable): number {
  switch (type) {
    case types.int: {
      const bits = details.number(0, 4);
      must(bits === 8 || bits === 16 || bits === 32 || bits === 64);
      return bits / 8;
    }
    case types.float: {
      const precision = details.number(0, 2);
      must(precision >= 0 && precision <= 2);
      return 2 << precision;
    }
    case types.date:
      return details.number(0, 2) === 0 ? 4 : 8;
    case types.timestamp:
      details.checkVector(1);
      return 8;
    case types.fixedSizeList: {
      const size = details.number(0, 4);
      must(size >= 1);
      return size;
    }
    case types.utf8:
    case types.bool:
    case types.list:
      return 0;
    default:
      throw bodyInvalid(
        "its Arrow stream has columns of another type",
        "Send numbers, texts, booleans, dates, times or lists of numbers.",
      );
  }
}

function checkRecordBatch(batch: FlatTable, fields: readonly CheckedField[], body: DataView): void {
  if (batch.table(3) !== undefined) throw bodyInvalid("its Arrow stream is compressed", "Send it uncompressed.");
  batch.checkVector(4, 8);
  const nodes = batch.pairs(1);
  const buffers = batch.pairs(2);
  for (const [offset, length] of buffers) must(offset >= 0 && length >= 0 && offset + length <= body.byteLength);
  let node = 0;
  let buffer = 0;
  const take = (bytes: number): readonly [number, number] => {
    const found = buffers[buffer];
    must(found !== undefined && found[1] >= bytes);
    buffer += 1;
    return found;
  };
  /** @returns how long the column is. */
  const check = ({ type, width, children }: CheckedField): number => {
    const [rows, nulls] = nodes[node] ?? [-1, 0];
    node += 1;
    must(rows >= 0 && rows <= body.byteLength * 8 && nulls >= 0 && nulls <= rows);
    take(nulls === 0 ? 0 : Math.ceil(rows / 8));
    if (type === types.utf8) {
      const offsets = take(rows === 0 ? 0 : (rows + 1) * 4);
      const [, length] = take(0);
      if (rows > 0) checkOffsets(body, offsets[0], rows, length);
    } else if (type === types.list) {
      const [offset] = take(rows === 0 ? 0 : (rows + 1) * 4);
      must(children.length === 1);
      const length = check(children[0] as CheckedField);
      if (rows > 0) checkOffsets(body, offset, rows, length);
    } else if (type === types.fixedSizeList) {
      must(children.length === 1);
      must(check(children[0] as CheckedField) >= rows * width);
    } else take(type === types.bool ? Math.ceil(rows / 8) : rows * width);
    return rows;
  };
  const rows = batch.number(0, 8);
  for (const field of fields) must(check(field) === rows);
  must(node === nodes.length && buffer === buffers.length);
}

/** Whether `rows + 1` offsets never fall, and end within what they point into. */
function checkOffsets(body: DataView, at: number, rows: number, length: number): void {
  let before = 0;
  for (let row = 0; row <= rows; row += 1) {
    const offset = body.getInt32(at + row * 4, true);
    must(offset >= before);
    before = offset;
  }
  must(before <= length);
}
