import { compareSignatures } from "../models/compatibility.ts";
import { type FieldDifference, fieldDifferences } from "../records/manifest-differences.ts";
import type { Registry } from "../registry.ts";
import { textTable } from "./text-table.ts";

/** What a command found: for programs, and for people. */
export interface Answer {
  readonly json: unknown;
  readonly text: string;
  /** False where the command has found something wrong. Default: true. */
  readonly isGood?: boolean | undefined;
}

const timeOf = (timeMs: number): string => {
  // The calendar of a fixed instant; no clock is read.
  const text = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium", timeZone: "UTC" });
  return text.format(timeMs);
};

/** Every version, or those of a model. */
export async function list(registry: Registry, model: string | undefined, signal: AbortSignal): Promise<Answer> {
  const versions = await registry.versions(model, { signal });
  const names = [...new Set(versions.map(({ name }) => name))];
  const aliases = new Map<string, Readonly<Record<string, number>>>();
  for (const name of names) aliases.set(name, await registry.aliases(name, { signal }));
  const rows = [];
  for (const { name, version, approval, digest, createdTimeMs, registeredBy } of versions) {
    const stage = (await registry.stageHistory(name, version, { signal })).at(-1)?.stage;
    const meaning = Object.entries(aliases.get(name) ?? {}).filter(([, meant]) => meant === version);
    rows.push({
      name,
      version,
      approval,
      aliases: meaning.map(([alias]) => alias).toSorted(),
      stage,
      createdTimeMs,
      registeredBy,
      digest,
    });
  }
  const text = textTable(
    ["model", "version", "approval", "aliases", "stage", "registered", "by", "digest"],
    rows.map((row) => [
      row.name,
      String(row.version),
      row.approval,
      row.aliases.join(", "),
      row.stage ?? "",
      timeOf(row.createdTimeMs),
      row.registeredBy ?? "",
      row.digest.slice(0, 19),
    ]),
  );
  return { json: rows, text: rows.length === 0 ? "There is no version." : text };
}

/** All about one version. */
export async function show(registry: Registry, ref: string, signal: AbortSignal): Promise<Answer> {
  const found = await registry.version(ref, { signal });
  const { name, version, manifest } = found;
  const aliases = Object.entries(await registry.aliases(name, { signal })).filter(([, meant]) => meant === version);
  const approvals = await registry.approvals(name, version, { signal });
  const stage = (await registry.stageHistory(name, version, { signal })).at(-1);
  const serving = (await registry.trafficAt(undefined, { name, signal })).filter(({ shares }) =>
    shares.some((share) => share.name === name && share.version === version),
  );
  const card = await registry.card(name, version, { signal });
  const signatures = await registry.signatures(name, version, { signal });
  const keyIds = signatures.flatMap((each) => each.keyIds);
  const { metrics, hyperparameters, datasets, code } = manifest.provenance;
  const pairs: readonly (readonly [string, string])[] = [
    ["model", `${name}/${version}`],
    ["digest", found.digest],
    ["format", manifest.format],
    ["approval", found.approval],
    ...approvals.map(({ status, by, comment, timeMs }) => {
      const said = comment === undefined ? "" : `: ${comment}`;
      return ["", `${status} by ${by}, ${timeOf(timeMs)}${said}`] as const;
    }),
    ["aliases", aliases.map(([alias]) => alias).join(", ")],
    ["stage", stage === undefined ? "" : `${stage.stage} ${stage.status}`],
    ["serves", serving.map(({ environment, endpoint }) => `${environment}/${endpoint}`).join(", ")],
    [
      "registered",
      `${timeOf(found.createdTimeMs)}${found.registeredBy === undefined ? "" : ` by ${found.registeredBy}`}`,
    ],
    ["run", found.runId ?? ""],
    ["signed by", keyIds.join(", ")],
    ["card", `${card.status}, revision ${card.revision}, lacks ${card.missing.length}`],
    ...Object.entries(found.tags).map(([tag, value]) => [`tag ${tag}`, value] as const),
    ...Object.entries(metrics).map(([metric, value]) => [`metric ${metric}`, String(value)] as const),
    ...Object.entries(hyperparameters).map(([param, value]) => [`param ${param}`, JSON.stringify(value)] as const),
    ...Object.entries(datasets).map(([role, digest]) => [`data ${role}`, digest] as const),
    ["code", code ?? ""],
    ...manifest.files.map(({ path, sizeBytes }) => [`file ${path}`, `${sizeBytes} B`] as const),
  ];
  return {
    json: { ...found, aliases: aliases.map(([alias]) => alias), approvals, stage, serving, keyIds, card },
    text: textTable(
      ["", ""],
      pairs.filter(([, value]) => value !== ""),
    )
      .split("\n")
      .slice(2)
      .join("\n"),
  };
}

/** What differs between two versions. */
export async function diff(
  registry: Registry,
  [first, second]: readonly [string, string],
  signal: AbortSignal,
): Promise<Answer> {
  const before = await registry.version(first, { signal });
  const after = await registry.version(second, { signal });
  const { signature: _was, files: wasFiles, provenance: wasMade, ...wasRest } = before.manifest;
  const { signature: _is, files: isFiles, provenance: isMade, ...isRest } = after.manifest;
  const { metrics: wasMetrics, hyperparameters: wasParams, ...wasOrigin } = wasMade;
  const { metrics: isMetrics, hyperparameters: isParams, ...isOrigin } = isMade;
  const byPath = (files: typeof wasFiles) => Object.fromEntries(files.map(({ path, digest }) => [path, digest]));
  const signature = compareSignatures(before.manifest.signature, after.manifest.signature);
  const parts: Readonly<Record<string, readonly FieldDifference[]>> = {
    params: fieldDifferences(wasParams, isParams),
    metrics: fieldDifferences(wasMetrics, isMetrics),
    files: namedDifferences(byPath(wasFiles), byPath(isFiles)),
    provenance: fieldDifferences(wasOrigin, isOrigin),
    manifest: fieldDifferences(wasRest, isRest),
  };
  const [was, is] = [`${before.name}/${before.version}`, `${after.name}/${after.version}`];
  const rows = Object.entries(parts).flatMap(([part, differences]) =>
    differences.map((each) => [part, each.path, shown(each.was), shown(each.is)]),
  );
  const changes = signature.changes.map(({ change }) => `  ${change}`);
  return {
    json: { was: { ref: was, digest: before.digest }, is: { ref: is, digest: after.digest }, signature, ...parts },
    text: [
      `signature: ${signature.class}`,
      ...changes,
      rows.length === 0 ? "Nothing else differs." : textTable(["part", "field", was, is], rows),
    ].join("\n"),
  };
}

/** By name: a name may have dots. */
function namedDifferences(
  was: Readonly<Record<string, string>>,
  is: Readonly<Record<string, string>>,
): FieldDifference[] {
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])].toSorted();
  return names.filter((name) => was[name] !== is[name]).map((path) => ({ path, was: was[path], is: is[path] }));
}

const widest = 40;

function shown(value: unknown): string {
  const text = value === undefined ? "(none)" : typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= widest ? text : `${text.slice(0, widest - 1)}…`;
}
