/**
 * Fields of a message in Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding/): what ONNX needs of it, which is
 * varints, 32-bit floats and length-delimited bytes.
 */
export type Fields = readonly Uint8Array[];

/** Each 7 bits with a mark that more follow. Negative numbers take ten bytes, as 64-bit two's complement. */
function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

const tag = (field: number, wireType: 0 | 2 | 5): Uint8Array => varint((field << 3) | wireType);

/** An integer, a boolean or an enumeration. */
export const integer = (field: number, value: number | bigint): Fields => [tag(field, 0), varint(value)];

/** A `float`. */
export function float(field: number, value: number): Fields {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setFloat32(0, value, true);
  return [tag(field, 5), new Uint8Array(bytes.buffer)];
}

/** Bytes. */
export const bytes = (field: number, value: Uint8Array): Fields => [tag(field, 2), varint(value.length), value];

/** A text, in UTF-8. */
export const text = (field: number, value: string): Fields => bytes(field, new TextEncoder().encode(value));

/** A message within the message. */
export function message(field: number, fields: Fields): Fields {
  const length = fields.reduce((sum, part) => sum + part.length, 0);
  return [tag(field, 2), varint(length), ...fields];
}

/** The whole message, as it stands in a file. */
export function encoded(fields: Fields): Uint8Array {
  const whole = new Uint8Array(fields.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of fields) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
