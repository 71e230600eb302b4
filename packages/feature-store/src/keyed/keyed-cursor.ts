import type { CallOptions } from "@millwright/contracts";
import { formatTooNew } from "../errors.ts";
import { entryError } from "./keyed-view.ts";
import type { KeyedOnlineStore } from "./keyed-store.ts";
import { rangesHave, rangesOfBoth } from "../online/number-ranges.ts";
import { createOnlineCursor, type OnlineCursor } from "../online/online-cursor.ts";
import type { OnlineCursorRecord, OnlineMark, OnlineRecord } from "../online/online-store.ts";

/** No entity has a name with a slash. */
const GROUP = "_cursor/views";
const FORMAT_VERSION = 1;

/** Which batches of a view's history a keyed store has: an entry of its own, of which all processes that write there change nothing but what they know. */
export interface KeyedCursor {
  /** As it is now; it stays so. Throws `FEATURE_STORE_ONLINE_CORRUPT`, `FEATURE_STORE_FORMAT_TOO_NEW`. */
  read(options?: CallOptions): Promise<OnlineCursor>;
  /** Adds what is known more, once the rows are there that it speaks of. */
  note(record: OnlineCursorRecord | OnlineMark, options?: CallOptions): Promise<void>;
}

export function createKeyedCursor(store: KeyedOnlineStore, view: string): KeyedCursor {
  return {
    async read(options) {
      const [bytes] = await store.read(GROUP, [view], options);
      return decode(view, bytes);
    },
    async note(record, options) {
      const change = (_: number, bytes: Uint8Array | undefined): Uint8Array => {
        const cursor = decode(view, bytes);
        cursor.take("seenBatches" in record ? merged(cursor, record) : record);
        return encode(cursor.records());
      };
      await store.update(GROUP, [view], change, options);
    },
  };
}

/** What a process knows together with what others noted meanwhile. */
function merged(cursor: OnlineCursor, record: OnlineCursorRecord): OnlineCursorRecord {
  const known = cursor.records().find((each) => "seenBatches" in each);
  const seenBatches = rangesOfBoth(known?.seenBatches ?? [], record.seenBatches);
  const partway = record.partway ?? known?.partway;
  const { doneMarks } = record;
  return partway === undefined || rangesHave(seenBatches, partway.batch)
    ? { seenBatches, doneMarks }
    : { seenBatches, doneMarks, partway };
}

const encode = (records: readonly OnlineRecord[]): Uint8Array =>
  Buffer.from(JSON.stringify({ formatVersion: FORMAT_VERSION, records }));

const decoder = new TextDecoder();

function decode(view: string, bytes: Uint8Array | undefined): OnlineCursor {
  const cursor = createOnlineCursor();
  if (bytes === undefined) return cursor;
  const { formatVersion, records } = parse(view, bytes);
  if (formatVersion > FORMAT_VERSION) {
    throw formatTooNew(`The online entry "${view}" of "${GROUP}"`, formatVersion, FORMAT_VERSION);
  }
  for (const record of records) cursor.take(record);
  return cursor;
}

function parse(
  view: string,
  bytes: Uint8Array,
): { readonly formatVersion: number; readonly records: readonly OnlineRecord[] } {
  try {
    return JSON.parse(decoder.decode(bytes)) as ReturnType<typeof parse>;
  } catch (error) {
    throw entryError(error, GROUP, view);
  }
}
