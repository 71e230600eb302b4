import { setImmediate } from "node:timers/promises";
import type { Batch, CallOptions, Dataset, Schema } from "@millwright/contracts";
import {
  concatBatches,
  createDataset,
  datasetOf,
  emptyBatch,
  selectColumns,
  takeColumn,
  withColumns,
} from "@millwright/data";
import { identifier, type RegisteredTable } from "@millwright/duckdb";
import { joinAsOf } from "./asof-join.ts";
import type { FeatureView } from "../definition/definition.ts";
import { type FeatureService } from "../definition/service-definition.ts";
import { columnType } from "../errors.ts";
import { type HistorySource, readingHistory } from "../history/history-sql.ts";
import type { LeakageOptions } from "../inspection/leakage.ts";
import { computeForHistory } from "../online/on-demand.ts";
import { scratchName } from "../history/scratch-name.ts";
import { probeSegments } from "../segments/probe.ts";
import type { SegmentReader } from "../segments/segment.ts";
import { joinSorted } from "./sorted-join.ts";
import { checkColumns } from "../definition/source-columns.ts";
import { disposeAll, type ViewJoin } from "./view-join.ts";

const ENGINES = ["auto", "asof", "segments"] as const;
/** How a view without aggregates is joined to labels; see `HistoryOptions.engine`. */
export type HistoryEngine = (typeof ENGINES)[number];

export interface HistoryOptions extends CallOptions {
  /** The rows that get features: the services' entity keys, a time column, and whatever else shall stand beside the features. */
  readonly labels: Dataset | Batch;
  /** The timestamp column of the labels at which features are wanted. */
  readonly labelTime: string;
  /** Where the result is written, as Parquet. Default: a file below the history, named by what it was made from. */
  readonly path?: string | undefined;
  /**
   * Gives the rows in memory instead of in a file, for a caller that hands them to a trainer in this process: nothing is written, `ref()` throws
   * `PORT_UNSUPPORTED`, and the result must fit in memory. Not together with `path`. Default: false.
   */
  readonly inMemory?: boolean | undefined;
  /**
   * How views without aggregates are joined; the rows are the same. `"asof"`: by DuckDB, which may spill. `"segments"`: from sorted rows in memory, loaded
   * first where they are not there; a view that does not fit in the store's `segmentMemoryBytes` goes by DuckDB. `"auto"`: by DuckDB the first time a view is asked
   * for, in whatever process; from then on from sorted rows, in the file that `warm`, `compact` or the second time left, and in memory from a process' second call on. Views with aggregates, and `asKnown`, have one way. Default: `"auto"`.
   */
  readonly engine?: HistoryEngine | undefined;
  /**
   * Counts a row for a label only if it was known by then, so that what was corrected later does not leak into the past: by the time at which it
   * could be read from this history (`"available"`), or by the view's `createdTime` (`"created"`; null there: from its event time on).
   * Default: by event time alone.
   */
  readonly asKnown?: "available" | "created" | undefined;
  /** Looks for features that know of the target what came after the labels' times. Default: nobody looks. */
  readonly leakage?: LeakageOptions | undefined;
}

/** By view: the numbers of the batches that count. */
export type BatchNumbers = Readonly<Record<string, ReadonlySet<number>>>;

export interface TrainingSetFile {
  readonly path: string;
  readonly batches: BatchNumbers;
  /** Where the path says what is in the file, one that is there stays as it is for those who read it. */
  readonly existing: "replace" | "keep";
}

/**
 * Writes the labels with the features that were known at their times, one row a label, in their order.
 * @returns the dataset, in a file: its `ref()` may cross processes.
 */
export async function writeTrainingSet(
  source: HistorySource,
  service: FeatureService,
  options: HistoryOptions,
  { path, batches, existing }: TrainingSetFile,
): Promise<Dataset> {
  const { duckdb } = source;
  const { signal } = options;
  await using rows = await joinLabels(source, service, options, batches);
  await duckdb.writeParquet(rows.sql ?? rows.walk(), path, { existing, signal });
  return await duckdb.scan(path, { signal });
}

/** As `writeTrainingSet`, in memory. */
export async function holdTrainingSet(
  source: HistorySource,
  service: FeatureService,
  options: HistoryOptions,
  batches: BatchNumbers,
): Promise<Dataset> {
  await using rows = await joinLabels(source, service, options, batches);
  const held: Batch[] = [];
  for await (const batch of rows.walk()) held.push(batch);
  return datasetOf(held);
}

/** Throws a RangeError for an engine that is none, a TypeError for a path of what is to stay in memory. */
export function checkHistoryOptions({ engine = "auto", inMemory = false, path, asKnown }: HistoryOptions): void {
  if (asKnown !== undefined && asKnown !== "available" && asKnown !== "created") {
    throw new RangeError(`"asKnown" must be "available" or "created", not "${String(asKnown)}".`);
  }
  if (!ENGINES.includes(engine)) {
    throw new RangeError(`"engine" must be ${ENGINES.map((name) => `"${name}"`).join(", ")}, not "${String(engine)}".`);
  }
  if (inMemory && path !== undefined) {
    throw new TypeError(`"inMemory" writes no file, so there is none for "path": "${path}". Leave out one of them.`);
  }
}

/** Labels with features, in the order of the labels. */
interface JoinedLabels extends AsyncDisposable {
  /** All rows as a query, where DuckDB alone makes them. */
  readonly sql: string | undefined;
  /** All rows, at least one batch of them. */
  walk(): AsyncGenerator<Batch>;
}

async function joinLabels(
  source: HistorySource,
  service: FeatureService,
  options: HistoryOptions,
  batches: BatchNumbers,
): Promise<JoinedLabels> {
  const { labelTime, signal } = options;
  const labels = "schema" in options.labels ? options.labels : datasetOf([options.labels]);
  checkLabels(service, labels.schema, labelTime);
  const found = new Map<FeatureView, readonly SegmentReader[]>();
  const close = async (): Promise<void> => await disposeAll([...found.values()].flat());
  const join = async (): Promise<LabelQuery | undefined> => {
    for (const view of service.views) {
      const segments = await segmentsOf(source, view, options, batches);
      if (segments !== undefined) found.set(view, segments);
    }
    const views = service.views.filter((view) => !found.has(view));
    return views.length === 0 ? undefined : await joinViews(source, views, { ...options, labels }, batches);
  };
  const query = await join().catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const base = query === undefined ? withPlainTexts(labels) : undefined;
  const walk = async function* (): AsyncGenerator<Batch> {
    let isEmpty = true;
    const joined = base === undefined ? source.duckdb.query(query!.sql, { signal }) : base.batches({ signal });
    for await (const batch of found.size === 0 ? joined : inGroups(joined, groupRows(service))) {
      isEmpty = false;
      yield await completed(service, found, options, batch);
      // Where rows are in memory nothing waits for a disk: others get their turn between batches.
      await setImmediate(undefined, { signal });
    }
    if (!isEmpty) return;
    const schema = [...withPlainTexts(labels).schema, ...service.features.slice(0, storedFeatures(service))];
    yield await completed(service, new Map(), options, emptyBatch(schema));
  };
  return {
    sql: found.size === 0 && service.onDemand.length === 0 ? query?.sql : undefined,
    walk,
    async [Symbol.asyncDispose]() {
      await close();
      await disposeAll(query?.tables ?? []);
    },
  };
}

/** Labels that get their features together: columns in a file are read once for so many. A column of texts holds 2 GiB of them at most. */
const groupRows = ({ features }: FeatureService): number =>
  features.some(({ type }) => type === "utf8") ? 2 ** 17 : 2 ** 19;

async function* inGroups(batches: AsyncIterable<Batch>, mostRows: number): AsyncGenerator<Batch> {
  let group: Batch[] = [];
  let rows = 0;
  const take = (): Batch => {
    const [first, ...others] = group;
    const whole = others.length === 0 ? first! : concatBatches(group);
    group = [];
    rows = 0;
    return whole;
  };
  for await (const batch of batches) {
    if (rows > 0 && rows + batch.length > mostRows) yield take();
    group.push(batch);
    rows += batch.length;
  }
  if (group.length > 0) yield take();
}

const storedFeatures = ({ views }: FeatureService): number =>
  views.reduce((sum, { featureNames }) => sum + featureNames.length, 0);

/** Whether a view can be joined by what its newest rows are alone. */
export const hasOnlyFeatures = (view: FeatureView): boolean =>
  Object.keys(view.features).length > 0 && Object.keys(view.aggregates).length === 0;

async function segmentsOf(
  source: HistorySource,
  view: FeatureView,
  { engine = "auto", asKnown, signal }: HistoryOptions,
  batches: BatchNumbers,
): Promise<readonly SegmentReader[] | undefined> {
  if (engine === "asof" || asKnown !== undefined || !hasOnlyFeatures(view)) return undefined;
  // Rows of an entity that another process forgot may be in memory here.
  if (source.forgotten.hasNews()) source.segments.clear();
  const load = engine === "segments" ? "now" : "again";
  return await source.segments.find(source, view, { batches: batches[view.id] ?? new Set(), load, signal });
}

/** Puts the features of views in segments and those on demand to a batch, in the order of the service. */
async function completed(
  service: FeatureService,
  found: ReadonlyMap<FeatureView, readonly SegmentReader[]>,
  { labelTime, signal }: HistoryOptions,
  batch: Batch,
): Promise<Batch> {
  let rows = batch;
  for (const [view, segments] of found) {
    signal?.throwIfAborted();
    rows = withColumns(rows, await probeSegments(view, segments, batch, labelTime));
  }
  if (found.size > 0) {
    const features = service.features.slice(0, storedFeatures(service)).map(({ name }) => name);
    const given = Object.keys(batch.columns).filter((name) => !features.includes(name));
    rows = selectColumns(rows, [...given, ...features]);
  }
  return service.onDemand.length === 0 ? rows : withColumns(rows, await computeForHistory(service, rows, signal));
}

/** Labels as DuckDB gives them back: text is text, whether it came plain or as a dictionary. */
function withPlainTexts(labels: Dataset): Dataset {
  const coded = labels.schema.filter(({ type }) => type === "dictionary").map(({ name }) => name);
  if (coded.length === 0) return labels;
  const schema = labels.schema.map((field) =>
    field.type === "dictionary" ? { ...field, type: "utf8" as const } : field,
  );
  const plainTexts = (batch: Batch): Batch => {
    const plain = coded.map((name) => {
      const column = batch.columns[name];
      if (column?.type !== "dictionary") return [name, column!] as const;
      const { validity } = column;
      const texts = takeColumn(column.dictionary, column.values.subarray(0, column.length));
      return [name, validity === undefined ? texts : { ...texts, validity }] as const;
    });
    return withColumns(batch, Object.fromEntries(plain));
  };
  // Not `mapDataset`: text may come as a dictionary in some batches and plain in others.
  return createDataset({
    schema,
    async *walk({ signal }) {
      for await (const batch of labels.batches({ signal })) yield plainTexts(batch);
    },
  });
}

interface LabelQuery {
  readonly sql: string;
  /** To be disposed in reverse when the query has run. */
  readonly tables: readonly AsyncDisposable[];
}

/** Joins views in DuckDB, one after another: several at once would take more memory and no less time. */
async function joinViews(
  source: HistorySource,
  views: readonly FeatureView[],
  { labels, labelTime, asKnown, signal }: HistoryOptions & { readonly labels: Dataset },
  batches: BatchNumbers,
): Promise<LabelQuery> {
  const tables: AsyncDisposable[] = [];
  try {
    const table = await source.duckdb.register(scratchName("labels"), labels, { signal });
    tables.push(table);
    const joins: ViewJoin[] = [];
    for (const [position, view] of views.entries()) {
      const request = { labels: table, labelTime, asKnown, batches: batches[view.id], position, signal };
      const isPlain = asKnown === undefined && hasOnlyFeatures(view);
      const join = await readingHistory(() =>
        isPlain ? joinAsOf(source, view, request) : joinSorted(source, view, request),
      );
      tables.push(...join.tables);
      joins.push(join);
    }
    return { sql: finalSql(labels.schema, table, joins), tables };
  } catch (error) {
    await disposeAll(tables);
    throw error;
  }
}

function finalSql(labels: Schema, table: RegisteredTable, joins: readonly ViewJoin[]): string {
  const columns = labels.map(({ name }) => `l.${identifier(name)}`);
  const all = [...columns, ...joins.flatMap((join) => join.columns)];
  return `SELECT ${all.join(", ")} FROM ${[`${table.sql} AS l`, ...joins.flatMap((join) => join.from)].join(" ")} ORDER BY l.rowid`;
}

/** Throws `FEATURE_STORE_COLUMN_MISSING`, `FEATURE_STORE_COLUMN_TYPE`. */
function checkLabels(service: FeatureService, schema: Schema, labelTime: string): void {
  const wanted = [...service.entityKeys, { name: labelTime, type: "timestamp" as const }, ...service.requestInputs];
  checkColumns("The labels", wanted, schema);
  for (const { name } of service.features) {
    const clash = schema.find((field) => field.name === name);
    if (clash !== undefined) throw columnType("The labels", name, clash.type, "a feature of that name");
  }
}
