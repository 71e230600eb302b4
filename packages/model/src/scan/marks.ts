import type { Observation, ScanRule } from "./observation.ts";

interface Mark {
  readonly kind: string;
  readonly rule: ScanRule;
  readonly fits: (head: Buffer) => boolean;
}

const begins =
  (...texts: readonly string[]) =>
  (head: Buffer): boolean =>
    texts.some((text) => head.subarray(0, text.length).toString("latin1") === text);

/** Programs, byte code and compressed files, by their first bytes. Two bytes alone could be a number: what follows them has to fit as well. */
const marks: readonly Mark[] = [
  { kind: "ELF program", rule: "program", fits: begins("\x7fELF") },
  { kind: "Windows program", rule: "program", fits: isPortableExecutable },
  {
    kind: "macOS program",
    rule: "program",
    fits: begins("\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe"),
  },
  { kind: "Java class or universal macOS program", rule: "program", fits: begins("\xca\xfe\xba\xbe") },
  { kind: "WebAssembly module", rule: "program", fits: begins("\0asm") },
  { kind: "Android program", rule: "program", fits: begins("dex\n0") },
  { kind: "Lua byte code", rule: "program", fits: begins("\x1bLua") },
  {
    kind: "Python byte code",
    rule: "program",
    fits: (head) =>
      head.length >= 17 &&
      head[2] === 0x0d &&
      head[3] === 0x0a &&
      ((head[16] ?? 0) & 0x7f) === 0x63 &&
      head.readUInt32LE(4) <= 3,
  },
  { kind: "gzip file", rule: "archive", fits: begins("\x1f\x8b\x08") },
  { kind: "bzip2 file", rule: "archive", fits: (head) => /^BZh[1-9]1AY&SY/.test(head.toString("latin1", 0, 10)) },
  { kind: "xz file", rule: "archive", fits: begins("\xfd7zXZ\0") },
  { kind: "zstd file", rule: "archive", fits: begins("\x28\xb5\x2f\xfd") },
  { kind: "lz4 file", rule: "archive", fits: begins("\x04\x22\x4d\x18") },
  { kind: "7z archive", rule: "archive", fits: begins("7z\xbc\xaf\x27\x1c") },
  { kind: "rar archive", rule: "archive", fits: begins("Rar!\x1a\x07") },
  { kind: "tar archive", rule: "archive", fits: (head) => head.toString("latin1", 257, 262) === "ustar" },
];

function isPortableExecutable(head: Buffer): boolean {
  if (head.toString("latin1", 0, 2) !== "MZ" || head.length < 64) return false;
  const at = head.readUInt32LE(60);
  return at + 4 <= head.length && head.toString("latin1", at, at + 4) === "PE\0\0";
}

/** What the first bytes give away, if anything. */
export function markOf(head: Buffer): Observation | undefined {
  const found = marks.find(({ fits }) => fits(head));
  return found && { kind: found.kind, problems: [{ rule: found.rule, problem: `is a ${found.kind}` }] };
}

/** Kinds without code that runtimes outside of this house read, by their first bytes. */
const otherKinds: readonly (readonly [kind: string, fits: (head: Buffer) => boolean])[] = [
  ["hdf5", begins("\x89HDF\r\n\x1a\n")],
  ["gguf", begins("GGUF")],
  ["catboost", begins("CBM1")],
  ["tflite", (head) => head.toString("latin1", 4, 8) === "TFL3"],
];

export const otherKindOf = (head: Buffer): string | undefined => otherKinds.find(([, fits]) => fits(head))?.[0];

/**
 * What makes text a script or a page: how it begins, and what only programs have. Every repetition has a bound: the text may have been written to keep a
 * search busy.
 */
const scripts: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["a script (#!)", /^\ufeff?#!/],
  [
    "a page or a drawing with room for scripts",
    /<(?:!doctype\s{1,9}html|html|head|body|script|iframe|svg|\?php|%)[\s>]/i,
  ],
  [
    "JavaScript",
    /(?:^|[\n;])[ \t]{0,40}(?:import\s[^\n]{1,200}?\sfrom\s{0,9}["']|export\s{1,9}(?:default|const|function|class)\s|(?:const|let|var)\s{1,9}[\w{[][^\n=]{0,200}=\s{0,9}(?:require|await|function|async|\()|module\.exports\b|"use strict"|function\s{1,9}\w{0,99}\s{0,9}\([^)\n]{0,200}\)\s{0,9}\{)/,
  ],
  [
    "Python",
    /(?:^|\n)(?:import[ \t]{1,9}[a-z_][\w.]{0,99}(?:[ \t]{1,9}as[ \t]{1,9}\w{1,99})?[ \t]{0,9}(?:\n|$)|from[ \t]{1,9}[\w.]{1,99}[ \t]{1,9}import\s|def[ \t]{1,9}\w{1,99}[ \t]{0,9}\([^)]{0,500}\)[^\n:]{0,99}:|class[ \t]{1,9}\w{1,99}[^\n:]{0,99}:[ \t]{0,9}\n)/,
  ],
  ["a batch file", /^[ \t\r\n]{0,40}@echo\s{1,9}off/i],
];

/** Endings by which systems decide to run a file, whatever it holds. */
const codeEnding =
  /\.(?:py[cowx]?|ipynb|m?js|cjs|jsx|ts|tsx|sh|bash|bat|cmd|ps1|exe|dll|so(?:\.[0-9.]+)?|dylib|node|jar|class|wasm|html?|xhtml|svg|php|rb|pl|lua|vbs|jse|wsf|hta|scr|msi|desktop|pkl|pickle|joblib|dill|pt|pth|ckpt)$/i;

export function scriptProblem(path: string, text: string | undefined): string | undefined {
  const what = text === undefined ? undefined : scripts.find(([, pattern]) => pattern.test(text))?.[0];
  if (what !== undefined) return `is ${what}`;
  return endingProblem(path);
}

export function endingProblem(path: string): string | undefined {
  const ending = codeEnding.exec(path)?.[0];
  return ending === undefined ? undefined : `has the ending ${ending}, by which it would be run or unpickled`;
}
