/** One field of a message: a number where it is a varint, else its bytes. */
export interface Field {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** Bytes that are no message of Protocol Buffers. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** Fields of a message in Protocol Buffers' wire format, in their order (https://protobuf.dev/programming-guides/encoding/). Throws `WireError`. */
export function* readFields(message: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at];
      if (byte === undefined) throw new WireError("it ends within a number");
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new WireError("a number has more than 64 bits");
  };
  const take = (length: number): Uint8Array => {
    if (length > message.length - at) throw new WireError("it ends within a field");
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    if (number === 0) throw new WireError("a field has the number 0");
    const wireType = tag % 8;
    if (wireType === 0) yield { number, value: varint() };
    else if (wireType === 1) yield { number, value: take(8) };
    else if (wireType === 2) yield { number, value: take(Number(varint())) };
    else if (wireType === 5) yield { number, value: take(4) };
    else throw new WireError(`a field is of the wire type ${wireType}`);
  }
}

/** The messages, or bytes, of the fields of that number. Throws `WireError`. */
export function messagesOf(message: Uint8Array, number: number): readonly Uint8Array[] {
  return [...readFields(message)].flatMap((field) => (field.number === number ? [bytesOf(field)] : []));
}

/** The text of the last field of that number; empty where there is none. Throws `WireError`. */
export function textOf(message: Uint8Array, number: number): string {
  return new TextDecoder("utf-8").decode(messagesOf(message, number).at(-1) ?? new Uint8Array());
}

/** The number in the last field of that number. Throws `WireError`. */
export function integerOf(message: Uint8Array, number: number): number | undefined {
  const found = [...readFields(message)].findLast((field) => field.number === number);
  if (found === undefined) return undefined;
  if (typeof found.value !== "bigint") throw new WireError(`the field ${number} is no number`);
  return Number(BigInt.asIntN(64, found.value));
}

function bytesOf({ number, value }: Field): Uint8Array {
  if (typeof value === "bigint") throw new WireError(`the field ${number} is a number`);
  return value;
}
