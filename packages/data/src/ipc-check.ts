import { arrowInvalid } from "./errors.ts";
import { fieldAt, wide } from "./flat-buffer.ts";

const magic = "ARROW1";
const kinds = { schema: 1, dictionary: 2, rows: 3 } as const;
const unionType = 14;
/** Bytes of an entry of Message.fbs and File.fbs: a reference to a table, a 64-bit number, a pair of those, a place of a message in a file. */
const entryBytes = { table: 4, long: 8, pair: 16, block: 24 } as const;

/**
 * Looks through the lists of all messages before they are read: a length that stands in damaged bytes, or in those of somebody who wishes harm, would
 * keep apache-arrow busy for minutes. Bytes that end within a message are left to whoever reads them. Throws `DATA_ARROW_INVALID`.
 */
export function checkMessages(bytes: Uint8Array): void {
  const isFile = String.fromCharCode(...bytes.subarray(0, magic.length)) === magic;
  try {
    let message = checkMessageAt(bytes, isFile ? 8 : 0);
    while (message !== undefined) message = checkMessageAt(bytes, message.bodyAt + message.bodyBytes);
    if (isFile) checkFooter(bytes);
  } catch (error) {
    throw arrowInvalid(`a message is damaged: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

interface Message {
  readonly kind: number;
  readonly bodyBytes: number;
  /** Where the body begins. */
  readonly bodyAt: number;
}

/** @returns `undefined` where there is no whole message. */
function checkMessageAt(bytes: Uint8Array, at: number): Message | undefined {
  const view = viewOf(bytes);
  if (at + 8 > bytes.length) return undefined;
  // Before Arrow 0.15 messages began with their length alone.
  const first = view.getInt32(at, true);
  const [start, size] = first === -1 ? [at + 8, view.getInt32(at + 4, true)] : [at + 4, first];
  if (size <= 0 || start + size > bytes.length) return undefined;
  return { ...checkMessage(bytes.subarray(start, start + size), bytes.length - start - size), bodyAt: start + size };
}

/** @param left Bytes behind the message. */
function checkMessage(message: Uint8Array, left: number): Omit<Message, "bodyAt"> {
  const view = viewOf(message);
  const root = view.getUint32(0, true);
  const [kindAt, headerAt, bytesAt] = [fieldAt(view, root, 1), fieldAt(view, root, 2), fieldAt(view, root, 3)];
  const bodyBytes = bytesAt === 0 ? 0 : wide(view, bytesAt);
  if (bodyBytes < 0) throw new RangeError(`its body has ${bodyBytes} bytes`);
  const kind = kindAt === 0 ? 0 : view.getUint8(kindAt);
  const header = below(view, headerAt);
  if (header === 0) return { kind: 0, bodyBytes };
  if (kind === kinds.schema) checkSchema(view, header);
  if (kind === kinds.dictionary) checkRows(view, below(view, fieldAt(view, header, 1)), Math.min(bodyBytes, left));
  if (kind === kinds.rows) checkRows(view, header, Math.min(bodyBytes, left));
  return { kind, bodyBytes };
}

function checkRows(view: DataView, table: number, bodyBytes: number): void {
  if (table === 0) return;
  const nodes = listAt(view, table, 1, entryBytes.pair);
  const buffers = listAt(view, table, 2, entryBytes.pair);
  listAt(view, table, 4, entryBytes.long);
  if (fieldAt(view, table, 3) !== 0) return;
  const rowsAt = fieldAt(view, table, 0);
  // Of the batch, and of each of its columns and what is within them.
  const lengths = Array.from({ length: nodes.count }, (_, index) => wide(view, nodes.at + index * entryBytes.pair));
  for (const rows of [rowsAt === 0 ? 0 : wide(view, rowsAt), ...lengths])
    // A row takes a bit at least.
    if (rows < 0 || (buffers.count > 0 && rows > bodyBytes * 8))
      throw new RangeError(`${bodyBytes} bytes hold no ${rows} rows`);
}

/** What is listed in all is no more than there is room for, so that lists which are named again and again end too. */
function checkSchema(view: DataView, schema: number): void {
  let left = view.byteLength / entryBytes.table;
  const take = (table: number, field: number, size: number): { readonly at: number; readonly count: number } => {
    const list = listAt(view, table, field, size);
    left -= list.count;
    if (left < 0) throw new RangeError("its lists are longer than the message");
    return list;
  };
  const checkFields = ({ at, count }: { readonly at: number; readonly count: number }): void => {
    for (let index = 0; index < count; index += 1) {
      const field = below(view, at + index * entryBytes.table);
      take(field, 6, entryBytes.table);
      const typeAt = fieldAt(view, field, 2);
      const type = below(view, fieldAt(view, field, 3));
      if (type !== 0 && typeAt !== 0 && view.getUint8(typeAt) === unionType) take(type, 1, entryBytes.table);
      checkFields(take(field, 5, entryBytes.table));
    }
  };
  take(schema, 2, entryBytes.table);
  take(schema, 3, entryBytes.long);
  checkFields(take(schema, 1, entryBytes.table));
}

/** A file names its schema again at its end, and where its messages are. */
function checkFooter(bytes: Uint8Array): void {
  const end = bytes.length - magic.length - 4;
  const size = end < 8 ? 0 : viewOf(bytes).getInt32(end, true);
  if (size <= 0 || size > end) return;
  const footer = bytes.subarray(end - size, end);
  const view = viewOf(footer);
  const root = view.getUint32(0, true);
  const schema = below(view, fieldAt(view, root, 1));
  if (schema !== 0) checkSchema(view, schema);
  for (const [field, kind] of [
    [2, kinds.dictionary],
    [3, kinds.rows],
  ] as const) {
    const { at, count } = listAt(view, root, field, entryBytes.block);
    for (let index = 0; index < count; index += 1)
      if (checkMessageAt(bytes, wide(view, at + index * entryBytes.block))?.kind !== kind)
        throw new RangeError("it is not where the end of the file says");
  }
}

/** @returns the table or list that is referred to from `at`; 0 where `at` is 0. */
const below = (view: DataView, at: number): number => (at === 0 ? 0 : at + view.getUint32(at, true));

/** @returns where the entries of a list begin. Throws a RangeError where they are not all within the message. */
function listAt(
  view: DataView,
  table: number,
  field: number,
  size: number,
): { readonly at: number; readonly count: number } {
  const list = below(view, fieldAt(view, table, field));
  if (list === 0) return { at: 0, count: 0 };
  const count = view.getUint32(list, true);
  if (list + 4 + count * size > view.byteLength) throw new RangeError(`a list of ${count} is longer than the message`);
  return { at: list + 4, count };
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
