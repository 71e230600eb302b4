import { type Batch, type CallOptions, type Dataset, type Digest, hasCode } from "@millwright/contracts";
import { type Profile, profileDataset, type ProfileDatasetOptions } from "@millwright/data";
import { identifier } from "@millwright/duckdb";
import type { FeatureView } from "../definition/definition.ts";
import { historySql, type HistorySource, namingFile, readingHistory } from "../history/history-sql.ts";
import { valueColumns } from "../definition/source-columns.ts";
import { FAILED_RULES } from "../definition/system-columns.ts";

export interface ScanOptions extends CallOptions {
  /** Rows from this event time on, UTC milliseconds. Default: from the first. */
  readonly fromMs?: number | undefined;
  /** Rows before this event time, UTC milliseconds. Default: to the last. */
  readonly toMs?: number | undefined;
  /** Of rows with the same keys and event time: the one that counts, or all. Default: `"drop"`. */
  readonly duplicates?: "drop" | "keep" | undefined;
  /** Markers of deletes and what they deleted: left out, or kept as rows. Default: `"drop"`. */
  readonly deleted?: "drop" | "keep" | undefined;
  /** Rows that could be read at this time, UTC milliseconds: the history as it was then. Default: as it is. */
  readonly asOfMs?: number | undefined;
  /** Only each entity's newest row. Default: false. */
  readonly latest?: boolean | undefined;
}

/**
 * A view's rows in its history, ordered by event time, keys, and the order in which they came; with `write_time` and `is_deleted` beside the view's
 * columns, and `failed_rules` where rows came through a gate.
 */
export async function scanRecords(source: HistorySource, view: FeatureView, options: ScanOptions): Promise<Dataset> {
  const log = await source.log(view.id);
  const all = (await log.batches()).filter(({ origin }) => origin !== "compaction");
  const pinned = { ...options, batches: new Set(all.map(({ number }) => number)) };
  const hasFailedRules = all.some((batch) => batch.hasFailedRules === true);
  const open = async (signal: AbortSignal | undefined): Promise<Dataset> =>
    await readingHistory(async () => {
      try {
        return await source.duckdb.asDataset(await scanSql(source, view, { ...pinned, hasFailedRules }), { signal });
      } catch (error) {
        throw await namingFile(source, view, error);
      }
    });
  return relisting(await open(options.signal), () => open(options.signal));
}

/** A dataset whose files may be merged between two walks: each walk reads the same rows from the files that hold them then. */
function relisting(first: Dataset, open: () => Promise<Dataset>): Dataset {
  let known: Promise<Digest> | undefined;
  const dataset: Dataset = {
    schema: first.schema,
    async *batches(options) {
      let begun = false;
      const walk = async function* (): AsyncGenerator<Batch> {
        for await (const batch of (await open()).batches(options)) {
          begun = true;
          yield batch;
        }
      };
      try {
        yield* walk();
      } catch (error) {
        // All files are read, to be sorted, before the first row comes.
        if (begun || !hasCode(error, "DUCKDB_FILE_MISSING")) throw error;
        yield* walk();
      }
    },
    digest: () => (known ??= open().then((opened) => opened.digest())),
    ref: () => first.ref(),
  };
  const profile = async (options?: ProfileDatasetOptions): Promise<Profile> => {
    const once = async (): Promise<Profile> => await profileDataset(await open(), options);
    try {
      return await once();
    } catch (error) {
      if (!hasCode(error, "DUCKDB_FILE_MISSING")) throw error;
      return await once();
    }
  };
  return Object.defineProperty(dataset, "profile", { value: profile });
}

interface PinnedScan extends ScanOptions {
  readonly batches: ReadonlySet<number>;
  readonly hasFailedRules: boolean;
}

async function scanSql(source: HistorySource, view: FeatureView, options: PinnedScan): Promise<string> {
  const {
    fromMs,
    toMs,
    duplicates = "drop",
    deleted = "drop",
    asOfMs,
    latest = false,
    batches,
    hasFailedRules,
  } = options;
  const range = { firstUs: Number.NEGATIVE_INFINITY, lastUs: Number.POSITIVE_INFINITY };
  const { sql } = await historySql(source, view, {
    range,
    batches,
    availability: asOfMs !== undefined,
    failedRules: hasFailedRules,
  });
  const keys = Object.keys(view.entity.keys).map(identifier).join(", ");
  const rows =
    asOfMs === undefined ? sql : `SELECT * FROM (${sql}) WHERE coalesce("_available" <= ${asOfMs * 1000}, TRUE)`;
  const within = [
    ...(fromMs === undefined ? [] : [`"_time" >= ${fromMs * 1000}`]),
    ...(toMs === undefined ? [] : [`"_time" < ${toMs * 1000}`]),
  ];
  // A delete takes away its entity's rows up to its own event time that were written before it.
  const deletion = `max(CASE WHEN "_deleted" THEN row("_time", coalesce("_written", -1), "_sequence") END) OVER (PARTITION BY ${keys})`;
  const own = `row("_time", coalesce("_written", -1), "_sequence")`;
  const standing =
    deleted === "keep" ? `(${rows})` : `(SELECT * FROM (${rows}) QUALIFY coalesce(${own} > ${deletion}, TRUE))`;
  const rank = `"_created" DESC NULLS LAST, "_sequence" ${view.ties === "first" ? "ASC" : "DESC"}`;
  const unique =
    duplicates === "keep"
      ? standing
      : `(SELECT * FROM ${standing} QUALIFY row_number() OVER (PARTITION BY ${keys}, "_time" ORDER BY ${rank}) = 1)`;
  const wanted = `SELECT * FROM ${unique}${within.length === 0 ? "" : ` WHERE ${within.join(" AND ")}`}`;
  const chosen = latest
    ? `SELECT * FROM (${wanted}) QUALIFY row_number() OVER (PARTITION BY ${keys} ORDER BY "_time" DESC, ${rank}) = 1`
    : wanted;
  return `SELECT ${outputOf(view, hasFailedRules).join(", ")} FROM (${chosen}) ORDER BY "_time", ${keys}, "_sequence"`;
}

function outputOf(view: FeatureView, hasFailedRules: boolean): string[] {
  const names = [...new Set([...Object.keys(view.entity.keys), ...valueColumns(view), ...Object.keys(view.inputs)])];
  return [
    ...names.map(identifier),
    `make_timestamp("_time") AS ${identifier(view.eventTime)}`,
    ...(view.createdTime === undefined ? [] : [`make_timestamp("_created") AS ${identifier(view.createdTime)}`]),
    `make_timestamp("_written") AS "write_time"`,
    `"_deleted" AS "is_deleted"`,
    ...(hasFailedRules ? [`"_failed" AS "${FAILED_RULES}"`] : []),
  ];
}
