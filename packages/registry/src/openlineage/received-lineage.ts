import type { CallOptions, Clock } from "@millwright/contracts";
import type { Database, WriteScope } from "@millwright/storage";
import { emitAbout, newestEvent } from "../causes.ts";
import { openLineageInvalid } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { OpenLineageDataset, OpenLineageEvent, OpenLineageName, OpenLineageRunEvent } from "./event-types.ts";
import { type ReceivedRun, mergeDataset, mergeRun } from "./merge-events.ts";
import { openLineageId } from "./names.ts";
import { parseOpenLineageEvent } from "./parse-event.ts";
import { type ReadEvent, readEvent } from "./read-event.ts";
import { receivedType } from "./tell-event.ts";

export interface ReceiveOptions extends CallOptions {
  /** Who brings it: a person's or a service's name, kept in the event. */
  readonly by?: string | undefined;
}

export interface ReceivedLineage {
  /** How many were new. */
  readonly received: number;
  /** How many were there: the same to the last character. */
  readonly known: number;
}

/** Lineage that others tell in OpenLineage: it becomes nodes and edges beside our own. */
export interface OpenLineageRecords {
  /**
   * Keeps events of OpenLineage, all or none, in one transaction; one that is there is not kept again. Each that is new is one event in the log, which lineage is read off.
   * Events may come in any order, and again. Throws `REGISTRY_OPENLINEAGE_INVALID`.
   * @param events One event or a list of them, as parsed from JSON. At most 10000.
   */
  receiveLineage(events: unknown, options?: ReceiveOptions): Promise<ReceivedLineage>;
  /** A run as all its events together tell of it; `undefined` where none did. */
  receivedRun(runId: string, options?: CallOptions): Promise<ReceivedRun | undefined>;
  /** A dataset with every facet that it was last told with; `undefined` where no event names it. */
  receivedDataset(name: OpenLineageName, options?: CallOptions): Promise<OpenLineageDataset | undefined>;
}

const mostEvents = 10_000;

export function createOpenLineageRecords(database: Database<RegistryTables>, clock: Clock): OpenLineageRecords {
  const bodies = async (keys: readonly { readonly key: string; readonly body: string }[]) =>
    keys.map(({ key, body }) => ({ key, event: JSON.parse(body) as OpenLineageEvent }));
  return {
    async receiveLineage(events, { by, signal } = {}) {
      signal?.throwIfAborted();
      const given: readonly unknown[] = Array.isArray(events) ? events : [events];
      if (given.length > mostEvents)
        throw openLineageInvalid("the list", `it has ${given.length} events, and may have ${mostEvents}`);
      // All are looked at before any is written.
      const read = given.map((value) => {
        const event = parseOpenLineageEvent(value);
        return { ...readEvent(event), body: JSON.stringify(event) };
      });
      return database.write((scope) => receive(scope, read, { by, nowMs: clock.nowMs() }), { signal });
    },
    async receivedRun(runId, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = await database.read
        .selectFrom("registry_openlineage")
        .select(["key", "body"])
        .where("run", "=", runId.toLowerCase())
        .execute();
      return mergeRun((await bodies(rows)) as { key: string; event: OpenLineageRunEvent }[]);
    },
    async receivedDataset(name, { signal } = {}) {
      signal?.throwIfAborted();
      const rows = await database.read
        .selectFrom("registry_openlineage")
        .innerJoin("registry_openlineage_datasets", "event", "key")
        .select(["key", "body"])
        .where("dataset", "=", openLineageId(name))
        .execute();
      return mergeDataset(await bodies(rows), name);
    },
  };
}

async function receive(
  scope: WriteScope<RegistryTables>,
  events: readonly (ReadEvent & { readonly body: string })[],
  { by, nowMs }: { readonly by: string | undefined; readonly nowMs: number },
): Promise<ReceivedLineage> {
  const { sql } = scope;
  let received = 0;
  for (const { key, subject, runId, job, timeMs, datasets, told, body } of events) {
    const there = sql.selectFrom("registry_openlineage").select("key").where("key", "=", key);
    if ((await there.executeTakeFirst()) !== undefined) continue;
    received += 1;
    await sql
      .insertInto("registry_openlineage")
      .values({ key, run: runId ?? null, time_ms: timeMs, received_ms: nowMs, body })
      .execute();
    for (const dataset of datasets)
      await sql.insertInto("registry_openlineage_datasets").values({ dataset, event: key }).execute();
    await emitAbout(scope, `openlineage/${subject}`, {
      type: receivedType,
      causationid: await newestEvent(scope, `openlineage/${subject}`),
      data: {
        key,
        ...(runId === undefined ? {} : { run: runId }),
        ...(job === undefined ? {} : { job }),
        told,
        ...(by === undefined ? {} : { by }),
      },
    });
  }
  return { received, known: events.length - received };
}
