import type { CallOptions } from "./call-options.ts";
import type { JsonValue } from "./json.ts";

export interface StoredRecord {
  readonly key: string;
  readonly value: JsonValue;
  /** Grows by one with each write of the key; a key written again after a delete goes on counting. First: 1. */
  readonly version: number;
}

export interface ConditionalOptions extends CallOptions {
  /** Only if the key is at this version now; 0: only if it is absent. Otherwise `PORT_VERSION_CONFLICT`. */
  readonly ifVersion?: number | undefined;
}

/** Small JSON records by key, with compare-and-swap. */
export interface RecordStore {
  read(key: string, options?: CallOptions): Promise<StoredRecord | undefined>;
  /** @returns the new version. */
  write(key: string, value: JsonValue, options?: ConditionalOptions): Promise<number>;
  /** Deleting what is not there does nothing, unless `ifVersion` asks for it. */
  delete(key: string, options?: ConditionalOptions): Promise<void>;
  /** The records whose key starts with `prefix`, by key in the order of their UTF-8 bytes. */
  list(prefix: string, options?: CallOptions): AsyncIterable<StoredRecord>;
}
