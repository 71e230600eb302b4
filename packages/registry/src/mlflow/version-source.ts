import type { ArtifactRow } from "./artifact-rows.ts";
import { rowsAt } from "./artifact-rows.ts";
import { type ArtifactPlace, checkedPath, placeOf, proxiedPath } from "./artifact-paths.ts";
import { invalid, noSuchLoggedModel, noSuchVersion } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";

type Read = MlflowScope["database"]["read"];

/** What a version is made of. */
export interface VersionSource {
  /** Paths relative to the model's directory; none where the bytes lie in a store that is not the registry's. */
  readonly files: readonly ArtifactRow[];
  /** The run that made it, where the source says so. */
  readonly run: string | undefined;
  readonly loggedModel: string | undefined;
}

const elsewhere: VersionSource = { files: [], run: undefined, loggedModel: undefined };

/** Finds the files under a source. Throws a refusal for a path of this machine, or one that leads out of a run's artifacts. */
export async function findSource(read: Read, source: string): Promise<VersionSource> {
  const refused = (): Error =>
    invalid(
      `Invalid model version source: '${source}'. To use a local path as a model version source, the run_id request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the run_id.`,
    );
  const scheme = /^([a-z][a-z\d+.-]+):/i.exec(source)?.[1]?.toLowerCase();
  if (scheme === undefined || scheme === "file" || climbs(source)) throw refused();
  if (scheme === "models") return modelsSource(read, source);
  if (scheme === "runs") return runsSource(read, source);
  const path = proxiedPath(source);
  if (path === undefined) return elsewhere;
  const place = await placeOf(read, checkedPath(path));
  if (place === undefined) return elsewhere;
  return sourceAt(read, place);
}

/** `..` in a source, however often it is encoded. */
function climbs(source: string): boolean {
  let text = source;
  for (let round = 0; round < 10; round += 1) {
    if (/(^|[/\\:])\.\.([/\\]|$)/.test(text) || text.includes("\u0000")) return true;
    let next: string;
    try {
      next = decodeURIComponent(text);
    } catch {
      return false;
    }
    if (next === text) return false;
    text = next;
  }
  return true;
}

async function modelsSource(read: Read, source: string): Promise<VersionSource> {
  const [name = "", version = ""] = source.slice("models:".length).replace(/^\/+/, "").split("/");
  if (version === "" && name.startsWith("m-")) return sourceAt(read, { kind: "model", id: name, path: "" });
  if (!/^\d{1,15}$/.test(version)) throw invalid(`Invalid model version source: '${source}'.`);
  return sourceAt(read, { kind: "version", name, version: Number(version), path: "" });
}

async function runsSource(read: Read, source: string): Promise<VersionSource> {
  const [id = "", ...rest] = source.slice("runs:".length).replace(/^\/+/, "").split("/");
  const path = checkedPath(rest.join("/"));
  const ofRun = await sourceAt(read, { kind: "run", id, path });
  if (ofRun.files.length > 0) return ofRun;
  // Clients of MLflow 3 log a model beside the run's artifacts, under the name that the path gives.
  const model = await read
    .selectFrom("registry_logged_models")
    .select("id")
    .where("source_run", "=", id)
    .where("name", "=", path)
    .where("deleted_ms", "is", null)
    .orderBy("created_ms", "desc")
    .executeTakeFirst();
  return model === undefined ? ofRun : sourceAt(read, { kind: "model", id: model.id, path: "" });
}

async function sourceAt(read: Read, place: ArtifactPlace): Promise<VersionSource> {
  const rows = await rowsAt(read, place);
  const start = place.path === "" ? 0 : place.path.length + 1;
  const files = rows.filter(({ path }) => path.length > start).map((row) => ({ ...row, path: row.path.slice(start) }));
  if (place.kind === "run") return { files, run: place.id, loggedModel: undefined };
  if (place.kind === "version") return versionSource(read, place, files);
  const model = await read
    .selectFrom("registry_logged_models")
    .select("source_run")
    .where("id", "=", place.id)
    .where("deleted_ms", "is", null)
    .executeTakeFirst();
  if (model === undefined) throw noSuchLoggedModel(place.id);
  return { files, run: model.source_run ?? undefined, loggedModel: place.id };
}

async function versionSource(
  read: Read,
  { name, version }: ArtifactPlace & { readonly kind: "version" },
  files: readonly ArtifactRow[],
): Promise<VersionSource> {
  const row = await read
    .selectFrom("registry_versions")
    .select("run")
    .where("model", "=", name)
    .where("version", "=", version)
    .where("deleted_ms", "is", null)
    .executeTakeFirst();
  if (row === undefined) throw noSuchVersion(name, version);
  return { files, run: row.run ?? undefined, loggedModel: undefined };
}
