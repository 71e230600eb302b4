import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const root: string = dirname(dirname(fileURLToPath(import.meta.url)));

type Names = Readonly<Record<string, string>>;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly type?: string;
  readonly sideEffects?: boolean;
  readonly engines?: Names;
  readonly files?: readonly string[];
  readonly exports?: Readonly<Record<string, string | Names>>;
  readonly dependencies?: Names;
  readonly devDependencies?: Names;
  readonly peerDependencies?: Names;
  readonly optionalDependencies?: Names;
}

/** A folder of `packages/` that has a manifest. */
export interface PublishedPackage {
  /** The folder's name, which is also the name after the scope: "feature-store". */
  readonly name: string;
  readonly path: string;
  readonly manifest: Manifest;
}

export const scope = "@millwright/";

export const readText = (...path: readonly string[]): string => readFileSync(join(root, ...path), "utf8");

function packageIn(name: string): readonly PublishedPackage[] {
  const path = join(root, "packages", name);
  if (!existsSync(join(path, "package.json"))) return [];
  return [{ name, path, manifest: JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Manifest }];
}

export const publishedPackages: readonly PublishedPackage[] = readdirSync(join(root, "packages"))
  .toSorted()
  .flatMap(packageIn);

/** Every file under a folder of a package whose name ends in `.ts`, as `{ file, text }`; `file` uses `/`. */
export function sources(
  { path }: PublishedPackage,
  folder: string,
): readonly { readonly file: string; readonly text: string }[] {
  if (!existsSync(join(path, folder))) return [];
  return readdirSync(join(path, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .toSorted()
    .map((name) => ({
      file: `${folder}/${name.split(sep).join("/")}`,
      text: readFileSync(join(path, folder, name), "utf8"),
    }));
}

const stringOrComment = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;

/** The code without its comments; strings stay. */
export const withoutComments = (code: string): string =>
  code.replaceAll(stringOrComment, (match) => (match.startsWith("//") || match.startsWith("/*") ? " " : match));

/** Names of the modules that the code imports, statically, dynamically, or through `import.meta.resolve`. */
export function importsOf(code: string): readonly string[] {
  const pattern = /(?:\bfrom|\bimport|\bimport\(|\bimport\.meta\.resolve\()\s*["']([^"'\n]+)["']/g;
  return [...withoutComments(code).matchAll(pattern)].flatMap(([, name]) => name ?? []);
}
