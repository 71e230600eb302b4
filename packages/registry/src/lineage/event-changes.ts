import type { MillwrightEvent } from "@millwright/contracts";
import type { ChangeKind, TouchingChange } from "./change-types.ts";

/** Walks events in order, and tells what each changed against those before. */
export interface ChangeReader {
  /** `undefined` for what changes nothing that answers depend on. */
  read(event: MillwrightEvent): TouchingChange | undefined;
}

export function createChangeReader(): ChangeReader {
  /** Shares of each endpoint by variant and model, definitions by name, rows of batches by view, the fewest first. */
  const shares = new Map<string, ReadonlyMap<string, number>>();
  const definitions = new Map<string, MillwrightEvent["data"]>();
  const rows = new Map<string, number[]>();
  return {
    read(event) {
      const { type, data } = event;
      if (type.startsWith("deployment.")) return readTraffic(event, shares);
      if (type === "feature.view-applied" || type === "feature.service-applied")
        return readDefinition(event, definitions);
      if (type === "feature.ingested") return readBatch(event, rows);
      if (type === "job.processed" && data["state"] === "failed")
        return changeOf(event, "data", `the job ${event.subject ?? ""} failed`, { size: 0.8 });
      if (type === "model.alias-set") {
        const [before, after] = [data["previous"], data["version"]];
        const what = `${event.subject ?? ""} means version ${String(after)}`;
        return changeOf(event, "alias", what, { size: 1, before, after });
      }
      if (type === "model.approved" || type === "model.rejected" || type === "model.stage-moved")
        return changeOf(event, "approval", `${event.subject ?? ""}: ${type}`, {
          size: type === "model.rejected" ? 1 : 0.5,
          before: data["previous"],
          after: data["stage"] ?? type.slice("model.".length),
        });
      return undefined;
    },
  };
}

function changeOf(
  { id, time, subject = "", data }: MillwrightEvent,
  kind: ChangeKind,
  what: string,
  more: Pick<TouchingChange, "size" | "before" | "after">,
): TouchingChange {
  const model = typeof data["digest"] === "string" && kind !== "data" && kind !== "features";
  const named = typeof data["name"] === "string" ? { name: `${data["name"]}/${String(data["version"])}` } : {};
  return {
    kind,
    subject,
    what,
    ...more,
    timeMs: Date.parse(time),
    ...(typeof data["by"] === "string" ? { by: data["by"] } : {}),
    eventId: id,
    touches: [
      ...(data.made ?? []),
      ...(kind === "traffic" ? [] : (data.from ?? [])),
      ...(model ? [{ kind: "model" as const, id: String(data["digest"]), ...named }] : []),
    ],
  };
}

interface TellingShares {
  readonly shares?: readonly { readonly variant: string; readonly model: string; readonly share: number }[];
  readonly environment?: string;
  readonly share?: number;
  readonly variant?: string;
  readonly model?: string;
}

function readTraffic(
  event: MillwrightEvent,
  shares: Map<string, ReadonlyMap<string, number>>,
): TouchingChange | undefined {
  const told = event.data as TellingShares;
  const place = `${told.environment ?? ""}\n${event.subject ?? ""}`;
  if (told.shares === undefined) {
    if (told.model === undefined) return undefined;
    const what = `${event.type}: ${told.variant ?? ""} serves ${told.model}`;
    return changeOf(event, "traffic", what, { size: Math.min(1, told.share ?? 1), after: told.model });
  }
  const before = shares.get(place) ?? new Map<string, number>();
  const after = new Map<string, number>();
  for (const { model, share } of told.shares) after.set(model, (after.get(model) ?? 0) + share);
  shares.set(place, after);
  const moved = [...new Set([...before.keys(), ...after.keys()])]
    .map((model) => Math.abs((after.get(model) ?? 0) - (before.get(model) ?? 0)))
    .reduce((sum, each) => sum + each, 0);
  const size = before.size === 0 || after.size === 0 ? 1 : Math.min(1, moved / 2);
  if (size === 0) return undefined;
  const what = `${Math.round(size * 100)} % of the traffic of ${event.subject ?? ""} moved`;
  return changeOf(event, "traffic", what, {
    size,
    before: Object.fromEntries(before),
    after: Object.fromEntries(after),
  });
}

function readDefinition(event: MillwrightEvent, definitions: Map<string, MillwrightEvent["data"]>): TouchingChange {
  const key = `${event.type}\n${event.subject ?? ""}`;
  const before = definitions.get(key);
  definitions.set(key, event.data);
  const parts = (data: MillwrightEvent["data"] | undefined) => {
    const features = Object.entries((data?.["features"] ?? {}) as Record<string, unknown>);
    return new Set(features.map((each) => JSON.stringify(each)));
  };
  const [old, now] = [parts(before), parts(event.data)];
  const all = new Set([...old, ...now]);
  const changed = [...all].filter((each) => !old.has(each) || !now.has(each)).length;
  // Other windows or times to live leave the columns as they are.
  const size = before === undefined || all.size === 0 ? 1 : Math.max(0.5, changed / all.size);
  const what = `${event.subject ?? ""} is defined otherwise`;
  return changeOf(event, "features", what, { size, before: before?.["digest"], after: event.data["digest"] });
}

/** The first place of a sorted list whose number is not less. */
function placeIn(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A batch is as remarkable as its number of rows is unusual. */
function readBatch(event: MillwrightEvent, rows: Map<string, number[]>): TouchingChange {
  const view = event.subject ?? "";
  const earlier = rows.get(view) ?? [];
  rows.set(view, earlier);
  const count = Number(event.data["rows"] ?? 0);
  const usual = earlier[Math.floor(earlier.length / 2)];
  earlier.splice(placeIn(earlier, count), 0, count);
  const ratio = usual === undefined ? 1 : (count + 1) / (usual + 1);
  const size = Math.min(1, 0.1 + Math.abs(Math.log2(ratio)) / 3);
  const what = `${view} was given ${count} rows${usual === undefined ? "" : `, ${usual} being usual`}`;
  return changeOf(event, "data", what, { size, before: usual, after: count });
}
