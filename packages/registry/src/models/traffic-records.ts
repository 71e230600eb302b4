import type { CallOptions } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { RegistryTables } from "../tables/tables.ts";

type Read = Database<RegistryTables>["read"];
type DeploymentRow = RegistryTables["registry_deployments"];

/** A variant's part of an endpoint's traffic. */
export interface TrafficShare {
  /** The variant's name, such as `main` or `canary`. */
  readonly variant: string;
  readonly name: string;
  readonly version: number;
  /** In (0, 1]. */
  readonly share: number;
}

/** An endpoint's traffic from a time until the next change. */
export interface TrafficRecord {
  readonly endpoint: string;
  readonly environment: string;
  /** Counts the changes of the endpoint. */
  readonly change: number;
  readonly shares: readonly TrafficShare[];
  readonly by: string;
  readonly reason?: string | undefined;
  readonly outcome: string;
  /** UTC, milliseconds. */
  readonly timeMs: number;
}

export interface TrafficQuery extends CallOptions {
  readonly endpoint?: string | undefined;
  readonly environment?: string | undefined;
  /** Only changes that a version of the model has a share in, or had until then. */
  readonly name?: string | undefined;
}

/** The variant of the row that says that nothing is served. */
export const nothingServed = "";

/** All changes, in the order they were made. */
export async function readTraffic(read: Read, { endpoint, environment, name }: TrafficQuery): Promise<TrafficRecord[]> {
  let query = read.selectFrom("registry_deployments").selectAll();
  if (endpoint !== undefined) query = query.where("endpoint", "=", endpoint);
  if (environment !== undefined) query = query.where("environment", "=", environment);
  const ordered = query
    .orderBy("time_ms")
    .orderBy("environment")
    .orderBy("endpoint")
    .orderBy("change")
    .orderBy("variant");
  const records = recordsOf(await ordered.execute());
  return name === undefined ? records : concerning(records, name);
}

/** What each endpoint served at a time, by environment and endpoint: of each only the change that held then is read. @param timeMs Default: now, and whatever the clock says. */
export async function trafficOf(
  read: Read,
  timeMs: number | undefined,
  { endpoint, environment, name }: TrafficQuery,
): Promise<TrafficRecord[]> {
  let places = read.selectFrom("registry_endpoints as place").select(["place.environment", "place.endpoint"]);
  if (endpoint !== undefined) places = places.where("place.endpoint", "=", endpoint);
  if (environment !== undefined) places = places.where("place.environment", "=", environment);
  const held = places.select(({ selectFrom }) => {
    const of = selectFrom("registry_deployments as each")
      .select("each.change")
      .whereRef("each.environment", "=", "place.environment")
      .whereRef("each.endpoint", "=", "place.endpoint");
    const until = timeMs === undefined ? of : of.where("each.time_ms", "<=", timeMs);
    return until.orderBy("each.time_ms", "desc").orderBy("each.change", "desc").limit(1).as("change");
  });
  const changes = await held.orderBy("place.environment").orderBy("place.endpoint").execute();
  const records: TrafficRecord[] = [];
  // A change never changes: two queries say what one would. In one, SQLite reads the whole history of a place.
  for (let start = 0; start < changes.length; start += placesPerQuery)
    records.push(...(await recordsAt(read, changes.slice(start, start + placesPerQuery))));
  return records.filter(
    ({ shares }) => shares.length > 0 && (name === undefined || shares.some((share) => share.name === name)),
  );
}

const placesPerQuery = 100;

async function recordsAt(
  read: Read,
  changes: readonly { readonly environment: string; readonly endpoint: string; readonly change: number | null }[],
): Promise<TrafficRecord[]> {
  const known = changes.filter(({ change }) => change !== null);
  if (known.length === 0) return [];
  const rows = await read
    .selectFrom("registry_deployments")
    .selectAll()
    .where((row) =>
      row.or(
        known.map(({ environment, endpoint, change }) =>
          row.and([
            row("endpoint", "=", endpoint),
            row("environment", "=", environment),
            row("change", "=", change as number),
          ]),
        ),
      ),
    )
    .orderBy("environment")
    .orderBy("endpoint")
    .orderBy("variant")
    .execute();
  return recordsOf(rows);
}

/** Where a version has a share of the traffic now, as `environment/endpoint`. */
export async function placesOf(read: Read, name: string, version: number): Promise<readonly string[]> {
  return (await trafficOf(read, undefined, { name }))
    .filter(({ shares }) => shares.some((share) => share.name === name && share.version === version))
    .map(({ environment, endpoint }) => `${environment}/${endpoint}`);
}

/** @param rows Those of one change after one another. */
function recordsOf(rows: readonly DeploymentRow[]): TrafficRecord[] {
  const records: (TrafficRecord & { readonly shares: TrafficShare[] })[] = [];
  for (const row of rows) {
    const share = { variant: row.variant, name: row.model, version: row.version, share: row.share };
    const last = records.at(-1);
    if (last?.endpoint === row.endpoint && last.environment === row.environment && last.change === row.change) {
      last.shares.push(share);
      continue;
    }
    records.push({
      endpoint: row.endpoint,
      environment: row.environment,
      change: row.change,
      shares: row.variant === nothingServed ? [] : [share],
      by: row.changed_by,
      reason: row.reason ?? undefined,
      outcome: row.outcome,
      timeMs: row.time_ms,
    });
  }
  return records;
}

/** A change concerns a model where it has a share in it, or had one until then. */
function concerning(records: readonly TrafficRecord[], model: string): TrafficRecord[] {
  const serving = new Set<string>();
  return records.filter(({ environment, endpoint, shares }) => {
    const place = JSON.stringify([environment, endpoint]);
    const had = serving.has(place);
    const has = shares.some(({ name }) => name === model);
    if (has) serving.add(place);
    else serving.delete(place);
    return has || had;
  });
}
