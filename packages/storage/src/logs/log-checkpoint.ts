import {
  type JsonWebKey,
  type KeyObject,
  createHash,
  createPrivateKey,
  createPublicKey,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { type CallOptions, canonicalJson } from "@millwright/contracts";
import type { Database } from "../database.ts";
import { chainBroken, checkpointInvalid } from "../errors.ts";
import { type ChainReport, verifyLog } from "../event-log.ts";
import { type ChainBreak, type ChainHead, chainStart } from "../hash-chain.ts";

/** An Ed25519 key: PEM, a JSON Web Key, or a key of `node:crypto`. */
export type CheckpointKey = string | JsonWebKey | KeyObject;

/**
 * A log's history at one moment, signed: JSON to be kept where who writes the database cannot. `signature` is Ed25519 over the canonical JSON (RFC 8785) of all other members.
 */
export interface LogCheckpoint {
  readonly formatVersion: 1;
  /** Which log it is, as its keeper calls it. */
  readonly log: string;
  /** The last record. */
  readonly cursor: number;
  readonly hash: string;
  /** When it was taken; UTC, milliseconds. */
  readonly timeMs: number;
  /** Hashes of earlier records, every `every`-th: from them a rewritten record is found, to within so many. */
  readonly every: number;
  readonly anchors: readonly string[];
  /** SHA-256 of the public key in DER, in hexadecimal. */
  readonly keyId: string;
  /** Base64. */
  readonly signature: string;
}

export interface ExportCheckpointOptions extends CallOptions {
  /** A private key. */
  readonly key: CheckpointKey;
  /** Which log it is. Default: `millwright`. */
  readonly log?: string | undefined;
  /** How many records an anchor stands for; 1 lets `verifyCheckpoint` name the very record, at 67 bytes for each. Default: 100. */
  readonly every?: number | undefined;
}

export interface VerifyCheckpointOptions extends CallOptions {
  /** Public keys of those whose checkpoints count. */
  readonly keys: readonly CheckpointKey[];
  /** Which log it has to be of. Default: any. */
  readonly log?: string | undefined;
}

/**
 * Verifies the log from its first record and signs where it stands. Throws `STORAGE_CHAIN_BROKEN` for a history that does not hold, and `STORAGE_CHECKPOINT_INVALID` for a
 * key that is none.
 */
export async function exportCheckpoint<Tables>(
  database: Database<Tables>,
  { key, log = "millwright", every = 100, signal }: ExportCheckpointOptions,
): Promise<LogCheckpoint> {
  signal?.throwIfAborted();
  if (!Number.isSafeInteger(every) || every < 1)
    throw new RangeError(`An anchor must stand for a whole number of records from 1 on; \`every\` is ${every}.`);
  const held = keyOf(key, "private");
  const anchors: string[] = [];
  const { head, broken } = await verifyLog(database, signal, ({ cursor, hash }) => {
    if (cursor % every === 0) anchors.push(hash);
  });
  if (broken !== undefined) throw chainBroken(broken.cursor, broken.problem);
  const checkpoint = {
    formatVersion: 1 as const,
    log,
    ...head,
    timeMs: database.clock.nowMs(),
    every,
    anchors,
    keyId: keyIdOf(held),
  };
  return { ...checkpoint, signature: signBytes(null, signedText(checkpoint), held).toString("base64") };
}

/**
 * Verifies the log from its first record, and that the checkpoint's history is the beginning of it: besides what `verify` finds, that shows a tail that was cut off and a chain that was
 * made anew. The first bad record is named; of a chain made anew, to within `every` records of the checkpoint.
 * Throws `STORAGE_CHECKPOINT_INVALID` for a checkpoint that was changed, is of another log, or is signed by none of the keys.
 */
export async function verifyCheckpoint<Tables>(
  database: Database<Tables>,
  checkpoint: LogCheckpoint,
  { keys, log, signal }: VerifyCheckpointOptions,
): Promise<ChainReport> {
  signal?.throwIfAborted();
  checkSignature(checkpoint, keys, log);
  const { cursor, hash, every, anchors } = checkpoint;
  const expected = new Map(anchors.map((anchor, index) => [(index + 1) * every, anchor]));
  expected.set(cursor, hash);
  let good: ChainHead = { cursor: 0, hash: chainStart };
  let rewritten: ChainBreak | undefined;
  const report = await verifyLog(database, signal, (head) => {
    const wanted = expected.get(head.cursor);
    if (wanted === undefined || rewritten !== undefined) return;
    if (wanted === head.hash) good = head;
    else rewritten = rewrittenFrom(good.cursor + 1, head.cursor);
  });
  const { broken, head } = report;
  if (rewritten !== undefined) return { ...report, records: good.cursor, head: good, broken: rewritten };
  if (broken !== undefined || head.cursor >= cursor) return report;
  // It ends before the checkpoint, and knows nothing of more records.
  return { ...report, broken: { cursor: head.cursor + 1, problem: "missing" } };
}

const rewrittenFrom = (cursor: number, upToCursor: number): ChainBreak =>
  cursor === upToCursor ? { cursor, problem: "rewritten" } : { cursor, problem: "rewritten", upToCursor };

function checkSignature(checkpoint: LogCheckpoint, keys: readonly CheckpointKey[], log: string | undefined): void {
  const problem = shapeProblem(checkpoint);
  if (problem !== undefined) throw checkpointInvalid(problem);
  const { signature, ...rest } = checkpoint;
  const held = keys.map((key) => keyOf(key, "public")).find((key) => keyIdOf(key) === rest.keyId);
  if (held === undefined) throw checkpointInvalid(`none of the keys given is ${rest.keyId}`);
  const bytes = Buffer.from(signature, "base64");
  if (!verifyBytes(null, signedText(rest), held, bytes)) throw checkpointInvalid("its signature does not hold");
  if (log !== undefined && rest.log !== log) throw checkpointInvalid(`it is of the log "${rest.log}", not "${log}"`);
}

/** Its own members alone, in the types they have; the signature says the rest. */
function shapeProblem(value: LogCheckpoint | null): string | undefined {
  if (typeof value !== "object" || value === null) return "it is no object";
  if (value.formatVersion !== 1) return `its format version ${String(value.formatVersion)} is not 1`;
  const whole =
    [value.cursor, value.timeMs, value.every].every(Number.isSafeInteger) && value.cursor >= 0 && value.every >= 1;
  const texts = [value.log, value.hash, value.keyId, value.signature].every((each) => typeof each === "string");
  const anchored = Array.isArray(value.anchors) && value.anchors.every((each) => typeof each === "string");
  return whole && texts && anchored ? undefined : "a member is missing, or of another type";
}

/** What is signed. Throws `STORAGE_CHECKPOINT_INVALID` for what JSON cannot carry. */
function signedText(checkpoint: Omit<LogCheckpoint, "signature">): Buffer {
  try {
    return Buffer.from(canonicalJson(checkpoint));
  } catch (error) {
    throw checkpointInvalid("it is no JSON", error);
  }
}

function keyOf(material: CheckpointKey, type: "private" | "public"): KeyObject {
  let key: KeyObject;
  try {
    if (typeof material === "object" && material !== null && "asymmetricKeyType" in material && "export" in material)
      key = material as KeyObject;
    else {
      const read = type === "private" ? createPrivateKey : createPublicKey;
      key =
        typeof material === "string"
          ? read({ key: material, format: "pem" })
          : read({ key: material as JsonWebKey, format: "jwk" });
    }
    if (type === "public" && key.type === "private") key = createPublicKey(key);
  } catch (error) {
    throw checkpointInvalid(`the ${type} key cannot be read`, error);
  }
  if (key.type !== type || key.asymmetricKeyType !== "ed25519")
    throw checkpointInvalid(
      `a ${type} Ed25519 key is needed, and not ${key.asymmetricKeyType ?? "one"} of the kind ${key.type}`,
    );
  return key;
}

function keyIdOf(key: KeyObject): string {
  const spki = (key.type === "private" ? createPublicKey(key) : key).export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("hex");
}
