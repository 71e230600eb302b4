import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { ExampleBlock } from "./example-blocks.ts";

/** A folder in which the blocks of the pages are compiled and from which they run. */
export interface ExampleWorkspace {
  /** The compiled file of a block. */
  scriptOf(block: ExampleBlock): string;
  /** What the compiler says about a block, with the line numbers of its page; empty when it compiles. */
  complaintsAbout(block: ExampleBlock): string;
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const scope = "@millwright/";

function link(target: string, path: string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(resolve(target), path, "junction"); // a junction needs no special right on Windows; elsewhere the word is ignored
}

function projectsOf(root: string): readonly { readonly folder: string; readonly manifest: Manifest }[] {
  return ["packages", "examples"].flatMap((parent) =>
    (existsSync(join(root, parent)) ? readdirSync(join(root, parent)) : [])
      .filter((name) => existsSync(join(root, parent, name, "package.json")))
      .map((name) => ({
        folder: `${parent}/${name}`,
        manifest: JSON.parse(readFileSync(join(root, parent, name, "package.json"), "utf8")) as Manifest,
      })),
  );
}

/**
 * Gives a folder the node_modules that a reader of the page would have: every published package under its name, and the
 * third-party packages that the page's project (or, for pages of the whole repository, any project) installs.
 */
function linkModules(root: string, folder: string, project: string | undefined): void {
  for (const { folder: from, manifest } of projectsOf(root)) {
    if (manifest.name.startsWith(scope)) link(join(root, from), join(folder, "node_modules", manifest.name));
    if (project !== undefined && project !== from) continue;
    for (const dependency of Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })) {
      const target = join(root, from, "node_modules", dependency);
      if (!dependency.startsWith(scope) && existsSync(target)) link(target, join(folder, "node_modules", dependency));
    }
  }
}

const folderOf = ({ project }: ExampleBlock): string => project?.replace("/", "-") ?? "repository";
const stemOf = ({ page, line }: ExampleBlock): string => `${page.replaceAll(/[^a-zA-Z0-9]+/g, "-")}-${line}`;

/** Writes every block under `.millwright/`, links its modules, and compiles all of them with one run of the compiler. */
export function openExampleWorkspace(
  root: string,
  blocks: readonly ExampleBlock[],
): ExampleWorkspace & { readonly path: string } {
  mkdirSync(join(root, ".millwright"), { recursive: true });
  const path = mkdtempSync(join(root, ".millwright", "readme-examples-"));
  writeFileSync(join(path, "package.json"), JSON.stringify({ type: "module", private: true }));
  const compilerOptions = {
    noEmit: false,
    rootDir: ".",
    moduleDetection: "force",
    allowImportingTsExtensions: false,
  };
  writeFileSync(
    join(path, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.tests.json", compilerOptions, include: ["*/*.ts"], exclude: [] }),
  );
  for (const block of blocks) {
    const folder = join(path, folderOf(block));
    if (!existsSync(folder)) {
      mkdirSync(folder);
      linkModules(root, folder, block.project);
    }
    // As many empty lines before the code as there are before it on the page: the compiler then names the page's own lines.
    writeFileSync(join(folder, `${stemOf(block)}.ts`), "\n".repeat(block.line - 1) + block.code);
  }
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { stdout } = spawnSync(process.execPath, [compiler, "-p", path, "--pretty", "false"], {
    cwd: path,
    encoding: "utf8",
  });
  return {
    path,
    scriptOf: (block) => join(path, folderOf(block), `${stemOf(block)}.js`),
    complaintsAbout: (block) => {
      const start = `${folderOf(block)}/${stemOf(block)}.ts(`;
      const lines = stdout.replaceAll("\\", "/").split("\n");
      return lines.filter((line) => line.startsWith(start) || line.startsWith("error ")).join("\n");
    },
  };
}
