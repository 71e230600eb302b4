import { type Dirent, existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

/** One fenced ```ts block of a Markdown page. */
export interface ExampleBlock {
  /** The page, relative to the repository, with `/` between folders. */
  readonly page: string;
  /** The 1-based line of the page that holds the block's first line of code. */
  readonly line: number;
  readonly code: string;
  /** False for a block opened with ```ts no-run, which is only compiled. */
  readonly runs: boolean;
  /** The project whose dependencies the block may import: "packages/data"; undefined for pages of the whole repository. */
  readonly project: string | undefined;
}

const entries = (folder: string): readonly Dirent[] =>
  existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [];

function pagesUnder(root: string, folder: string): readonly string[] {
  return entries(join(root, folder)).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return pagesUnder(root, path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

/** Pages whose ts blocks are promises: the README of the repository, of each package and example, and everything in docs/. */
export function documentedPages(root: string): readonly string[] {
  const readmes = ["packages", "examples"].flatMap((parent) =>
    entries(join(root, parent)).map((entry) => `${parent}/${entry.name}/README.md`),
  );
  return ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", ...readmes, ...pagesUnder(root, "docs")]
    .filter((page) => existsSync(join(root, page)))
    .toSorted();
}

/** Every ts block of a page, in order. */
export function blocksOf(root: string, page: string): readonly ExampleBlock[] {
  const lines = readFileSync(join(root, page), "utf8").split(/\r?\n/);
  const parts = page.split("/");
  const project = parts.length === 3 && basename(page) === "README.md" ? parts.slice(0, 2).join("/") : undefined;
  const blocks: ExampleBlock[] = [];
  let open: { readonly fence: string; readonly info: string; readonly line: number } | undefined;
  for (const [index, line] of lines.entries()) {
    const fence = /^(`{3,})(.*)$/.exec(line);
    if (fence === null) continue;
    if (open === undefined) {
      open = { fence: fence[1] ?? "```", info: (fence[2] ?? "").trim(), line: index + 2 };
    } else if (fence[1] === open.fence) {
      const [language, ...flags] = open.info.split(/\s+/);
      const code = lines.slice(open.line - 1, index).join("\n");
      if (language === "ts") blocks.push({ page, line: open.line, code, runs: !flags.includes("no-run"), project });
      open = undefined;
    }
  }
  return blocks;
}
