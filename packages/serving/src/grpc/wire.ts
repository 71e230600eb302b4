import { bodyInvalid } from "../errors.ts";

/** The kinds of values of Protocol Buffers that the messages here hold (https://protobuf.dev/programming-guides/encoding/); 64-bit integers are bigints. */
export type Scalar = "bool" | "int32" | "uint32" | "int64" | "uint64" | "float" | "double" | "string" | "bytes";

export interface FieldShape {
  readonly id: number;
  // What a message holds is said by its own shape.
  readonly type: Scalar | AnyShape;
  readonly repeated?: true;
  /** A `map<string, type>`. */
  readonly map?: true;
  /** One that is absent where it was not sent: those of a `oneof`, and messages. */
  readonly optional?: true;
}

/** The fields of a message by name. */
export type MessageShape<Message> = { readonly [Name in keyof Message]-?: FieldShape };

type AnyShape = Readonly<Record<string, FieldShape>>;

type Draft = Record<string, unknown>;

const wireTypes: Readonly<Record<Scalar, number>> = {
  bool: 0,
  int32: 0,
  uint32: 0,
  int64: 0,
  uint64: 0,
  double: 1,
  string: 2,
  bytes: 2,
  float: 5,
};

const defaults: Readonly<Record<Scalar, unknown>> = {
  bool: false,
  int32: 0,
  uint32: 0,
  int64: 0n,
  uint64: 0n,
  float: 0,
  double: 0,
  string: "",
  bytes: new Uint8Array(),
};

const malformed = (problem: string): Error => bodyInvalid(`it is no message of Protocol Buffers: ${problem}`);

const texts = new TextDecoder("utf-8", { fatal: true });

/** Bytes that are read one after another. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed("a number has more than 64 bits");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw malformed("it ends within a number");
    this.#at += 1;
    return byte;
  }

  take(length: number): Uint8Array {
    if (!(length <= this.#bytes.length - this.#at)) throw malformed("it ends within a field");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  scalar(type: Scalar): unknown {
    switch (type) {
      case "bool":
        return this.varint() !== 0n;
      case "int32":
        return Number(BigInt.asIntN(32, this.varint()));
      case "uint32":
        return Number(BigInt.asUintN(32, this.varint()));
      case "int64":
        return BigInt.asIntN(64, this.varint());
      case "uint64":
        return this.varint();
      case "float":
        this.take(4);
        return this.#view.getFloat32(this.#at - 4, true);
      case "double":
        this.take(8);
        return this.#view.getFloat64(this.#at - 8, true);
      case "bytes":
        return this.take(Number(this.varint()));
      case "string":
        return textOf(this.take(Number(this.varint())));
    }
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.take(8);
    else if (wireType === 2) this.take(Number(this.varint()));
    else if (wireType === 5) this.take(4);
    else throw malformed(`a field is of the wire type ${wireType}`);
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    return texts.decode(bytes);
  } catch (error) {
    throw bodyInvalid("it is no message of Protocol Buffers: a text is not UTF-8", undefined, error);
  }
}

/** Fields that the shape does not name are passed over. Throws `SERVING_BODY_INVALID`. */
export function decode<Message>(shape: MessageShape<Message>, bytes: Uint8Array): Message {
  const message: Draft = {};
  const byId = new Map<number, readonly [string, FieldShape]>();
  for (const [name, field] of Object.entries(shape as AnyShape)) {
    byId.set(field.id, [name, field]);
    message[name] = initial(field);
  }
  const reader = new Reader(bytes);
  while (!reader.done) {
    const tag = Number(reader.varint());
    const id = Math.floor(tag / 8);
    if (id === 0) throw malformed("a field has the number 0");
    const found = byId.get(id);
    if (found === undefined) reader.skip(tag % 8);
    else readField(message, found, reader, tag % 8);
  }
  return message as Message;
}

function initial({ type, repeated, map, optional }: FieldShape): unknown {
  if (map === true) return new Map();
  if (repeated === true) return [];
  return optional === true || typeof type === "object" ? undefined : defaults[type];
}

function readField(
  message: Draft,
  [name, { type, repeated, map }]: readonly [string, FieldShape],
  reader: Reader,
  wireType: number,
): void {
  const own = typeof type === "object" ? 2 : wireTypes[type];
  if (map === true) {
    if (wireType !== 2) throw malformed(`${name} is of the wire type ${wireType}`);
    const entry = decode(entryOf(type), reader.take(Number(reader.varint())));
    (message[name] as Map<string, unknown>).set(entry.key, entry.value);
    return;
  }
  if (repeated === true && wireType === 2 && own !== 2) {
    const packed = new Reader(reader.take(Number(reader.varint())));
    const list = message[name] as unknown[];
    while (!packed.done) list.push(packed.scalar(type as Scalar));
    return;
  }
  if (wireType !== own) throw malformed(`${name} is of the wire type ${wireType}`);
  const value =
    typeof type === "object"
      ? decode(type as MessageShape<Draft>, reader.take(Number(reader.varint())))
      : reader.scalar(type);
  if (repeated === true) (message[name] as unknown[]).push(value);
  else message[name] = value;
}

interface MapEntry {
  readonly key: string;
  readonly value: unknown;
}

const entryOf = (type: FieldShape["type"]): MessageShape<MapEntry> => ({
  key: { id: 1, type: "string" },
  value: { id: 2, type, optional: true },
});

/** What is `undefined`, empty or the default of its type is not written, save members of a `oneof`. */
export function encode<Message>(shape: MessageShape<Message>, message: Partial<Message>): Buffer {
  const parts: Uint8Array[] = [];
  for (const [name, field] of Object.entries(shape as AnyShape)) writeField(parts, field, (message as Draft)[name]);
  return Buffer.concat(parts);
}

function writeField(parts: Uint8Array[], { id, type, repeated, map, optional }: FieldShape, value: unknown): void {
  if (value === undefined) return;
  if (map === true) {
    const shape = entryOf(type);
    for (const [key, each] of value as ReadonlyMap<string, unknown>)
      writeBytes(parts, id, encode(shape, { key, value: each }));
    return;
  }
  if (repeated !== true) {
    if (optional === true || typeof type === "object" || value !== defaults[type]) writeValue(parts, id, type, value);
    return;
  }
  const list = value as readonly unknown[];
  if (typeof type === "object" || wireTypes[type] === 2) {
    for (const each of list) writeValue(parts, id, type, each);
  } else if (list.length > 0) {
    writeBytes(parts, id, Buffer.concat(list.map((each) => scalarBytes(type, each))));
  }
}

function writeValue(parts: Uint8Array[], id: number, type: FieldShape["type"], value: unknown): void {
  if (typeof type === "object") writeBytes(parts, id, encode(type as MessageShape<Draft>, value as Draft));
  else if (type === "bytes") writeBytes(parts, id, value as Uint8Array);
  else if (type === "string") writeBytes(parts, id, Buffer.from(value as string, "utf8"));
  else parts.push(varint(BigInt(id * 8 + wireTypes[type])), scalarBytes(type, value));
}

function writeBytes(parts: Uint8Array[], id: number, bytes: Uint8Array): void {
  parts.push(varint(BigInt(id * 8 + 2)), varint(BigInt(bytes.length)), bytes);
}

function scalarBytes(type: Scalar, value: unknown): Uint8Array {
  if (type === "float" || type === "double") {
    const bytes = Buffer.alloc(type === "float" ? 4 : 8);
    if (type === "float") bytes.writeFloatLE(value as number);
    else bytes.writeDoubleLE(value as number);
    return bytes;
  }
  return varint(BigInt(value as number | bigint | boolean));
}

/** Seven bits a byte, the lowest first; negative numbers as 64-bit two's complement. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}
