import { selectRuns } from "../tracking/run-rows.ts";
import { rootOf } from "./experiments.ts";
import { invalid } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";

type Read = MlflowScope["database"]["read"];

/** Whose artifact a path of the proxy means. */
export type ArtifactPlace =
  | { readonly kind: "run" | "model"; readonly id: string; readonly path: string }
  | { readonly kind: "version"; readonly name: string; readonly version: number; readonly path: string };

const longestPath = 1024;

const badPath = (): Error => invalid("Invalid path");

/** The path below an artifact root, without slashes around it. Throws a refusal for one that could lead out of it. */
export function checkedPath(path: string): string {
  if (path.length > longestPath) throw badPath();
  const trimmed = path.endsWith("/") ? path.slice(0, -1) : path;
  if (trimmed === "") return "";
  assertSafe(trimmed);
  // What a client or a proxy would decode once more must be safe too.
  for (let text = trimmed, next = decoded(text); next !== text; text = next, next = decoded(text)) assertSafe(next);
  return trimmed;
}

function assertSafe(path: string): void {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for.
  if (/[\\#\u0000-\u001f\u007f]/.test(path) || /^[a-z]:/i.test(path) || /\p{Surrogate}/u.test(path)) throw badPath();
  if (path.split("/").some((segment) => segment === "" || segment === "." || segment === "..")) throw badPath();
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The part of a URL's path, decoded once. Throws a refusal. */
export function decodedPath(raw: string): string {
  try {
    return checkedPath(decodeURIComponent(raw));
  } catch {
    throw badPath();
  }
}

/** @returns undefined where nothing of the registry is there. */
export async function placeOf(read: Read, path: string): Promise<ArtifactPlace | undefined> {
  const segments = path.split("/");
  const [first, name, version] = segments;
  if (first === "versions" && name !== undefined && version !== undefined && /^[1-9]\d{0,14}$/.test(version))
    return { kind: "version", name, version: Number(version), path: segments.slice(3).join("/") };
  for (let at = 1; at < segments.length - 1; at += 1) {
    if (segments[at + 1] !== "artifacts") continue;
    const id = segments[at] as string;
    const rest = segments.slice(at + 2).join("/");
    const isModel = id.startsWith("m-") && segments[at - 1] === "models";
    const root = segments.slice(0, isModel ? at - 1 : at).join("/");
    const kept = isModel ? await rootOfModel(read, id) : await rootOfRun(read, id);
    if (kept !== undefined && proxiedPath(kept) === root) return { kind: isModel ? "model" : "run", id, path: rest };
  }
  return undefined;
}

/** The path in the proxy of a URI, or undefined for one of another store. */
export function proxiedPath(uri: string): string | undefined {
  const match = /^mlflow-artifacts:(?:\/\/[^/]*)?\/*(.*)$/i.exec(uri);
  if (match !== null) return (match[1] as string).replace(/\/+$/, "");
  const url = /^https?:\/\/[^/]+\/.*?api\/2\.0\/mlflow-artifacts\/artifacts\/+(.*)$/i.exec(uri);
  return url === null ? undefined : (url[1] as string).replace(/\/+$/, "");
}

async function rootOfRun(read: Read, id: string): Promise<string | undefined> {
  const row = await selectRuns(read)
    .select("registry_experiments.artifact_root as artifact_root")
    .where("registry_runs.id", "=", id)
    .executeTakeFirst();
  return row === undefined ? undefined : rootOf({ id: row.experiment_id, artifact_root: row.artifact_root });
}

async function rootOfModel(read: Read, id: string): Promise<string | undefined> {
  const row = await read
    .selectFrom("registry_logged_models")
    .innerJoin("registry_experiments", "registry_experiments.id", "registry_logged_models.experiment")
    .select(["registry_experiments.id", "registry_experiments.artifact_root"])
    .where("registry_logged_models.id", "=", id)
    .executeTakeFirst();
  return row === undefined ? undefined : rootOf(row);
}
