import type { Batch, CallOptions } from "@millwright/contracts";
import { RecordBatchReader, type Schema as ArrowSchema } from "apache-arrow";
import { arrowInvalid } from "./errors.ts";
import { fromArrow, fromIpc } from "./from-arrow.ts";
import { checkMessages } from "./ipc-check.ts";
import { batchFromBody, type PlainField, plainFields, type RecordMetadata, readMetadata } from "./ipc-record.ts";
import { type ByteSource, createPuller, type Puller } from "./ipc-source.ts";

export interface IpcStreamOptions extends CallOptions {
  /**
   * Whether each batch takes the memory of the one before, which is then lost: for whoever is done with a batch when it asks for the next, as a profile
   * is. Batches of dictionaries, lists and types that are converted have memory of their own nonetheless. Default: false.
   */
  readonly reuseMemory?: boolean | undefined;
}

/**
 * Reads an Arrow IPC stream or file batch by batch, so that no more than one is in memory.
 * @param source The bytes in pieces of any size, as a Node stream or the body of a response gives them; or what they can be read from, as a `FileHandle` of Node:
 * then they are not copied. It is not closed.
 * A file that names its schema at the end alone, as apache-arrow writes them, is read whole, and so is a stream of before Arrow 0.15.
 * Throws `DATA_ARROW_INVALID` where the bytes end within a message or are no Arrow IPC, as `fromArrow`, what the source throws, and the signal's reason.
 */
export async function* fromIpcStream(
  source: ByteSource,
  { signal, reuseMemory = false }: IpcStreamOptions = {},
): AsyncGenerator<Batch, void, undefined> {
  const puller = createPuller(source);
  try {
    signal?.throwIfAborted();
    const head = await readHead(puller);
    for await (const batch of batchesOf(puller, head, reuseMemory)) {
      signal?.throwIfAborted();
      yield batch;
    }
  } finally {
    await puller.end();
  }
}

const prefixBytes = 8;
const magic = "ARROW1";

interface Head {
  /** What was read: the message of the schema; of what is read whole, what there was. */
  readonly bytes: Uint8Array;
  readonly readWhole: boolean;
  /** `undefined` where batches are to be read by apache-arrow. */
  readonly fields?: readonly PlainField[] | undefined;
}

function batchesOf(puller: Puller, { bytes, readWhole, fields }: Head, reuseMemory: boolean): AsyncIterable<Batch> {
  if (readWhole) return readAll(puller, bytes);
  return fields === undefined ? readWithArrow(puller, bytes) : readPlain(puller, bytes, fields, reuseMemory);
}

async function readHead(puller: Puller): Promise<Head> {
  const start = await puller.read(prefixBytes);
  // A file is a stream behind eight bytes, with a list of its batches behind the end.
  const isFile = String.fromCharCode(...start.subarray(0, magic.length)) === magic;
  const prefix = isFile ? await puller.read(prefixBytes) : start;
  if (prefix.length < prefixBytes) throw arrowInvalid(`they end after ${prefix.length} bytes`, undefined);
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes);
  // Before Arrow 0.15 messages began with their length alone.
  if (view.getInt32(0, true) !== -1) return { bytes: isFile ? joined(start, prefix) : prefix, readWhole: true };
  const message = await whole(puller, view.getInt32(4, true), "the schema");
  // Some files name their schema at the end alone: those are read whole.
  if (isFile && !readMetadata(message).schema) return { bytes: joined(start, prefix, message), readWhole: true };
  const bytes = joined(prefix, message);
  checkMessages(bytes);
  return { bytes, readWhole: false, fields: plainFields(schemaOf(bytes)) };
}

function schemaOf(message: Uint8Array): ArrowSchema {
  try {
    return RecordBatchReader.from(joined(message, endOfStream)).open().schema;
  } catch (error) {
    throw arrowInvalid(error instanceof Error ? error.message : String(error), error);
  }
}

const endOfStream = Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0);

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

async function whole(puller: Puller, sizeBytes: number, what: string, target?: Uint8Array): Promise<Uint8Array> {
  const bytes = sizeBytes < 0 ? undefined : await puller.read(sizeBytes, target);
  if (bytes?.length === sizeBytes) return bytes;
  throw arrowInvalid(`${what} should have ${sizeBytes} bytes, of which there are ${bytes?.length ?? 0}`, undefined);
}

interface NextMessage {
  readonly prefix: Uint8Array;
  readonly message: Uint8Array;
  readonly metadata: RecordMetadata;
}

/** @returns `undefined` at the end, which streams need not tell. */
async function nextMessage(puller: Puller): Promise<NextMessage | undefined> {
  const prefix = await puller.read(prefixBytes);
  if (prefix.length === 0) return undefined;
  if (prefix.length < prefixBytes) throw arrowInvalid("they end within a message", undefined);
  const metadataBytes = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getInt32(4, true);
  if (metadataBytes === 0) return undefined;
  const message = await whole(puller, metadataBytes, "a message");
  return { prefix, message, metadata: readMetadata(message) };
}

/** Batches of numbers, booleans, texts and bytes, as they lie in the stream. */
async function* readPlain(
  puller: Puller,
  schema: Uint8Array,
  fields: readonly PlainField[],
  reuseMemory: boolean,
): AsyncGenerator<Batch, void, undefined> {
  let memory: Uint8Array | undefined;
  for (;;) {
    const next = await nextMessage(puller);
    if (next === undefined) return;
    const { prefix, message, metadata } = next;
    if (!reuseMemory || memory === undefined || memory.length < metadata.bodyBytes)
      memory = bodyOf(metadata, reuseMemory);
    const body = await whole(puller, metadata.bodyBytes, "a batch", memory);
    if (metadata.plain) yield batchFromBody(metadata, fields, body);
    else yield* fromIpc(joined(schema, prefix, message, body, endOfStream));
  }
}

/** Memory for a body; where it is used again, with room for somewhat longer ones. */
function bodyOf({ bodyBytes }: RecordMetadata, reuseMemory: boolean): Uint8Array {
  try {
    return new Uint8Array(reuseMemory ? Math.ceil((bodyBytes * 9) / 64) * 8 : bodyBytes);
  } catch (error) {
    throw arrowInvalid(`a batch should have ${bodyBytes} bytes`, error);
  }
}

/** What apache-arrow converts: one checked message after the other. */
async function* readWithArrow(puller: Puller, schema: Uint8Array): AsyncGenerator<Batch, void, undefined> {
  const messages = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    yield schema;
    for (;;) {
      const next = await nextMessage(puller);
      if (next === undefined) return;
      const body = await whole(puller, next.metadata.bodyBytes, "a batch");
      const bytes = joined(next.prefix, next.message, body);
      checkMessages(bytes);
      yield bytes;
    }
  };
  try {
    const reader = await RecordBatchReader.from(messages());
    for await (const record of reader) yield* fromArrow(record);
  } catch (error) {
    throw error instanceof Error && !("code" in error) ? arrowInvalid(error.message, error) : error;
  }
}

async function* readAll(puller: Puller, head: Uint8Array): AsyncGenerator<Batch, void, undefined> {
  const pieces = [head];
  for await (const piece of puller.rest()) pieces.push(piece.slice());
  yield* fromIpc(joined(...pieces));
}
