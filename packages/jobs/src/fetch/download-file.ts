import type { FileHandle } from "node:fs/promises";
import { createDigestBuilder, type Digest, hasCode } from "@millwright/contracts";
import { fetchChanged, fetchCorrupt, fetchSetback } from "../errors.ts";
import type { FetchRequest } from "./fetch-request.ts";
import { sameContent, type Validators } from "./http-range.ts";
import {
  digestOfRange,
  dropPartial,
  notePart,
  openPartial,
  type PartialState,
  readState,
  wholeParts,
  writeState,
} from "./partial-file.ts";
import { downloadPart, type DownloadSetting, Exchange, persistently } from "./part-download.ts";

export interface Download extends DownloadSetting {
  readonly folder: string;
  readonly request: FetchRequest;
  readonly partBytes: number;
  readonly parallel: number;
  /** Told how many bytes are here and good. */
  readonly onDone: (doneBytes: number, totalBytes: number | undefined) => void;
  /** Makes room for so many bytes. Throws `JOBS_CACHE_FULL`. */
  readonly makeRoom: (bytes: number) => Promise<void>;
}

export interface Downloaded {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly validators: Validators;
}

const mostAnew = 3;

/**
 * Fetches a file into the folder's partial file, going on with what an earlier call left there.
 * Throws `JOBS_FETCH_FAILED`, `JOBS_FETCH_REFUSED`, `JOBS_FETCH_CHANGED`, `JOBS_FETCH_CORRUPT`, `JOBS_CACHE_FULL`.
 */
export async function downloadFile(download: Download): Promise<Downloaded> {
  const { folder, url, request } = download;
  for (let anew = 0; ; anew += 1) {
    const file = await openPartial(folder);
    try {
      const found = await downloadOnce(download, file);
      if (request.digest === undefined || found.digest === request.digest) {
        await file.sync();
        return found;
      }
      if (anew > 0 || request.parts !== undefined) throw fetchCorrupt(url, request.digest, found.digest);
    } catch (error) {
      if (hasCode(error, "JOBS_FETCH_CORRUPT")) await dropPartial(folder);
      if (!hasCode(error, "JOBS_FETCH_CHANGED") || anew === mostAnew) throw error;
    } finally {
      await file.close();
    }
    // Which part is damaged, or of another content, nobody knows: all of it is fetched again.
    await dropPartial(folder);
  }
}

async function downloadOnce(download: Download, file: FileHandle): Promise<Downloaded> {
  const { folder, url, request, onDone, makeRoom } = download;
  const partBytes = request.parts?.partBytes ?? download.partBytes;
  const kept = await readState(folder);
  const tellable = request.digest !== undefined || Object.keys(kept?.validators ?? {}).length > 0;
  const resumes =
    tellable &&
    kept?.url === url &&
    kept.partBytes === partBytes &&
    (request.parts === undefined || kept.sizeBytes === request.parts.sizeBytes);
  const whole = resumes ? await wholeParts(folder, kept, file) : new Map<number, Digest>();
  if (!resumes) await dropParts(folder, file);
  const state = resumes ? kept : await begin(download, file, partBytes);
  if (!("formatVersion" in state)) return state;
  const { sizeBytes, validators } = state;
  await makeRoom(sizeBytes);
  const sizeOf = (part: number): number => Math.min(sizeBytes, (part + 1) * partBytes) - part * partBytes;
  const missing = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, part) => part).filter(
    (part) => !whole.has(part),
  );
  let doneBytes = [...whole.keys()].reduce((sum, part) => sum + sizeOf(part), 0);
  onDone(doneBytes, sizeBytes);
  const fetchParts = async (): Promise<void> => {
    for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
      const start = part * partBytes;
      const wanted = { start, end: start + sizeOf(part), digest: request.parts?.digests[part] };
      await notePart(folder, part, await downloadPart(download, wanted, state, file));
      doneBytes += sizeOf(part);
      onDone(doneBytes, sizeBytes);
    }
  };
  const fetching = Array.from({ length: download.parallel }, fetchParts);
  for (const { reason } of (
    await Promise.allSettled(
      fetching.map((each) =>
        each.catch((error: unknown) => {
          missing.length = 0; // the others end with their parts
          throw error;
        }),
      ),
    )
  ).filter((each) => each.status === "rejected"))
    throw reason as Error;
  await file.truncate(sizeBytes);
  return { digest: await digestOfRange(file, 0, sizeBytes), sizeBytes, validators };
}

async function dropParts(folder: string, file: FileHandle): Promise<void> {
  await file.truncate(0);
  await dropPartialNotes(folder);
}

async function dropPartialNotes(folder: string): Promise<void> {
  await writeState(folder, { formatVersion: 1, url: "", sizeBytes: 0, partBytes: 0, validators: {} });
}

/** Asks for the first part, which tells what the server can do. A server that gives no parts is taken all at once. */
async function begin(download: Download, file: FileHandle, partBytes: number): Promise<PartialState | Downloaded> {
  const { folder, url, request } = download;
  let known: Validators | undefined;
  return persistently(download, async (attempt) => {
    using exchange = new Exchange(download);
    const answer = await exchange.ask(0, 1, undefined); // one byte: who gives no parts gives all
    if (known !== undefined && !sameContent(known, answer.validators)) throw fetchChanged(url);
    known = answer.validators;
    if (!answer.ranged) return await takeAll(download, file, exchange, answer);
    const sizeBytes = answer.total ?? request.parts?.sizeBytes;
    if (sizeBytes === undefined) throw fetchSetback("the server does not say how large the file is");
    if (request.parts !== undefined && sizeBytes !== request.parts.sizeBytes)
      throw fetchSetback(
        `the server says that the file has ${sizeBytes} bytes, and it should have ${request.parts.sizeBytes}`,
      );
    await download.makeRoom(sizeBytes);
    const state: PartialState = { formatVersion: 1, url, sizeBytes, partBytes, validators: answer.validators };
    await writeState(folder, state);
    attempt.gained = true;
    return state;
  });
}

/** Takes a file from its first byte to its last: a server without parts has nothing to go on from. */
async function takeAll(
  download: Download,
  file: FileHandle,
  exchange: Exchange,
  { response, total, validators }: Awaited<ReturnType<Exchange["ask"]>>,
): Promise<Downloaded> {
  const { request, makeRoom, onDone } = download;
  const wanted = request.parts?.sizeBytes ?? total;
  await makeRoom(wanted ?? 0);
  const hash = createDigestBuilder();
  let at = 0;
  let room = wanted ?? 0;
  for await (const bytes of exchange.bytes(response, Infinity)) {
    if (at + bytes.length > room) {
      room = Math.max(room * 2, at + bytes.length);
      await makeRoom(room);
    }
    await file.write(bytes, 0, bytes.length, at);
    hash.update(bytes);
    at += bytes.length;
    onDone(at, wanted);
  }
  if (wanted !== undefined && at !== wanted)
    throw fetchSetback(`the response had ${at} bytes, and should have ${wanted}`);
  const digest = hash.digest();
  if (request.digest !== undefined && digest !== request.digest)
    throw fetchSetback("the bytes were damaged on their way");
  await file.truncate(at);
  return { digest, sizeBytes: at, validators };
}
