import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { DirectoryJobOptions } from "../directory-job.ts";
import { channelBroken, writeFailure } from "../errors.ts";
import { FifoStock, servePipe } from "./fifo.ts";
import { type ChannelItem, itemsOf } from "./listing.ts";
import { type ChannelShare, placesOf } from "./shares.ts";
import { bytesOf, streamOf } from "./stream.ts";
import type { TrainingChannel } from "./training-channel.ts";

export interface PipesOptions extends Pick<DirectoryJobOptions, "artifacts"> {
  readonly channels: Readonly<Record<string, TrainingChannel>>;
  /** Where the FIFOs are: `input/data`. */
  readonly folder: string;
  /** A folder beside it for the FIFOs to come. */
  readonly stockFolder: string;
  readonly share: ChannelShare;
  /** Told once of a channel whose data cannot be sent. */
  readonly onFailure: (error: Error) => void;
}

/** The channels of a job that come through FIFOs. */
export interface Pipes {
  /** Begins with epoch 0 again: another attempt begins. Synchronous, so that the attempt finds it. */
  restart(): void;
  close(): Promise<void>;
}

interface Pipe {
  readonly name: string;
  readonly sourceOf: (epoch: number) => AsyncIterable<Uint8Array>;
}

/** Throws `JOBS_INPUT_MISSING`, `JOBS_INPUT_MODE_UNSUPPORTED`, `JOBS_MANIFEST_INVALID`, `JOBS_WRITE_FAILED`. */
export async function openPipes(options: PipesOptions): Promise<Pipes> {
  const { channels, folder, stockFolder, onFailure } = options;
  const piped = Object.entries(channels).filter(([, { inputMode }]) => inputMode === "Pipe");
  const pipes = await Promise.all(piped.map(([name, channel]) => pipeOf(name, channel, options)));
  const stock = new FifoStock(stockFolder, 2 * pipes.length);
  if (pipes.length > 0) {
    await clear(
      folder,
      pipes.map(({ name }) => name),
    );
    await stock.remove();
    await stock.fill(0);
  }
  let session = new AbortController();
  let serving: Promise<unknown> = Promise.resolve();
  let failed = false;
  const serve = async ({ name, sourceOf }: Pipe, signal: AbortSignal): Promise<void> => {
    try {
      const path = join(folder, name);
      await servePipe({ path, stock, sourceOf: (epoch) => streamOf(sourceOf(epoch)) }, signal);
    } catch (error) {
      if (failed || signal.aborted) return;
      failed = true;
      onFailure(error instanceof Error ? error : channelBroken(name, String(error)));
    }
  };
  const begin = (): void => {
    const { signal } = session;
    serving = Promise.all([serving, ...pipes.map((pipe) => serve(pipe, signal))]);
  };
  begin();
  return {
    restart() {
      session.abort();
      session = new AbortController();
      begin();
    },
    async close() {
      session.abort();
      await serving;
      await stock.remove();
    },
  };
}

/** Takes away what a crash left. */
async function clear(folder: string, names: readonly string[]): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const entry of await readdir(folder)) {
      const [, name = "", epoch] = /^(.+)_(\d+)$/.exec(entry) ?? [];
      if (epoch !== undefined && names.includes(name)) await rm(join(folder, entry), { force: true });
    }
  } catch (error) {
    throw writeFailure(folder, error);
  }
}

async function pipeOf(name: string, channel: TrainingChannel, { share, artifacts }: PipesOptions): Promise<Pipe> {
  const mine = { ...shareOf(channel, share), seed: channel.shuffle?.seed };
  if ("digest" in channel) {
    const whole = (): AsyncIterable<Uint8Array> =>
      placesOf(1, mine, 0).length === 0 || artifacts === undefined ? nothing() : artifacts.open(channel.digest);
    return { name, sourceOf: whole };
  }
  const items = await itemsOf(name, channel);
  return {
    name,
    sourceOf: (epoch) =>
      bytesOf(
        placesOf(items.length, mine, epoch).map((place) => items[place] as ChannelItem),
        channel,
      ),
  };
}

/** The share of this host in a channel: of a replicated one, all. */
export const shareOf = ({ distribution }: TrainingChannel, share: ChannelShare): ChannelShare =>
  distribution === "ShardedByS3Key" ? share : { index: 0, count: 1 };

async function* nothing(): AsyncGenerator<Uint8Array> {
  // The other hosts have the one file there is.
}
