import type { CallOptions, Clock, Digest, Random } from "@millwright/contracts";
import type { HttpFetch } from "./http-range.ts";

export interface FetcherOptions {
  /** The cache: a folder that any number of processes may share. */
  readonly directory: string;
  /** What the cache may take on the disk; what was used longest ago makes room. Default: 64 GiB. */
  readonly maxBytes?: number | undefined;
  /** Parts of a file that are fetched at once, where the server gives parts. Default: 4. */
  readonly parallel?: number | undefined;
  /** Bytes of a part, from 1: what is lost at most, of each part that is under way, by a kill. Default: 8 MiB. */
  readonly partBytes?: number | undefined;
  /** Requests after one that brought nothing at all, for a part; one that brought something is gone on from, and does not count. Default: 8. */
  readonly retries?: number | undefined;
  /** Longest wait before the first of them; it doubles up to half a minute, and each wait is a random part of it. Default: 250. */
  readonly retryDelayMs?: number | undefined;
  /** How long a server may be silent before the request is given up and made anew. Default: 30,000. */
  readonly stallMs?: number | undefined;
  /** Default: the platform's. */
  readonly fetch?: HttpFetch | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** A file to be fetched. */
export interface FetchRequest {
  /** `http:` or `https:`. */
  readonly url: string | URL;
  /** What the whole file must have. A file that the cache has of that digest is taken from there, whatever address it came from. */
  readonly digest?: Digest | undefined;
  /** What each part must have, as `describeFile` made it: a damaged part is then fetched anew alone. Its sizes go before `partBytes`. */
  readonly parts?: FileParts | undefined;
  /** For instance `authorization`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** What is known of a file in advance. JSON-safe. */
export interface FileParts {
  readonly sizeBytes: number;
  /** Bytes of each part, the last one shorter. */
  readonly partBytes: number;
  readonly digests: readonly Digest[];
}

export interface FetchProgress {
  /** Of the file that are here and good. */
  readonly doneBytes: number;
  /** Undefined until the server has said it. */
  readonly totalBytes: number | undefined;
  /** That came over the network, in vain or not. */
  readonly receivedBytes: number;
}

export interface FetchOptions extends CallOptions {
  readonly onProgress?: ((progress: FetchProgress) => void) | undefined;
}

/** A file in the cache. It stays there until it is disposed; after that it may make room. */
export interface FetchedFile extends AsyncDisposable {
  readonly path: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** That came over the network in this call: 0 where the cache had it. */
  readonly receivedBytes: number;
}
