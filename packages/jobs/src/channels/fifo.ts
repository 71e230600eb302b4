import { execFile } from "node:child_process";
import { close, constants, open, renameSync, rmSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { inputModeUnsupported, writeFailure } from "../errors.ts";

/** How long it takes at most until a reader is noticed. */
const pollMs = 20;
const sparesAtOnce = 16;

/** FIFOs that are made beforehand and put in their places at once: Node cannot make one, and a process for each takes its time. */
export class FifoStock {
  readonly #folder: string;
  readonly #reserve: number;
  #spares: string[] = [];
  #made = 0;

  /**
   * @param folder On the file system where the FIFOs are needed; it is removed with them.
   * @param reserve How many are there at any time, for who cannot wait.
   */
  constructor(folder: string, reserve: number) {
    this.#folder = folder;
    this.#reserve = reserve;
  }

  /** Sees to it that so many are there above the reserve. Throws `JOBS_INPUT_MODE_UNSUPPORTED`, `JOBS_WRITE_FAILED`. */
  async fill(count: number): Promise<void> {
    const wanted = count + this.#reserve;
    if (this.#spares.length >= wanted) return;
    const paths = Array.from({ length: Math.max(wanted, sparesAtOnce) }, () =>
      join(this.#folder, String((this.#made += 1))),
    );
    try {
      await mkdir(this.#folder, { recursive: true });
      await makeFifos(paths);
    } catch (error) {
      throw writeFailure(this.#folder, error);
    }
    this.#spares.push(...paths);
  }

  /** Puts one at the path. There must be one: see `fill`. */
  place(path: string): void {
    renameSync(this.#spares.shift() as string, path);
  }

  async remove(): Promise<void> {
    this.#spares = [];
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function makeFifos(paths: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("mkfifo", ["-m", "600", ...paths], (error, _stdout, stderr) => {
      if (error === null) resolve();
      else
        reject(
          inputModeUnsupported("Pipe", `mkfifo does not make FIFOs here (${stderr.trim() || error.message})`, error),
        );
    });
  });
}

/** Opens a FIFO when somebody reads it; undefined once the signal aborts. */
async function openForReader(path: string, signal: AbortSignal): Promise<number | undefined> {
  while (!signal.aborted) {
    const descriptor = await new Promise<number | undefined>((resolve, reject) => {
      // Without O_NONBLOCK the opening waits for a reader, in one of the few threads that all of this process's files are opened by.
      open(path, constants.O_WRONLY | constants.O_NONBLOCK, (error, found) => {
        if (error === null) resolve(found);
        else if (error.code === "ENXIO") resolve(undefined);
        else reject(error);
      });
    });
    if (descriptor !== undefined && !signal.aborted) return descriptor;
    if (descriptor !== undefined) close(descriptor);
    await sleep(pollMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

const goneReader: readonly string[] = ["EPIPE", "ECONNRESET"];

/** Sends everything to the reader of a FIFO, as fast as it reads, or as much as it wants. Rejects where the source fails. */
async function deliver(descriptor: number, source: Readable, signal: AbortSignal): Promise<void> {
  const socket = new Socket({ fd: descriptor, readable: false, writable: true });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  try {
    await pipeline(source, socket, { signal });
  } catch (error) {
    // A reader that has enough closes its end; the epoch is over for it.
    if (signal.aborted || goneReader.includes((error as NodeJS.ErrnoException).code ?? "")) return;
    throw error;
  } finally {
    socket.destroy();
    source.destroy();
    await closed;
  }
}

export interface PipeOptions {
  /** `<folder>/<channel>`, after which come `_` and the number of the epoch. */
  readonly path: string;
  readonly stock: FifoStock;
  readonly sourceOf: (epoch: number) => Readable;
}

/**
 * Serves a channel's epochs, one after another, each to whoever opens its FIFO first, until the signal aborts. The next one's is there before the present
 * one's end is. A FIFO is gone when its epoch has been delivered. Rejects where the source fails.
 */
export async function servePipe({ path, stock, sourceOf }: PipeOptions, signal: AbortSignal): Promise<void> {
  const pathOf = (epoch: number): string => `${path}_${epoch}`;
  let last = 0;
  signal.addEventListener(
    "abort",
    () => {
      for (const epoch of [last - 1, last]) if (epoch >= 0) rmSync(pathOf(epoch), { force: true });
    },
    { once: true },
  );
  stock.place(pathOf(0));
  for (let epoch = 0; !signal.aborted; epoch += 1) {
    const descriptor = await openForReader(pathOf(epoch), signal);
    if (descriptor === undefined) return;
    await stock.fill(1);
    if (signal.aborted) return close(descriptor);
    last = epoch + 1;
    stock.place(pathOf(last));
    await deliver(descriptor, sourceOf(epoch), signal);
    if (!signal.aborted) rmSync(pathOf(epoch), { force: true });
  }
}
