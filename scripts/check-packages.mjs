// Packs every published package as it would be published, and looks at what is in the parcel: publint, are-the-types-wrong,
// the files, and that no text names this machine or a registry's host.
//   node scripts/check-packages.mjs              every package
//   node scripts/check-packages.mjs data model   only the named ones
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ensureBuilt, ensureInstalled, ensureNode, findPnpm } from "./ensure.mjs";
import { capture, isMain, main, root, ScriptError, tool } from "./run.mjs";
import { doors, exportedFiles, packages } from "./workspace.mjs";

const field = (block, start, length) => block.toString("utf8", start, start + length).replace(/\0.*$/s, "");

/** The regular files in a gzipped tar parcel, as `{ name, text }`. Reads the ustar form that npm parcels have. */
function filesIn(parcel) {
  const bytes = gunzipSync(readFileSync(parcel));
  const files = [];
  let offset = 0;
  while (offset + 512 <= bytes.length && bytes[offset] !== 0) {
    const block = bytes.subarray(offset, offset + 512);
    const size = Number.parseInt(field(block, 124, 12).trim(), 8);
    const kind = field(block, 156, 1);
    const prefix = field(block, 345, 155);
    const name = (prefix === "" ? "" : `${prefix}/`) + field(block, 0, 100);
    if (kind === "0" || kind === "") {
      files.push({
        name: name.replace(/^package\//, ""),
        text: bytes.toString("latin1", offset + 512, offset + 512 + size),
      });
    }
    offset += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}

const registryHost = ["registry", "npmjs"].join(".");
const forbidden = [root, ...(homedir().length > 6 ? [homedir()] : []), registryHost, "workspace:"];

/** What is wrong with the contents of a parcel. */
function contentProblems(files, manifest) {
  const names = new Set(files.map(({ name }) => name));
  const wanted = [
    "package.json",
    "README.md",
    "LICENSE",
    ...doors(manifest).flatMap(({ file, types }) => [file, types]),
    ...exportedFiles(manifest),
  ];
  const missing = wanted.map((name) => name.replace(/^\.\//, "")).filter((name) => !names.has(name));
  const strange = [...names].filter((name) => /(?:^|\/)(?:test|bench|node_modules)\/|\.tsbuildinfo$|\.log$/.test(name));
  const sourceless = [...names].filter(
    (name) => /^dist\/.*\.js$/.test(name) && !names.has(`${name.replace(/^dist/, "src").slice(0, -3)}.ts`),
  );
  const words = files.flatMap(({ name, text }) => {
    const inCode = name === "package.json" ? forbidden : forbidden.slice(0, -1);
    return inCode.filter((word) => text.includes(word)).map((word) => `${name} contains "${word}"`);
  });
  return [
    ...missing.map((name) => `${name} is missing in the parcel`),
    ...strange.map((name) => `${name} does not belong in the parcel`),
    ...sourceless.map((name) => `${name} has no source: a ghost of an older build; delete dist and build again`),
    ...words,
  ];
}

/** Packs and checks one package; the list of what is wrong. */
function problemsOf({ path, manifest }) {
  const folder = mkdtempSync(join(tmpdir(), "millwright-pack-"));
  try {
    const packed = capture([...findPnpm(), "pack", "--pack-destination", folder], { cwd: path });
    const [parcel] = readdirSync(folder);
    if (packed.code !== 0 || parcel === undefined) return [`pnpm pack failed: ${packed.stdout}${packed.stderr}`];
    const file = join(folder, parcel);
    const publint = capture(tool("publint", file, "--strict"), { cwd: path });
    const attw = capture(tool("attw", file, "--profile", "esm-only", "--no-emoji", "--format", "ascii"), { cwd: path });
    return [
      ...contentProblems(filesIn(file), manifest),
      ...(publint.code === 0 ? [] : [`publint: ${publint.stdout}${publint.stderr}`]),
      ...(attw.code === 0 ? [] : [`attw: ${attw.stdout}${attw.stderr}`]),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every change since the base branch has its changeset; where that branch is not in this clone, nothing can be compared. */
function changesetProblems() {
  if (capture(["git", "rev-parse", "--verify", "--quiet", "main"]).code !== 0) {
    console.log("changeset status: left out, this clone has no branch main to compare with");
    return [];
  }
  const status = capture(tool("changeset", "status"));
  return status.code === 0 ? [] : [`changeset status: ${status.stdout}${status.stderr}`];
}

if (isMain(import.meta.url)) {
  await main(async () => {
    ensureNode();
    await ensureInstalled();
    await ensureBuilt();
    const names = process.argv.slice(2);
    const chosen = packages().filter(
      ({ folder }) => names.length === 0 || names.includes(folder.slice("packages/".length)),
    );
    const problems = chosen.flatMap((project) => {
      const found = problemsOf(project).map((problem) => `${project.manifest.name}: ${problem}`);
      console.log(`${project.manifest.name}: ${found.length === 0 ? "fit to publish" : `${found.length} problems`}`);
      return found;
    });
    const all = [...problems, ...(names.length === 0 ? changesetProblems() : [])];
    if (all.length > 0) throw new ScriptError(all.join("\n"));
    return 0;
  });
}
