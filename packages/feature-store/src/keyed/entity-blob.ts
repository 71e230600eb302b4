import { formatTooNew } from "../errors.ts";

/*
 * What is kept online of one entity: a section a view, so that a service needs one read an entity. All numbers little-endian.
 *
 *   0  u8   format version
 *   2  u16  sections
 *   8  for each: u32, u32 the view's mark; u32 where its section starts; u32 its length
 *      the sections
 */
const FORMAT_VERSION = 1;
const HEADER_BYTES = 8;
const ENTRY_BYTES = 16;
/** Where the length of the first section stands, and where the second begins. */
export const SECTION_LENGTH_AT: number = HEADER_BYTES + 12;
export const SECOND_SECTION_AT: number = HEADER_BYTES + ENTRY_BYTES + 8;
/** Where the first of so many sections begins. */
export const firstSection = (sections: number): number => HEADER_BYTES + sections * ENTRY_BYTES;

/** The first 8 bytes of the SHA-256 of a view's id. */
export interface SectionMark {
  readonly low: number;
  readonly high: number;
}

/** Bytes of an entity, as they were read, with a view on them that is made once for as long as the store reads into the same memory. */
export interface BlobReader {
  readonly view: DataView<ArrayBufferLike>;
  /** Where the blob starts and ends in the view. */
  readonly start: number;
  readonly end: number;
  /** How many views it has a section of. */
  readonly sections: number;
  /** Looks at other bytes. Throws `FEATURE_STORE_FORMAT_TOO_NEW`. */
  open(bytes: Uint8Array, where: () => string): void;
  /** @returns where the section of a view starts in the view; −1 for none. */
  find(mark: SectionMark): number;
}

export function createBlobReader(): BlobReader {
  let buffer: ArrayBufferLike = new ArrayBuffer(0);
  let last: Uint8Array | undefined;
  const reader = {
    view: new DataView<ArrayBufferLike>(buffer),
    start: 0,
    end: 0,
    get sections(): number {
      return reader.view.getUint16(reader.start + 2, true);
    },
    open(bytes: Uint8Array, where: () => string): void {
      // A store may show one entry after another through the same array.
      if (bytes !== last) {
        last = bytes;
        if (bytes.buffer !== buffer) {
          buffer = bytes.buffer;
          reader.view = new DataView(buffer);
        }
        reader.start = bytes.byteOffset;
        reader.end = bytes.byteOffset + bytes.length;
      }
      const version = reader.view.getUint8(reader.start);
      if (version > FORMAT_VERSION) throw formatTooNew(where(), version, FORMAT_VERSION);
    },
    find({ low, high }: SectionMark): number {
      const { view, start, end, sections } = reader;
      for (let at = start + HEADER_BYTES, index = 0; index < sections; index++, at += ENTRY_BYTES) {
        if (view.getUint32(at, true) !== low || view.getUint32(at + 4, true) !== high) continue;
        const section = start + view.getUint32(at + 8, true);
        if (section + view.getUint32(at + 12, true) > end) throw new RangeError("a section reaches past the end");
        return section;
      }
      return -1;
    },
  };
  return reader;
}

/** What stands under a mark. */
export interface Section {
  readonly mark: SectionMark;
  readonly bytes: Uint8Array;
}

/**
 * An entity's bytes with another section of one view in the place of what was there.
 * @param section Null to take it out.
 * @returns null where nothing is left.
 */
export function withSection(
  current: Uint8Array | undefined,
  mark: SectionMark,
  section: Uint8Array | null,
): Uint8Array | null {
  const others = current === undefined ? [] : sectionsIn(current).filter((each) => !isSame(each.mark, mark));
  const sections = section === null ? others : [...others, { mark, bytes: section }];
  return sections.length === 0 ? null : join(sections);
}

/** An entity's bytes with all sections of an entry in the place of what was there of them. */
export function withSectionsOf(current: Uint8Array, entry: Uint8Array): Uint8Array {
  const added = sectionsIn(entry);
  const others = sectionsIn(current).filter(({ mark }) => !added.some((each) => isSame(each.mark, mark)));
  return join([...others, ...added]);
}

const isSame = (one: SectionMark, other: SectionMark): boolean => one.low === other.low && one.high === other.high;

function join(sections: readonly Section[]): Uint8Array {
  let at = firstSection(sections.length);
  const bytes = new Uint8Array(sections.reduce((sum, each) => sum + each.bytes.length, at));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, FORMAT_VERSION);
  view.setUint16(2, sections.length, true);
  sections.forEach((each, index) => {
    const entry = HEADER_BYTES + index * ENTRY_BYTES;
    view.setUint32(entry, each.mark.low, true);
    view.setUint32(entry + 4, each.mark.high, true);
    view.setUint32(entry + 8, at, true);
    view.setUint32(entry + 12, each.bytes.length, true);
    bytes.set(each.bytes, at);
    at += each.bytes.length;
  });
  return bytes;
}

function sectionsIn(current: Uint8Array): Section[] {
  const view = new DataView(current.buffer, current.byteOffset, current.length);
  return Array.from({ length: view.getUint16(2, true) }, (_, index) => {
    const entry = HEADER_BYTES + index * ENTRY_BYTES;
    const mark = { low: view.getUint32(entry, true), high: view.getUint32(entry + 4, true) };
    const start = view.getUint32(entry + 8, true);
    const length = view.getUint32(entry + 12, true);
    if (start + length > current.length) throw new RangeError("a section reaches past the end");
    return { mark, bytes: current.subarray(start, start + length) };
  });
}
