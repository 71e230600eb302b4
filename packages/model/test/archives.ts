import { crc32, deflateRawSync } from "node:zlib";

/** An entry of a tar; `bytes` stand in for what the header says where a test wants them to differ. */
export interface TarEntry {
  readonly name: string;
  readonly content?: Uint8Array | string;
  /** Default: `0`, a file. */
  readonly type?: string;
  readonly link?: string;
  /** What the header says. Default: the content's. */
  readonly sizeBytes?: number;
  readonly sizeField?: Buffer;
}

const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, "0")}\0`;

function tarHeader({ name, type = "0", link = "", sizeField }: TarEntry, sizeBytes: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write(octal(0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(sizeBytes, 12), 124);
  sizeField?.copy(header, 124);
  header.write(octal(0, 12), 136);
  header.write("        ", 148);
  header.write(type, 156);
  header.write(link, 157, 100);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

export const tarEnd: Buffer = Buffer.alloc(1024);

export function tarOf(entries: readonly TarEntry[], end: Buffer = tarEnd): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = Buffer.from(entry.content ?? "");
    const padding = Buffer.alloc((512 - (content.length % 512)) % 512);
    return [tarHeader(entry, entry.sizeBytes ?? content.length), content, padding];
  });
  return Buffer.concat([...parts, end]);
}

/** A pax header that says these attributes of the entry after it. */
export function pax(attributes: Readonly<Record<string, string>>, type = "x"): TarEntry {
  const content = Object.entries(attributes).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = Buffer.byteLength(rest) + 1;
    while (String(length).length + Buffer.byteLength(rest) > length) length += 1;
    return `${length}${rest}`;
  });
  return { name: "pax", type, content: content.join("") };
}

/** An entry of a zip; its own header and the directory may be made to say different things. */
export interface ZipEntry {
  readonly name: string | Buffer;
  readonly content?: Uint8Array | string;
  /** Default: 8, deflated. */
  readonly method?: number;
  readonly flags?: number;
  /** Unix's mode. Default: that of a file. */
  readonly mode?: number;
  readonly attributes?: number;
  readonly crc?: number;
  /** What the directory says. Default: the content's. */
  readonly sizeBytes?: number;
  /** What its own header calls it. */
  readonly localName?: string;
  readonly localSizeBytes?: number;
  /** Where the directory says it is. */
  readonly offset?: number;
  /** Compressed bytes as they are. */
  readonly raw?: Buffer;
}

export interface ZipShape {
  readonly prefix?: Buffer;
  /** Between the entries and the directory. */
  readonly gap?: Buffer;
  readonly suffix?: Buffer;
  readonly disk?: number;
  /** What the end says. */
  readonly count?: number;
}

export function zipOf(entries: readonly ZipEntry[], { prefix, gap, suffix, disk = 0, count }: ZipShape = {}): Buffer {
  const parts: Buffer[] = [prefix ?? Buffer.alloc(0)];
  const directory: Buffer[] = [];
  let offset = parts[0]?.length ?? 0;
  for (const entry of entries) {
    const { local, central, at } = zipEntry(entry, offset);
    directory.push(central);
    // One whose place is given lies within another: it brings no bytes of its own.
    if (at !== offset) continue;
    parts.push(local);
    offset += local.length;
  }
  const start = offset + (gap?.length ?? 0);
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(disk, 4);
  end.writeUInt16LE(count ?? entries.length, 8);
  end.writeUInt16LE(count ?? entries.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(start, 16);
  return Buffer.concat([...parts, gap ?? Buffer.alloc(0), central, end, suffix ?? Buffer.alloc(0)]);
}

function zipEntry(
  entry: ZipEntry,
  offset: number,
): { readonly local: Buffer; readonly central: Buffer; readonly at: number } {
  const { method = 8, flags = 0x800, mode = 0o100644 } = entry;
  const content = Buffer.from(entry.content ?? "");
  const name = Buffer.from(entry.name as string);
  const localName = entry.localName === undefined ? name : Buffer.from(entry.localName);
  const data = entry.raw ?? (method === 8 ? deflateRawSync(content) : content);
  const sum = entry.crc ?? crc32(content);
  const at = entry.offset ?? offset;
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(20, 4);
  local.writeUInt16LE(flags, 6);
  local.writeUInt16LE(method, 8);
  local.writeUInt32LE(sum, 14);
  local.writeUInt32LE(data.length, 18);
  local.writeUInt32LE(entry.localSizeBytes ?? entry.sizeBytes ?? content.length, 22);
  local.writeUInt16LE(localName.length, 26);
  const central = Buffer.alloc(46);
  central.writeUInt32LE(0x02014b50, 0);
  central.writeUInt16LE(0x0314, 4);
  central.writeUInt16LE(20, 6);
  central.writeUInt16LE(flags, 8);
  central.writeUInt16LE(method, 10);
  central.writeUInt32LE(sum, 16);
  central.writeUInt32LE(data.length, 20);
  central.writeUInt32LE(entry.sizeBytes ?? content.length, 24);
  central.writeUInt16LE(name.length, 28);
  central.writeUInt32LE(entry.attributes ?? mode * 0x10000, 38);
  central.writeUInt32LE(at, 42);
  return { local: Buffer.concat([local, localName, data]), central: Buffer.concat([central, name]), at };
}
