import { type CallOptions, type ModelManifest, parseModelRef } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import type { DescribedVersion, VersionRecords } from "../models/version-records.ts";
import type { RegistryTables } from "../tables/tables.ts";
import { type FoundChange, type RankedChange, type TouchingChange, priors } from "./change-types.ts";
import { type ChangeHistory, createChangeHistory } from "./change-history.ts";
import type { LineageGraph } from "./lineage-graph.ts";
import type { LineageState } from "./lineage-reader.ts";
import type { LineageEntity } from "./lineage-types.ts";
import { manifestChanges } from "./manifest-changes.ts";
import { known } from "./prediction-trace.ts";

export interface ChangeQuery extends CallOptions {
  /** A time, UTC milliseconds, or a version such as `late/1`; both ends alike. What happened at `from` itself is not among the changes. */
  readonly from: number | string;
  readonly to: number | string;
  /** What is affected, such as `{ kind: "endpoint", id: "late" }`: what it was made from counts more. Default: everything alike. */
  readonly subject?: LineageEntity | undefined;
  /** When it began, UTC milliseconds. Default: `to`. */
  readonly onsetMs?: number | undefined;
  /** The time before the onset after which a change is half as plausible. Default: an eighth of the time between `from` and `to`. */
  readonly halfLifeMs?: number | undefined;
}

export interface ChangeRecords {
  /** What changed between two times or two versions, the most plausible cause of an incident first. Throws `PORT_MODEL_UNKNOWN`. */
  whatChanged(query: ChangeQuery): Promise<readonly RankedChange[]>;
}

export interface ChangeParts {
  readonly database: Database<RegistryTables>;
  readonly state: LineageState;
  readonly versions: VersionRecords;
}

export function createChangeRecords(parts: ChangeParts): ChangeRecords {
  const history = createChangeHistory(parts.database);
  return {
    async whatChanged({ signal, from, to, subject, onsetMs, halfLifeMs }) {
      signal?.throwIfAborted();
      if (typeof from === "string" && typeof to === "string") {
        const [before, after] = [
          await parts.versions.version(from, { signal }),
          await parts.versions.version(to, { signal }),
        ];
        return rank(manifestChanges(before.manifest, after.manifest).map((change) => ({ change, factors: [] })));
      }
      if (typeof from !== "number" || typeof to !== "number" || !(from <= to))
        throw new RangeError("Give two times, the earlier first, or two versions.");
      const changes = await changesBetween(parts, history, from, to, signal);
      const { graph } = await parts.state({ signal });
      const onset = onsetMs ?? to;
      const halfLife = halfLifeMs ?? Math.max((to - from) / 8, 1);
      const onPath = subject === undefined ? undefined : pathsTo(graph, subject);
      return rank(
        changes.map(({ touches, ...change }) => ({
          change,
          factors: [
            proximity(change.timeMs ?? onset, onset, halfLife),
            ...(onPath === undefined ? [] : [onPath(touches)]),
          ],
        })),
      );
    },
  };
}

/** What events changed, and how the packages differ that took each other's place. */
async function changesBetween(
  { versions }: ChangeParts,
  history: ChangeHistory,
  fromMs: number,
  toMs: number,
  signal: AbortSignal | undefined,
): Promise<readonly TouchingChange[]> {
  const changes = (await history({ signal })).filter(
    ({ timeMs }) => timeMs !== undefined && timeMs > fromMs && timeMs <= toMs,
  );
  const manifests = new Map<string, Promise<DescribedVersion | undefined>>();
  const manifestOf = async (ref: string): Promise<ModelManifest | undefined> => {
    const asked = manifests.get(ref) ?? known(versions.version(ref, { signal }));
    manifests.set(ref, asked);
    return (await asked)?.manifest;
  };
  const inside: TouchingChange[] = [];
  for (const change of changes) {
    for (const [before, after] of replacements(change)) {
      const [old, now] = [await manifestOf(before), await manifestOf(after)];
      if (old === undefined || now === undefined) continue;
      const { timeMs, by, eventId, touches } = change;
      for (const each of manifestChanges(old, now))
        inside.push({
          ...each,
          what: `${each.what} from ${before} to ${after}`,
          // It came with the change that brought the package, and cannot be larger than that.
          size: each.size * change.size,
          timeMs,
          ...(by === undefined ? {} : { by }),
          ...(eventId === undefined ? {} : { eventId }),
          touches,
        });
    }
  }
  return [...changes, ...inside];
}

/** The versions of one model that a change put in others' place. */
function replacements({ kind, subject, before, after }: TouchingChange): readonly (readonly [string, string])[] {
  if (kind === "alias" && before !== undefined) {
    const [name] = subject.split("@");
    return [[`${name}/${Number(before)}`, `${name}/${Number(after)}`]];
  }
  if (kind !== "traffic" || typeof before !== "object" || typeof after !== "object") return [];
  const [old, now] = [Object.keys(before ?? {}), Object.keys(after ?? {})];
  const nameOf = (ref: string): string => parseModelRef(ref).name;
  return now
    .filter((ref) => !old.includes(ref))
    .flatMap((ref) => old.filter((each) => nameOf(each) === nameOf(ref)).map((each) => [each, ref] as const));
}

interface Factor {
  readonly value: number;
  readonly reason: string;
}

const times = (value: number): string => `(×${value.toFixed(2)})`;

/** Causes come before their effects: what came after the onset is next to impossible. */
function proximity(timeMs: number, onsetMs: number, halfLifeMs: number): Factor {
  const before = onsetMs - timeMs;
  if (before < 0) return { value: 0.01, reason: `after the onset ${times(0.01)}` };
  const value = Math.max(0.02, 2 ** (-before / halfLifeMs));
  return { value, reason: `${durationOf(before)} before the onset ${times(value)}` };
}

const durationOf = (ms: number): string =>
  ms < 120_000
    ? `${Math.round(ms / 1000)} s`
    : ms < 7_200_000
      ? `${Math.round(ms / 60_000)} min`
      : `${Math.round(ms / 3_600_000)} h`;

const offPath = 0.1;

/** How far what a change touches is from what is affected; another definition or version of the same name is as near. */
function pathsTo(graph: LineageGraph, subject: LineageEntity): (touches: TouchingChange["touches"]) => Factor {
  const distances = new Map<string, number>();
  const put = (keys: readonly string[], distance: number): void => {
    for (const key of keys) if ((distances.get(key) ?? Infinity) > distance) distances.set(key, distance);
  };
  put(keysOf(subject), 0);
  for (const { entity, distance } of graph.query(subject, { direction: "ancestors" })) put(keysOf(entity), distance);
  return (touches) => {
    const found = touches.flatMap(keysOf).map((key) => distances.get(key) ?? Infinity);
    const distance = Math.min(Infinity, ...found);
    if (distance === Infinity) return { value: offPath, reason: `not on the way to ${subject.id} ${times(offPath)}` };
    const value = 1 / (1 + distance / 20);
    const steps = distance === 0 ? `it is ${subject.id} itself` : `${distance} steps from ${subject.id}`;
    return { value, reason: `${steps} ${times(value)}` };
  };
}

function keysOf({ kind, id, name }: TouchingChange["touches"][number]): readonly string[] {
  const byId = `${kind} ${id}`;
  if (name === undefined || (kind !== "model" && kind !== "feature-view" && kind !== "feature-service")) return [byId];
  return [byId, `${kind} called ${kind === "model" ? name.split("/")[0] : name}`];
}

function rank(found: readonly { readonly change: FoundChange; readonly factors: readonly Factor[] }[]): RankedChange[] {
  return found
    .map(({ change, factors }) => {
      const prior = priors[change.kind];
      const size = 0.2 + 0.8 * Math.min(1, Math.max(0, change.size));
      const all: readonly Factor[] = [
        ...factors,
        { value: size, reason: `${Math.round(change.size * 100)} % of it changed ${times(size)}` },
        { value: prior, reason: `${change.kind} among all kinds of causes ${times(prior)}` },
      ];
      const score = all.reduce((product, { value }) => product * value, 1);
      return { ...change, score, reasons: all.map(({ reason }) => reason) };
    })
    .toSorted((a, b) => b.score - a.score || (b.timeMs ?? 0) - (a.timeMs ?? 0));
}
