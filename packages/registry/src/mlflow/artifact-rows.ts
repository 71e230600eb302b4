import { type ModelManifest, canonicalJson } from "@millwright/contracts";
import { sql } from "@millwright/storage";
import type { ArtifactPlace } from "./artifact-paths.ts";
import { invalid, noSuchVersion } from "./refusal.ts";
import type { MlflowScope } from "./route.ts";

type Read = MlflowScope["database"]["read"];

/** A file that can be read. */
export interface ArtifactRow {
  readonly path: string;
  readonly digest: string;
  readonly size_bytes: number;
}

/** The files at a path and below it, by path. Throws a refusal for a version that is not there. */
export async function rowsAt(read: Read, place: ArtifactPlace): Promise<readonly ArtifactRow[]> {
  const { path } = place;
  if (place.kind === "version") {
    const files = await versionFiles(read, place.name, place.version);
    return files.filter((file) => path === "" || file.path === path || file.path.startsWith(`${path}/`));
  }
  const { table, owner } = tableOf(place.kind);
  const within = path === "" ? sql`1 = 1` : sql`(path = ${path} or ${below(path)})`;
  const { rows } = await sql<ArtifactRow>`select path, digest, size_bytes from ${sql.table(table)}
    where ${sql.ref(owner)} = ${place.id} and ${within} order by path`.execute(read);
  return rows;
}

/** Where artifacts of a run or of a logged model are kept. */
export const tableOf = (kind: "run" | "model"): { readonly table: string; readonly owner: string } =>
  kind === "run"
    ? { table: "registry_artifacts", owner: "run" }
    : { table: "registry_logged_model_artifacts", owner: "model" };

/** Paths in a folder: "0" is the character after "/". */
const below = (path: string) => sql`(path > ${`${path}/`} and path < ${`${path}0`})`;

/** What a version of the registry consists of; a package of Millwright with its manifest, which MLflow's models have none of. */
export async function versionFiles(read: Read, name: string, version: number): Promise<readonly ArtifactRow[]> {
  const row = await read
    .selectFrom("registry_versions")
    .select(["digest", "manifest"])
    .where("model", "=", name)
    .where("version", "=", version)
    .where("deleted_ms", "is", null)
    .executeTakeFirst();
  if (row === undefined) throw noSuchVersion(name, version);
  const manifest = JSON.parse(row.manifest) as ModelManifest;
  const files = manifest.files.map(({ path, digest, sizeBytes }) => ({ path, digest, size_bytes: sizeBytes }));
  if (manifest.format === "mlflow") return files;
  const size_bytes = Buffer.byteLength(canonicalJson(manifest));
  return [...files, { path: "manifest.json", digest: row.digest, size_bytes }];
}

/** The files and folders of one folder, by path. */
export function entriesOf(rows: readonly ArtifactRow[], folder: string): readonly FileInfo[] {
  const start = folder === "" ? 0 : folder.length + 1;
  const entries = new Map<string, FileInfo>();
  for (const { path, size_bytes } of rows) {
    if (path.length <= start) continue;
    const end = path.indexOf("/", start);
    const entry = end === -1 ? path : path.slice(0, end);
    entries.set(
      entry,
      end === -1 ? { path: entry, is_dir: false, file_size: size_bytes } : { path: entry, is_dir: true },
    );
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

export interface FileInfo {
  readonly path: string;
  readonly is_dir: boolean;
  readonly file_size?: number;
}

/** Throws a refusal where a file would stand where a folder is, or in a file. */
export async function assertRoom(read: Read, place: ArtifactPlace & { readonly kind: "run" | "model" }): Promise<void> {
  const segments = place.path.split("/");
  const above = segments.slice(1).map((_, index) => segments.slice(0, index + 1).join("/"));
  const { table, owner } = tableOf(place.kind);
  const files = above.length === 0 ? sql`1 = 0` : sql`path in (${sql.join(above)})`;
  const { rows } = await sql<{ readonly path: string }>`select path from ${sql.table(table)}
    where ${sql.ref(owner)} = ${place.id} and (${files} or ${below(place.path)}) limit 1`.execute(read);
  const [taken] = rows;
  if (taken !== undefined) throw invalid(`'${place.path}' cannot be written: '${taken.path}' is there already.`);
}
