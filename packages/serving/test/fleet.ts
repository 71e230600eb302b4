import {
  type LoadedModel,
  type ModelRuntime,
  type ModelSource,
  createRandom,
  modelUnknown,
} from "@millwright/contracts";
import { denseRuntime } from "@millwright/model";
import {
  type ModelCatalogOptions,
  type ModelServerOptions,
  createModelCatalog,
  openModelServer,
} from "../src/index.ts";
import { packFolder } from "./models.ts";

export const packages = 10;
export const row = [0.5, -1, 2, 0.25];

/** The version that stands behind a name: `m17` is package 17 % 10 + 1. */
export const versionOf = (target: string): number => (Number(target.slice(1)) % packages) + 1;

/** Names of Zipf's law: the name of rank r is drawn with a probability of 1/r^exponent. */
export function zipfTrace(names: number, requests: number, seed: number, exponent = 1): readonly string[] {
  const random = createRandom(seed);
  const weights = Array.from({ length: names }, (_, at) => 1 / (at + 1) ** exponent);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Array.from({ length: requests }, () => {
    let left = random.next() * total;
    let at = 0;
    while (at < names - 1 && left >= (weights[at] ?? 0)) {
      left -= weights[at] ?? 0;
      at += 1;
    }
    return `m${at}`;
  });
}

/** Counts what a runtime loads and holds; `hold` makes loads wait, `fail` makes them fail. */
export interface WatchedRuntime extends ModelRuntime {
  loads: number;
  loading: number;
  mostLoading: number;
  held: number;
  mostHeld: number;
  hold: Promise<void> | undefined;
  fail: Error | undefined;
}

export function watchedRuntime(inner: ModelRuntime = denseRuntime()): WatchedRuntime {
  const watched: WatchedRuntime = {
    formats: inner.formats,
    loads: 0,
    loading: 0,
    mostLoading: 0,
    held: 0,
    mostHeld: 0,
    hold: undefined,
    fail: undefined,
    async load(directory, manifest, options): Promise<LoadedModel> {
      watched.loads += 1;
      watched.loading += 1;
      watched.mostLoading = Math.max(watched.mostLoading, watched.loading);
      try {
        await watched.hold;
        if (watched.fail !== undefined) throw watched.fail;
        const loaded = await inner.load(directory, manifest, options);
        watched.held += 1;
        watched.mostHeld = Math.max(watched.mostHeld, watched.held);
        return {
          memoryBytes: loaded.memoryBytes,
          predict: (inputs, given) => loaded.predict(inputs, given),
          async dispose() {
            watched.held -= 1;
            await loaded.dispose();
          },
        };
      } finally {
        watched.loading -= 1;
      }
    },
  };
  return watched;
}

/** A server with one endpoint `fleet` of models `m0`, `m1`, …: many names for ten packages. */
export async function openFleet(
  catalog: Omit<ModelCatalogOptions, "memoryBytes"> & { readonly models: number },
  options: Partial<ModelServerOptions> = {},
) {
  const folder = await packFolder(packages);
  const runtime = watchedRuntime();
  const known = new Map<number, ReturnType<ModelSource["resolve"]>>();
  let resolving = 0;
  const source: ModelSource = {
    async resolve(ref, given) {
      if (!/^m\d+$/.test(ref)) throw modelUnknown(ref, []);
      const version = versionOf(ref);
      const found = known.get(version) ?? folder.source.resolve(`late/${version}`, given);
      known.set(version, found);
      resolving += 1;
      try {
        return { ...(await found), name: ref };
      } finally {
        resolving -= 1;
      }
    },
    watch: (ref, given) => folder.source.watch(`late/${versionOf(ref)}`, given),
  };
  const { models: room, ...rest } = catalog;
  // One and the same for all of them.
  const probe = await denseRuntime().load(
    (await folder.source.resolve("late/1")).directory,
    (await folder.source.resolve("late/1")).manifest,
  );
  const models = createModelCatalog({ memoryBytes: probe.memoryBytes * room, ...rest });
  await probe.dispose();
  const open = async () =>
    openModelServer({
      source,
      runtimes: [runtime],
      endpoints: { fleet: { variants: {}, models } },
      watch: false,
      ...options,
    });
  const server = await open().catch(async (error: unknown) => {
    await folder[Symbol.asyncDispose]();
    throw error;
  });
  return {
    folder,
    server,
    runtime,
    models,
    /** Whether something is being downloaded or loaded. */
    busy: () => resolving + runtime.loading > 0,
    modelBytes: probe.memoryBytes,
    ask: (targetModel: string, signal?: AbortSignal) =>
      server.predict("fleet", { instances: [row], targetModel, signal }),
    [Symbol.asyncDispose]: async () => {
      await server.drain();
      await folder[Symbol.asyncDispose]();
    },
  };
}
