import { type Clock, type Digest, type JsonObject, digestOfJson } from "@millwright/contracts";
import { type ConfigurationSite, problemsOf } from "./check-configuration.ts";
import type { ConfigurationDifference, ConfigurationVersion, ServerConfiguration } from "./configuration.ts";
import { documentOf } from "./configuration-document.ts";
import { configurationInvalid } from "./configuration-errors.ts";
import type { KeptConfiguration } from "./configuration-store.ts";
import { differencesOf, pointer } from "./differences.ts";
import { type MadeEndpoint, makeEndpoint, reasonOf, sameEndpoint } from "./prepare-endpoint.ts";
import { variantsText } from "../rollout/variant-weights.ts";
import type { Retirement } from "./retirement.ts";

/** What is served. */
export interface Applied {
  readonly version: ConfigurationVersion;
  /** By endpoint, the number of the version that named its variants; 0 where the opening one did. */
  readonly since: Readonly<Record<string, number>>;
  readonly made: ReadonlyMap<string, MadeEndpoint>;
  readonly configuration: ServerConfiguration;
}

/** What is to become of a configuration: made, but nothing loaded. */
export interface ConfigurationPlan {
  readonly configuration: ServerConfiguration;
  readonly document: JsonObject;
  readonly unrestorable: string | undefined;
  readonly made: ReadonlyMap<string, MadeEndpoint>;
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  readonly differences: readonly ConfigurationDifference[];
}

/** What a server is opened with. Throws what makes parts throws. */
export function openingOf(opening: ServerConfiguration, { parts }: ConfigurationSite, clock: Clock): Applied {
  const { document, unrestorable } = documentOf(opening);
  const made = Object.entries(opening.endpoints).map(
    ([name, each]) => [name, makeEndpoint(name, each, parts)] as const,
  );
  const version: ConfigurationVersion = {
    number: 1,
    digest: digestOfJson(document),
    document,
    differences: [],
    appliedMs: clock.nowMs(),
    ...(unrestorable === undefined ? {} : { unrestorable }),
  };
  return { version, since: {}, made: new Map(made), configuration: opening };
}

/** Throws `SERVING_CONFIGURATION_INVALID` with everything that is wrong. */
export function planOf(
  configuration: ServerConfiguration,
  { made: before, version }: Applied,
  site: ConfigurationSite,
  retirement: Retirement,
): ConfigurationPlan {
  const problems = [...problemsOf(configuration, site)];
  if (problems.length > 0) throw configurationInvalid(problems);
  const { document, unrestorable } = documentOf(configuration);
  const made = new Map<string, MadeEndpoint>();
  for (const [name, each] of Object.entries(configuration.endpoints)) {
    try {
      made.set(name, makeEndpoint(name, each, site.parts, before.get(name)));
    } catch (error) {
      problems.push({ path: `/endpoints${pointer(name)}`, ...reasonOf(error) });
    }
  }
  problems.push(...retirement.problemsOf(made, before));
  if (problems.length > 0) throw configurationInvalid(problems);
  const changed = [...made].flatMap(([name, each]) => {
    const was = before.get(name);
    return was !== undefined && sameEndpoint(was, each) ? [] : [name];
  });
  const removed = [...before.keys()].filter((name) => !made.has(name));
  const told = differencesOf(version.document, document);
  // Other objects of the same names.
  const silent = changed
    .map((name) => `/endpoints${pointer(name)}`)
    .filter((path) => !told.some((each) => each.path === path || each.path.startsWith(`${path}/`)));
  const objects = silent.map((path) => ({ path: `${path}/stages`, kind: "changed" as const }));
  return { configuration, document, unrestorable, made, changed, removed, differences: [...told, ...objects] };
}

/** What is written down of a configuration that is applied; the first time, with the one of the opening before it. */
export function recordsOf(
  plan: ConfigurationPlan,
  applied: Applied,
  { base, opening, next }: { readonly base: Digest; readonly opening: number; readonly next: number },
  { by, reason, rolledBackTo, appliedMs }: Told,
): readonly KeptConfiguration[] {
  const first = opening === next;
  const number = first ? next + 1 : next;
  const common = { formatVersion: 1, base, opening } as const;
  const record: KeptConfiguration = {
    ...common,
    number,
    digest: digestOfJson(plan.document),
    document: plan.document,
    differences: plan.differences,
    appliedMs,
    since: sinceOf(plan, applied, number),
    ...(by === undefined ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
    ...(rolledBackTo === undefined ? {} : { rolledBackTo }),
    ...(plan.unrestorable === undefined ? {} : { unrestorable: plan.unrestorable }),
  };
  const { version, since } = applied;
  return first ? [{ ...common, ...version, number: opening, since }, record] : [record];
}

interface Told {
  readonly by: string | undefined;
  readonly reason: string | undefined;
  readonly rolledBackTo: number | undefined;
  readonly appliedMs: number;
}

/** By endpoint, the number of the version that named its variants. */
function sinceOf(plan: ConfigurationPlan, applied: Applied, number: number): Readonly<Record<string, number>> {
  const numbers = [...plan.made].map(([name, { configuration }]) => {
    const was = applied.made.get(name)?.configuration.variants;
    const same = was !== undefined && variantsText(was) === variantsText(configuration.variants);
    return [name, same ? (applied.since[name] ?? 0) : number];
  });
  return Object.fromEntries(numbers);
}

/** A version as it is told. */
export function versionOf(kept: KeptConfiguration): ConfigurationVersion {
  const { formatVersion: _format, base: _base, since: _since, opening: _opening, ...version } = kept;
  return version;
}
