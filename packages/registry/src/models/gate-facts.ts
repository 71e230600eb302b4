import { parseModelRef } from "@millwright/contracts";
import type { Database } from "@millwright/storage";
import { changedMeanwhile } from "../errors.ts";
import type { RegistryTables } from "../tables/tables.ts";
import type { GateReader } from "./gates.ts";

type Read = Database<RegistryTables>["read"];

/** What gates read, and whether it is still so. */
export interface GateFacts {
  /** Reads as the registry does, and keeps what was read about. */
  readonly reader: GateReader;
  /** To be asked in the transaction of what the gates let through. Throws `REGISTRY_CHANGED_MEANWHILE`. */
  assertUnchanged(read: Read): Promise<void>;
}

/**
 * Whatever changes a version, an alias or a run tells an event about it, so that the newest event says whether it changed; points of metrics, which
 * tell none, are counted. Each is looked at before it is read for the first time: a change while it is read is found too.
 */
export function createGateFacts(read: Read, registry: GateReader): GateFacts {
  const facts = new Map<string, Promise<string>>();
  const see = async (subject: string): Promise<void> => {
    const known = facts.get(subject) ?? factOf(read, subject);
    facts.set(subject, known);
    await known;
  };
  const ofVersion =
    <Options, Answer>(ask: (name: string, version: number, options?: Options) => Promise<Answer>) =>
    async (name: string, version: number, options?: Options): Promise<Answer> => {
      await see(`${name}/${version}`);
      return ask(name, version, options);
    };
  /** What a reference means, pinned. */
  const pinned = async (ref: string, options: { readonly signal?: AbortSignal | undefined }): Promise<string> => {
    const { name, version, alias } = parseModelRef(ref);
    if (alias !== undefined) await see(`${name}@${alias}`);
    const subject = `${name}/${version ?? (await registry.version(ref, options)).version}`;
    await see(subject);
    return subject;
  };
  const reader: GateReader = {
    version: async (ref, options = {}) => registry.version(await pinned(ref, options), options),
    resolve: async (ref, options = {}) => registry.resolve(await pinned(ref, options), options),
    approvals: ofVersion(registry.approvals),
    baselines: ofVersion(registry.baselines),
    missingEvidence: ofVersion(registry.missingEvidence),
    materials: ofVersion(registry.materials),
    async run(id, options) {
      await see(id);
      return registry.run(id, options);
    },
    async series(id, metric, options) {
      await see(id);
      return registry.series(id, metric, options);
    },
  };
  return {
    reader,
    async assertUnchanged(now) {
      for (const [subject, seen] of facts)
        if ((await factOf(now, subject)) !== (await seen)) throw changedMeanwhile(subject);
    },
  };
}

/** Looks at versions, aliases and runs before gates are asked. @returns what throws `REGISTRY_CHANGED_MEANWHILE` where one of them has changed since. */
export async function watchSubjects(read: Read, subjects: readonly string[]): Promise<GateFacts["assertUnchanged"]> {
  const seen = new Map<string, string>();
  for (const subject of subjects) seen.set(subject, await factOf(read, subject));
  return async (now) => {
    for (const [subject, fact] of seen) if ((await factOf(now, subject)) !== fact) throw changedMeanwhile(subject);
  };
}

/** @param subject A version, an alias or a run. */
async function factOf(read: Read, subject: string): Promise<string> {
  const newest = read.selectFrom("registry_events").select("event").where("subject", "=", subject);
  const series = read
    .selectFrom("registry_series")
    .select(({ fn }) => fn.sum("points").as("points"))
    .where("run", "=", subject);
  const event = (await newest.executeTakeFirst())?.event;
  return `${event ?? ""} ${String((await series.executeTakeFirst())?.points ?? 0)}`;
}
