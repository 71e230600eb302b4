import type { CallOptions } from "@millwright/contracts";
import { columnOf } from "@millwright/data";
import { identifier } from "@millwright/duckdb";
import type { FeatureView } from "./definition.ts";
import { historySql, namingFile, type HistorySource } from "./history-sql.ts";
import { onlineRows } from "./online-rows.ts";
import type { OnlineRow } from "./online-store.ts";
import { createOnlineView } from "./online-view.ts";

export interface HistoryRowsOptions extends CallOptions {
  readonly upToUs: number;
  readonly latenessUs: number;
  /** Whether the rows of an entity come together. Default: false; they come by time. */
  readonly byEntity?: boolean | undefined;
}

export interface HistoryRows {
  /** Rows before it were left out, but for each entity's newest. */
  readonly floorUs: number;
  /** An entity's rows come by time, and those of one time in the order in which they were ingested. */
  readonly rows: AsyncIterable<readonly OnlineRow[]>;
}

/** The rows before a time that reads from then on can need: a window's length back, and each entity's newest before that. */
export async function historyRows(
  source: HistorySource,
  view: FeatureView,
  { upToUs, latenessUs, byEntity = false, signal }: HistoryRowsOptions,
): Promise<HistoryRows> {
  const { aggregates } = createOnlineView(view, { latenessMs: 0 });
  const floorUs = upToUs - latenessUs - aggregates.longestUs;
  const { sql: rows } = await historySql(source, view, {
    range: { firstUs: upToUs - latenessUs, lastUs: upToUs - 1 },
  });
  const keys = Object.keys(view.entity.keys).map(identifier).join(", ");
  const newestFirst = `"_time" DESC, "_created" DESC NULLS LAST, "_sequence" ${view.ties === "first" ? "ASC" : "DESC"}`;
  const sql = `SELECT * FROM (${rows})
    QUALIFY "_time" >= ${floorUs} OR row_number() OVER (PARTITION BY ${keys}, "_time" >= ${floorUs} ORDER BY ${newestFirst}) = 1
    ORDER BY ${byEntity ? `${keys}, ` : ""}"_time", "_sequence"`;
  return { floorUs, rows: readRows(source, view, sql, signal) };
}

async function* readRows(
  source: HistorySource,
  view: FeatureView,
  sql: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly OnlineRow[]> {
  try {
    for await (const batch of source.duckdb.query(sql, { signal })) {
      const columns = {
        time: columnOf(batch, "_time"),
        created: columnOf(batch, "_created"),
        deleted: columnOf(batch, "_deleted"),
        expires: columnOf(batch, "_expires"),
      };
      yield onlineRows(view, batch, columns);
    }
  } catch (error) {
    throw await namingFile(source, view, error);
  }
}
