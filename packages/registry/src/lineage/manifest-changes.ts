import { type JsonValue, type ModelManifest, canonicalJson } from "@millwright/contracts";
import type { ChangeKind, FoundChange } from "./change-types.ts";

/** How two packages differ in what they were made from. */
export function manifestChanges(before: ModelManifest, after: ModelManifest): FoundChange[] {
  const [old, now] = [before.provenance, after.provenance];
  return [
    ...compare("code", { code: old.code }, { code: now.code }, () => 1),
    ...compare("data", old.datasets, now.datasets, () => 0.5),
    ...compare("params", old.hyperparameters, now.hyperparameters, sizeOfStep),
    ...compare("params", { seed: old.seed }, { seed: now.seed }, () => 0.1),
    ...compare("environment", old.environment, now.environment, versionStep),
    ...compare("features", { service: before.featureService }, { service: after.featureService }, () => 1),
    ...compare("profile", statistics(before.profile), statistics(after.profile), sizeOfStep),
    ...compare("config", partsOf(before), partsOf(after), () => 0.7),
  ];
}

const partsOf = ({ format, signature, transforms }: ModelManifest): Record<string, unknown> => ({
  format,
  signature,
  transforms,
});

function compare(
  kind: ChangeKind,
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
  size: (before: unknown, after: unknown) => number,
): FoundChange[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((subject) => {
    const [old, now] = [before[subject], after[subject]];
    if (textOf(old) === textOf(now)) return [];
    const isNew = old === undefined || now === undefined;
    const verb = old === undefined ? "is new" : now === undefined ? "is gone" : "changed";
    const what = `${kind}: ${subject} ${verb}`;
    return [{ kind, subject, what, before: old, after: now, size: isNew ? 1 : size(old, now) }];
  });
}

const textOf = (value: unknown): string => (value === undefined ? "" : canonicalJson(value));

/** Of numbers their relative difference, of anything else half. */
function sizeOfStep(before: unknown, after: unknown): number {
  if (typeof before !== "number" || typeof after !== "number") return 0.5;
  const larger = Math.max(Math.abs(before), Math.abs(after));
  return larger === 0 ? 0 : Math.min(1, Math.abs(before - after) / larger);
}

/** A major version more than a minor one, a minor one more than a patch. */
function versionStep(before: unknown, after: unknown): number {
  const [old, now] = [String(before).split("."), String(after).split(".")];
  const at = old.findIndex((part, index) => part !== now[index]);
  return [1, 0.5, 0.2][at] ?? 0.2;
}

/** The single numbers and texts of a profile by their paths; sketches are left out. */
function statistics(profile: ModelManifest["profile"]): Record<string, JsonValue> {
  const found: Record<string, JsonValue> = {};
  const visit = (value: JsonValue, path: string): void => {
    if (Array.isArray(value)) return;
    if (typeof value === "object" && value !== null) {
      for (const [name, each] of Object.entries(value))
        visit(each as JsonValue, path === "" ? name : `${path}.${name}`);
    } else found[path] = value;
  };
  if (profile !== undefined) visit(profile, "");
  return found;
}
