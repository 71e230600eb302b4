import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { channelBroken } from "../errors.ts";
import type { ChannelFile, ChannelItem } from "./listing.ts";
import { longestRecordBytes, recordHeader, recordPadding } from "./record-io.ts";
import type { TrainingChannel } from "./training-channel.ts";

type Framing = Pick<TrainingChannel, "recordWrapper" | "compression">;

/** What an epoch of a pipe sends. Throws `JOBS_CHANNEL_BROKEN` where a file is not what it was when the channel was listed. */
export async function* bytesOf(items: Iterable<ChannelItem>, framing: Framing): AsyncGenerator<Uint8Array> {
  for (const item of items)
    for (const part of item) {
      if ("text" in part) yield* wrapped(Buffer.from(part.text), framing);
      else yield* fileBytes(part, framing);
    }
}

function* wrapped(bytes: Uint8Array, { recordWrapper }: Framing): Generator<Uint8Array> {
  if (recordWrapper !== "RecordIO") return yield bytes;
  yield recordHeader(bytes.length);
  yield bytes;
  yield recordPadding(bytes.length);
}

async function* fileBytes(file: ChannelFile, framing: Framing): AsyncGenerator<Uint8Array> {
  const { source, sizeBytes } = file;
  const isRecord = framing.recordWrapper === "RecordIO";
  try {
    if (framing.compression === "Gzip") {
      const expanded = createReadStream(source).pipe(createGunzip());
      // A record says its length first, and that of an expanded file is known when all of it is there.
      if (isRecord) yield* wrapped(checkedRecord(source, await buffer(expanded)), framing);
      else yield* expanded as AsyncIterable<Uint8Array>;
      return;
    }
    if (isRecord) {
      checkLength(source, sizeBytes);
      yield recordHeader(sizeBytes);
    }
    let sentBytes = 0;
    for await (const chunk of createReadStream(source, { highWaterMark: 256 * 1024 }) as AsyncIterable<Uint8Array>) {
      sentBytes += chunk.length;
      yield chunk;
    }
    if (sentBytes !== sizeBytes) throw channelBroken(source, `it has ${sentBytes} bytes, and had ${sizeBytes}`);
    if (isRecord) yield recordPadding(sizeBytes);
  } catch (error) {
    throw channelBroken(source, error instanceof Error ? error.message : String(error), error);
  }
}

function checkLength(source: string, lengthBytes: number): void {
  if (lengthBytes > longestRecordBytes)
    throw channelBroken(source, `a record has at most ${longestRecordBytes} bytes, and this would have ${lengthBytes}`);
}

function checkedRecord(source: string, bytes: Uint8Array): Uint8Array {
  checkLength(source, bytes.length);
  return bytes;
}

export const streamOf = (bytes: AsyncIterable<Uint8Array>): Readable => Readable.from(bytes, { objectMode: false });
