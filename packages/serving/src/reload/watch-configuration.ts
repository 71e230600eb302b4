import { watch } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import {
  type CallOptions,
  type Clock,
  type Logger,
  digestOf,
  isMillwrightError,
  silentLogger,
  systemClock,
} from "@millwright/contracts";
import type { Reconfigurable, Reconfigured, ServerConfiguration } from "./configuration.ts";
import { configurationInvalid } from "./configuration-errors.ts";
import { reasonOf } from "./prepare-endpoint.ts";

export interface WatchConfigurationOptions extends CallOptions {
  /**
   * Makes a configuration of the file. Default: `.json` is parsed, a module (`.js`, `.mjs`, `.ts`, `.mts`) imported for its default export; each version of a
   * module stays in memory, and what it imports is not read again.
   */
  readonly read?: ((path: string) => Promise<unknown>) | undefined;
  /** For how long a file must not have changed to be read, milliseconds. Default: 100. */
  readonly settleMs?: number | undefined;
  /** How often the file is looked at, where the system does not tell of changes, milliseconds. Default: 1,000. */
  readonly pollMs?: number | undefined;
  /** Told of each configuration that was applied. */
  readonly onApplied?: ((applied: Reconfigured) => void) | undefined;
  /** Told of each that was not: what was served before is served on. Default: the log is told. */
  readonly onRefused?: ((error: unknown) => void) | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** Follows a file until it is closed. */
export interface ConfigurationWatch extends AsyncDisposable {
  /** Ends the watch, once a configuration that is being applied is. */
  close(options?: CallOptions): Promise<void>;
}

/**
 * Applies the configuration of a file, and again each time that it changes: whether it is written in place, replaced by a rename, or by a link to a new folder, as
 * Kubernetes mounts its maps. What cannot be served is refused and told; the next change is tried again. Rejects where the file cannot be read or served at first.
 */
export async function watchConfiguration(
  server: Pick<Reconfigurable, "reconfigure">,
  path: string,
  options: WatchConfigurationOptions = {},
): Promise<ConfigurationWatch> {
  const { settleMs = 100, pollMs = 1000, signal } = options;
  if (!(settleMs >= 0 && pollMs > 0)) throw new RangeError("settleMs must be at least 0, and pollMs over 0.");
  signal?.throwIfAborted();
  return WatchedFile.open(server, resolve(path), { ...options, settleMs, pollMs });
}

type Setting = WatchConfigurationOptions & { readonly settleMs: number; readonly pollMs: number };

class WatchedFile implements ConfigurationWatch {
  readonly #server: Pick<Reconfigurable, "reconfigure">;
  readonly #path: string;
  readonly #options: Setting;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stop = new AbortController();
  #wake: (() => void) | undefined;
  /** Of the file as it was seen last, and of the content that was applied or refused last. */
  #mark: string | undefined;
  #content: string | undefined;
  #versions = 0;
  #done: Promise<void> = Promise.resolve();

  private constructor(server: Pick<Reconfigurable, "reconfigure">, path: string, options: Setting) {
    this.#server = server;
    this.#path = path;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
  }

  static async open(server: Pick<Reconfigurable, "reconfigure">, path: string, options: Setting): Promise<WatchedFile> {
    const watched = new WatchedFile(server, path, options);
    await watched.#first();
    return watched;
  }

  async #first(): Promise<void> {
    const { signal } = this.#options;
    this.#mark = await this.#markOf();
    try {
      await this.#apply(signal);
    } catch (error) {
      if (isMillwrightError(error) || signal?.aborted === true) throw error;
      throw configurationInvalid(
        [{ path: "", problem: `${this.#path} cannot be read: ${reasonOf(error).problem}` }],
        error,
      );
    }
    this.#done = this.#follow();
  }

  async close({ signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#stop.abort();
    this.#wake?.();
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    const { pollMs } = this.#options;
    const stopWatching = this.#listen();
    while (!signal.aborted) {
      const nudged = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const slept = new AbortController();
      await Promise.race([this.#clock.sleep(pollMs, { signal: slept.signal }).catch(() => {}), nudged]);
      slept.abort();
      if (!signal.aborted) await this.#look();
    }
    stopWatching();
  }

  /** Where the system tells of changes to the folder, the file is looked at at once. */
  #listen(): () => void {
    try {
      const watcher = watch(dirname(this.#path), { persistent: false }, (_event, name) => {
        // A map of Kubernetes changes by its folder's link: anything may be it.
        if (name === null || name === basename(this.#path) || name.startsWith("..")) this.#wake?.();
      });
      watcher.on("error", () => watcher.close());
      return () => watcher.close();
    } catch {
      // It is looked at from time to time.
      return () => undefined;
    }
  }

  async #look(): Promise<void> {
    const { settleMs, onRefused } = this.#options;
    let mark = await this.#markOf().catch(() => undefined);
    // Gone between two files of a rename that is none, or for good: what is served stays.
    if (mark === undefined || mark === this.#mark) return;
    for (;;) {
      await this.#clock.sleep(settleMs, { signal: this.#stop.signal }).catch(() => {});
      if (this.#stop.signal.aborted) return;
      const later = await this.#markOf().catch(() => undefined);
      if (later === mark) break;
      if (later === undefined) return;
      mark = later;
    }
    try {
      await this.#apply(this.#stop.signal);
      this.#mark = mark;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      // What may go well later is tried again without a change.
      const later = isMillwrightError(error) && error.retryable;
      if (later) this.#content = undefined;
      else this.#mark = mark;
      this.#logger.error(
        { path: this.#path, error },
        "the configuration of a file is refused; the old one is served on",
      );
      onRefused?.(error);
    }
  }

  async #markOf(): Promise<string> {
    const { ino, size, mtimeMs } = await stat(this.#path);
    return `${ino} ${size} ${mtimeMs}`;
  }

  async #apply(signal: AbortSignal | undefined): Promise<void> {
    const content = digestOf(await readFile(this.#path));
    if (content === this.#content) return;
    this.#content = content;
    const { read = (path: string) => this.#read(path), onApplied } = this.#options;
    const configuration = (await read(this.#path)) as ServerConfiguration;
    const applied = await this.#server.reconfigure(configuration, {
      by: this.#path,
      ...(signal === undefined ? {} : { signal }),
    });
    if (applied.applied) onApplied?.(applied);
  }

  async #read(path: string): Promise<unknown> {
    if (!/^\.[cm]?[jt]s$/.test(extname(path))) return JSON.parse(await readFile(path, "utf8"));
    this.#versions += 1;
    const { href } = pathToFileURL(path);
    const { default: configuration } = (await import(`${href}?version=${this.#versions}`)) as { default: unknown };
    return configuration;
  }
}
