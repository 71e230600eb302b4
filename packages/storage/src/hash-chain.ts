import { createHash } from "node:crypto";

/** What the first record's `previous` is. */
export const chainStart: string = "0".repeat(64);

/**
 * SHA-256, in hexadecimal, of one record of the log bound to everything before it: `cursor`, newline, the previous record's hash, newline, the stored text.
 * Changing, removing, inserting or reordering a record changes every hash after it.
 */
export function chainHash(cursor: number, previous: string, body: string): string {
  return createHash("sha256").update(`${cursor}\n${previous}\n${body}`).digest("hex");
}

export interface ChainRecord {
  readonly cursor: number;
  readonly hash: string;
  readonly body: string;
}

export interface ChainHead {
  /** Cursor of the last record; 0 of an empty log. */
  readonly cursor: number;
  readonly hash: string;
}

/** Why the record at `cursor` does not belong to the chain. */
export interface ChainBreak {
  readonly cursor: number;
  /** `rewritten`: the chain holds, and is another than the one a checkpoint was taken of. */
  readonly problem: "changed" | "missing" | "rewritten";
  /** Of `rewritten`, where the checkpoint does not know every record: the first bad one lies from `cursor` to here. */
  readonly upToCursor?: number | undefined;
}

/** Checks that `record` follows `head`. Cursors of the log count up by one. */
export function checkLink(head: ChainHead, record: ChainRecord): ChainBreak | undefined {
  if (record.cursor !== head.cursor + 1) return { cursor: head.cursor + 1, problem: "missing" };
  if (record.hash !== chainHash(record.cursor, head.hash, record.body)) {
    return { cursor: record.cursor, problem: "changed" };
  }
  return undefined;
}
