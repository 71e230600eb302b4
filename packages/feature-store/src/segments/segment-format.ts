import type { BytesColumn, Column, ColumnType } from "@millwright/contracts";
import { isNumericType, numericArray } from "@millwright/data";

/** Where a run of bytes stands, from the first section on. */
export interface Section {
  readonly at: number;
  readonly sizeBytes: number;
}

export interface SegmentHeader {
  readonly formatVersion: 1;
  /** Digest of the view's definition. */
  readonly definition: string;
  /** The numbers of the batches whose rows are in it. */
  readonly batches: readonly number[];
  /** How often the history had been compacted when it was read: erasing an entity is one more, and nothing may outlive that. */
  readonly compactions: number;
  readonly rows: number;
  readonly entities: number;
  readonly sections: Readonly<Record<string, Section>>;
  /** All sections. */
  readonly sizeBytes: number;
}

/** The bytes of a column by the names of their sections. */
export function columnSections(name: string, column: Column): [string, Uint8Array][] {
  const sections: [string, Uint8Array][] = [[name, bytesOf(valuesOf(column))]];
  if (column.type === "utf8") sections.push([`${name}/offsets`, bytesOf(column.offsets)]);
  if (column.validity !== undefined) sections.push([`${name}/validity`, bytesOf(column.validity)]);
  return sections;
}

function valuesOf(column: Column): ArrayBufferView {
  if (column.type === "utf8" || column.type === "bool" || isNumericType(column.type)) {
    return column.values as ArrayBufferView;
  }
  throw new TypeError(`A feature cannot be ${column.type}.`);
}

export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);

/** A column over bytes that were read. */
export function columnOver(
  type: ColumnType,
  length: number,
  bytes: {
    readonly values: ArrayBuffer;
    readonly offsets?: ArrayBuffer | undefined;
    readonly validity?: ArrayBuffer | undefined;
  },
): Column {
  const validity = bytes.validity === undefined ? {} : { validity: new Uint8Array(bytes.validity) };
  if (type === "utf8") {
    const offsets = new Int32Array(bytes.offsets!, 0, length + 1);
    return { type, length, values: new Uint8Array(bytes.values), offsets, ...validity } satisfies BytesColumn;
  }
  if (type === "bool") return { type, length, values: new Uint8Array(bytes.values), ...validity };
  if (!isNumericType(type)) throw new TypeError(`A feature cannot be ${type}.`);
  const Values = numericArray(type, 0).constructor as new (buffer: ArrayBuffer, at: number, length: number) => never;
  return { type, length, values: new Values(bytes.values, 0, length), ...validity } as Column;
}
