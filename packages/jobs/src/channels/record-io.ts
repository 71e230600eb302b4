/** RecordIO's mark of a record's beginning (dmlc-core's `RecordIOWriter::kMagic`). */
const magic = 0xced7230a;
/** The length has 29 bits; the 3 above say that a record goes on, which no record of these does. */
export const longestRecordBytes: number = 2 ** 29 - 1;

/** What stands before a record of that length: the mark and the length, little-endian. */
export function recordHeader(lengthBytes: number): Uint8Array {
  const header = new Uint8Array(8);
  const view = new DataView(header.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, lengthBytes, true);
  return header;
}

/** What stands after it: zeros up to a multiple of 4. */
export const recordPadding = (lengthBytes: number): Uint8Array => new Uint8Array((4 - (lengthBytes % 4)) % 4);
