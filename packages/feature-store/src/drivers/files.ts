import {
  type CallOptions,
  type Clock,
  closed,
  type FeatureSource,
  featureServiceUnknown,
  silentMeter,
  systemClock,
} from "@millwright/contracts";
import { type DuckDb, openDuckDb } from "@millwright/duckdb";
import { definitionInvalid } from "../errors.ts";
import type { FeatureView } from "../definition/definition.ts";
import type { FeatureService } from "../definition/service-definition.ts";
import { checkColumns, sourceSchema } from "../definition/source-columns.ts";
import { createOnDemand } from "../online/on-demand.ts";
import { withOnDemand } from "../online/on-demand-read.ts";
import { onlineRows } from "../online/online-rows.ts";
import { createOnlineView, type OnlineView } from "../online/online-view.ts";
import { freshnessMeter, readStored } from "../online/read-vectors.ts";

export interface FileFeatureSourceOptions extends CallOptions {
  /** By view: a Parquet file, several, or a pattern such as `"features/clicks/*.parquet"`. Each has the view's source columns. */
  readonly files: Readonly<Record<string, string | readonly string[]>>;
  readonly services: readonly FeatureService[];
  /** Reads the files; not closed by the source. Default: one of its own. */
  readonly duckdb?: DuckDb | undefined;
  /** How far behind a view's newest row reads may ask. Default: one hour. */
  readonly latenessMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

/** Features of files that somebody else writes. */
export interface FileFeatureSource extends FeatureSource, AsyncDisposable {
  /** Reads the files again; what is read meanwhile comes from those of before. Where it fails, they stay. */
  reload(options?: CallOptions): Promise<{ readonly rows: number }>;
}

/**
 * Serves features from Parquet files: loads what reads may need of them into memory, the newest row of each entity and the events of windows,
 * and answers from there. Files on S3 are fetched first, as with `downloadHistory`.
 *
 * Throws `FEATURE_STORE_DEFINITION_INVALID` for a view without files, `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`,
 * `DUCKDB_FILE_MISSING`, `DUCKDB_FILE_CORRUPT`.
 */
export async function openFileFeatureSource(options: FileFeatureSourceOptions): Promise<FileFeatureSource> {
  const { files, latenessMs = 3_600_000, clock = systemClock, signal } = options;
  signal?.throwIfAborted();
  const services = new Map(options.services.map((service) => [service.name, service]));
  const views = [...new Set(options.services.flatMap((service) => service.views))];
  for (const { name } of views) {
    if (!Object.hasOwn(files, name)) {
      throw definitionInvalid(`The view "${name}"`, "no files are given for it", "Name its Parquet files in `files`.");
    }
  }
  const duckdb = options.duckdb ?? (await openDuckDb({ signal }));
  const closeOwn = async (): Promise<void> => {
    if (options.duckdb === undefined) await duckdb[Symbol.asyncDispose]();
  };
  const load = async ({ signal: stop }: CallOptions): Promise<Loaded> =>
    await loadViews(duckdb, views, { files, latenessMs, signal: stop });
  let loaded: Loaded;
  try {
    loaded = await load({ signal });
  } catch (error) {
    await closeOwn();
    throw error;
  }
  return createSource({ services, clock, load, closeOwn }, loaded);
}

interface Loaded {
  readonly states: ReadonlyMap<FeatureView, OnlineView>;
  readonly rows: number;
}

interface Parts {
  readonly services: ReadonlyMap<string, FeatureService>;
  readonly clock: Clock;
  load(options: CallOptions): Promise<Loaded>;
  closeOwn(): Promise<void>;
}

function createSource({ services, clock, load, closeOwn }: Parts, first: Loaded): FileFeatureSource {
  let loaded = first;
  let isClosed = false;
  const ages = freshnessMeter(silentMeter);
  const onDemand = createOnDemand({ clock });
  const serviceOf = (name: string, signal: AbortSignal | undefined): FeatureService => {
    signal?.throwIfAborted();
    if (isClosed) throw closed("The file source");
    const found = services.get(name);
    if (found === undefined) throw featureServiceUnknown(name, [...services.keys()]);
    return found;
  };
  return {
    async describe(service, { signal } = {}) {
      const { name, digest, entityKeys, requestInputs, features } = serviceOf(service, signal);
      return { name, digest, entityKeys, requestInputs, features };
    },
    async read(name, request) {
      const service = serviceOf(name, request.signal);
      const { states } = loaded;
      const timeUs = Math.round((request.timeMs ?? clock.nowMs()) * 1000);
      const stored = readStored(service, request, { timeUs, ages, stateOf: (view) => states.get(view)! });
      return service.onDemand.length === 0 ? stored : await withOnDemand(service, request, stored, onDemand);
    },
    async reload({ signal } = {}) {
      signal?.throwIfAborted();
      if (isClosed) throw closed("The file source");
      loaded = await load({ signal });
      return { rows: loaded.rows };
    },
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      await closeOwn();
    },
  };
}

async function loadViews(
  duckdb: DuckDb,
  views: readonly FeatureView[],
  { files, latenessMs, signal }: Pick<FileFeatureSourceOptions, "files" | "signal"> & { readonly latenessMs: number },
): Promise<Loaded> {
  const states = new Map<FeatureView, OnlineView>();
  let rows = 0;
  for (const view of views) {
    const dataset = await duckdb.scan(files[view.name]!, { signal });
    const wanted = sourceSchema(view);
    checkColumns(`The files of "${view.name}"`, wanted, dataset.schema);
    const state = createOnlineView(view, { latenessMs });
    for await (const batch of dataset.batches({ columns: wanted.map(({ name }) => name), signal })) {
      const taken = onlineRows(view, batch);
      state.check(taken);
      state.add(taken);
      rows += taken.length;
    }
    states.set(view, state);
  }
  return { states, rows };
}
