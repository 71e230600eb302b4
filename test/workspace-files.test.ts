import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { publishedPackages, readText, root, scope, sources, withoutComments } from "./published-packages.ts";

const skipped = new Set(["node_modules", "dist", ".git", ".millwright", "output"]);
function walk(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : walk(path);
    return entry.isFile() ? [path] : [];
  });
}

/** Files under version control; every file where the sources came without git. */
function repositoryFiles(): readonly string[] {
  if (!existsSync(join(root, ".git"))) return walk("");
  const listed = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 });
  return listed.split("\0").filter((file) => file !== "" && existsSync(join(root, file)));
}

const textFile =
  /\.(?:[cm]?[jt]s|json|jsonc|md|ya?ml|html|css|sql|sh|txt|py|toml)$|(?:^|\/)(?:run|LICENSE|\.[a-z]+rc|\.gitignore)$/;

/** Lines of text files that match, as `file:line`. */
function linesMatching(pattern: RegExp): readonly string[] {
  return repositoryFiles()
    .filter((file) => textFile.test(file) && statSync(join(root, file)).size < 4_000_000)
    .flatMap((file) =>
      readText(file)
        .split("\n")
        .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}`] : [])),
    );
}

// The words are put together here so that this file does not match itself.
const registryHost = new RegExp(["registry", "\\.(?:npmjs|npm|yarnpkg|npmmirror)", "|_auth", "Token"].join(""));
const machinePath = new RegExp(
  ["(?<![\\w.-])/", "(?:work/(?:main|shared)|tmp/tmp\\.|home/[a-z]+/|Users/[a-z]+/)"].join(""),
);

test("no file names a package registry's host or holds a token", () => {
  expect(linesMatching(registryHost)).toEqual([]);
});

test("no file names a folder of some machine", () => {
  expect(linesMatching(machinePath)).toEqual([]);
});

test("the root tsconfig.json references every project", () => {
  execFileSync(process.execPath, [join(root, "scripts", "references.mjs"), "--check"], { stdio: "inherit" });
});

test("time, chance and ids come from outside: no source reads the machine's own", () => {
  const own =
    /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\.now\b|\brandomUUID\b|\bprocess\.hrtime\b/;
  // Replacing chance by a seeded stream reads none; the line above it says why, as for every rule that is set aside.
  const replaced =
    /^\s*\/\/ oxlint-disable-next-line no-restricted-properties -- \S.*\n\s*Math\.random = (?!Math\.random\b)/gm;
  const allowed = new Set(["clock.ts", "random.ts", "id-source.ts"].map((file) => `contracts/src/${file}`));
  const readers = publishedPackages.flatMap(({ name, ...rest }) =>
    sources({ name, ...rest }, "src")
      .filter(
        ({ file, text }) => !allowed.has(`${name}/${file}`) && own.test(withoutComments(text.replace(replaced, ""))),
      )
      .map(({ file }) => `${name}/${file}`),
  );
  expect(readers).toEqual([]);
});

test("the lint keeps files within 300 lines and functions within 60, and nobody opts out", () => {
  const { rules } = JSON.parse(readText(".oxlintrc.json")) as { rules: Record<string, [string, { max: number }]> };
  expect(rules["max-lines"]).toMatchObject(["error", { max: 300 }]);
  expect(rules["max-lines-per-function"]).toMatchObject(["error", { max: 60 }]);
  const directive = /(?:oxlint|eslint)-disable/;
  const opened = publishedPackages.flatMap((published) =>
    ["src", "test"].flatMap((folder) =>
      sources(published, folder).flatMap(({ file, text }) =>
        text
          .split("\n")
          .filter(
            (line) =>
              directive.test(line) && (/max-lines/.test(line) || !/-disable(?:-next)?(?:-line)? \S+ -- \S/.test(line)),
          )
          .map((line) => `${published.name}/${file}: ${line.trim()}`),
      ),
    ),
  );
  expect(opened, "a directive names its rule and its reason: `oxlint-disable-next-line rule -- reason`").toEqual([]);
});

test("every package that was not released yet is named by a changeset", () => {
  const folder = join(root, ".changeset");
  const pages = readdirSync(folder).filter((file) => file.endsWith(".md") && file !== "README.md");
  const heads = pages.map((page) => readFileSync(join(folder, page), "utf8").split(/^---$/m)[1] ?? "").join("\n");
  const unnamed = publishedPackages.filter(
    ({ name, manifest }) => manifest.version === "0.0.0" && !new RegExp(`["']?${scope}${name}["']?:`).test(heads),
  );
  expect(unnamed.map(({ name }) => name)).toEqual([]);
});
