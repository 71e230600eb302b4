import { mkdir, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createRandom, systemClock } from "@millwright/contracts";
import { fetchCorrupt, specInvalid, writeFailure } from "../errors.ts";
import { dataIn, folderOf, keepWhole, lockOf, makeRoom, pin, readCached } from "./cache-entry.ts";
import { downloadFile } from "./download-file.ts";
import { takeLock, tryLock } from "./entry-lock.ts";
import type { FetchedFile, FetcherOptions, FetchOptions, FetchRequest } from "./fetch-request.ts";
import type { HttpFetch } from "./http-range.ts";

/** Fetches files over HTTP into a cache on the disk. */
export interface Fetcher {
  /**
   * Fetches a file, or takes it out of the cache. Parts that were fetched before a break of the connection, of the process or of the machine are not fetched
   * again; several processes that want one file fetch it once. Without a digest, the cache is asked for the address, and what it has is taken for good.
   * Throws `JOBS_FETCH_FAILED`, `JOBS_FETCH_REFUSED`, `JOBS_FETCH_CHANGED`, `JOBS_FETCH_CORRUPT`, `JOBS_CACHE_FULL`, `JOBS_WRITE_FAILED`, `JOBS_SPEC_INVALID`.
   */
  fetch(request: FetchRequest, options?: FetchOptions): Promise<FetchedFile>;
}

const wholeNumber = (name: string, value: number, least: number): void => {
  if (!(Number.isSafeInteger(value) && value >= least)) throw specInvalid(name, value, `a whole number from ${least}`);
};

type Setting = { readonly [Name in keyof FetcherOptions]-?: NonNullable<FetcherOptions[Name]> };

/** Makes a fetcher over a cache folder, which is made when it is needed. Throws `JOBS_SPEC_INVALID`. */
export function createFetcher({
  directory,
  maxBytes = 64 * 2 ** 30,
  parallel = 4,
  partBytes = 8 * 2 ** 20,
  retries = 8,
  retryDelayMs = 250,
  stallMs = 30_000,
  fetch = globalThis.fetch as unknown as HttpFetch,
  clock = systemClock,
  random = createRandom(clock.nowMs() ^ process.pid),
}: FetcherOptions): Fetcher {
  if (typeof directory !== "string" || directory === "") throw specInvalid("directory", directory, "a folder");
  for (const [name, value, least] of [
    ["maxBytes", maxBytes, 1],
    ["parallel", parallel, 1],
    ["partBytes", partBytes, 1],
    ["retries", retries, 0],
    ["retryDelayMs", retryDelayMs, 0],
    ["stallMs", stallMs, 1],
  ] as const)
    wholeNumber(name, value, least);
  const setting: Setting = {
    directory: resolve(directory),
    maxBytes,
    parallel,
    partBytes,
    retries,
    retryDelayMs,
    stallMs,
    fetch,
    clock,
    random,
  };
  return {
    async fetch(request, options = {}) {
      options.signal?.throwIfAborted();
      const url = checkRequest(request);
      try {
        return await fetchFile(setting, url, request, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        throw writeFailure(directory, error);
      }
    },
  };
}

/** Throws `JOBS_SPEC_INVALID`. */
function checkRequest({ url, digest, parts }: FetchRequest): string {
  const text = String(url);
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw specInvalid("url", text, "an address of http: or https:");
  if (digest !== undefined && !/^sha256:[0-9a-f]{64}$/.test(digest))
    throw specInvalid("digest", digest, "sha256: and 64 hexadecimal digits");
  if (parts === undefined) return text;
  wholeNumber("parts.sizeBytes", parts.sizeBytes, 0);
  wholeNumber("parts.partBytes", parts.partBytes, 1);
  const wanted = Math.ceil(parts.sizeBytes / parts.partBytes);
  if (!Array.isArray(parts.digests) || parts.digests.length !== wanted)
    throw specInvalid("parts.digests", parts.digests, `a list of ${wanted} digests`);
  return text;
}

async function fetchFile(
  setting: Setting,
  url: string,
  request: FetchRequest,
  options: FetchOptions,
): Promise<FetchedFile> {
  const { directory, clock } = setting;
  const folder = folderOf(directory, { url, digest: request.digest });
  await mkdir(directory, { recursive: true });
  await sweep(directory);
  const give = await takeLock(lockOf(folder), clock, options);
  try {
    await mkdir(folder, { recursive: true });
    const cached = await readCached(folder);
    const receivedBytes = cached === undefined ? await download(setting, { folder, url, request, options }) : 0;
    const whole = cached ?? (await readCached(folder));
    if (whole === undefined) throw fetchCorrupt(url, request.digest, undefined);
    const release = await pin(folder, clock.nowMs());
    const { digest, sizeBytes } = whole;
    return { path: dataIn(folder), digest, sizeBytes, receivedBytes, [Symbol.asyncDispose]: release };
  } finally {
    await give();
  }
}

async function download(
  setting: Setting,
  {
    folder,
    url,
    request,
    options,
  }: { readonly folder: string; readonly url: string; readonly request: FetchRequest; readonly options: FetchOptions },
): Promise<number> {
  const { directory, maxBytes } = setting;
  const { signal = new AbortController().signal, onProgress } = options;
  let receivedBytes = 0;
  let done: readonly [bytes: number, total: number | undefined] = [0, undefined];
  const tell = (): void => onProgress?.({ doneBytes: done[0], totalBytes: done[1], receivedBytes });
  const found = await downloadFile({
    ...setting,
    folder,
    url,
    request,
    headers: request.headers ?? {},
    signal,
    onBytes(bytes) {
      receivedBytes += bytes;
      tell();
    },
    onDone(bytes, total) {
      done = [bytes, total];
      tell();
    },
    async makeRoom(bytes) {
      const release = await takeLock(join(directory, "room.lock"), setting.clock, { signal });
      try {
        await makeRoom(directory, folder, bytes, maxBytes);
      } finally {
        await release();
      }
    },
  });
  await keepWhole(folder, { formatVersion: 1, ...found });
  return receivedBytes;
}

/** Removes what a removal that was cut off left. */
async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, pid] = /\.removed-(\d+)-\d+$/.exec(name) ?? [];
    if (pid === undefined || Number(pid) === process.pid) continue;
    const give = await tryLock(join(directory, "sweep.lock"));
    if (give === undefined) return;
    try {
      await rm(join(directory, name), { recursive: true, force: true });
    } finally {
      await give();
    }
  }
}
