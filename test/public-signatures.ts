import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type PublishedPackage, publishedPackages } from "./published-packages.ts";

/** One function, or method of an interface or class, that a package exports and that answers later. */
export interface AsyncSignature {
  /** `storage: openSqlite` or `storage: Database.write`. */
  readonly name: string;
  /** Whether a `signal` can be given to it. */
  readonly takesSignal: boolean;
}

const declared =
  /^export (?:declare )?(?:abstract )?(?:interface|class|function|const|type) (\w+)[\s\S]*?(?=^export |^(?:declare|interface|type|class|function|const) |$(?![\s\S]))/gm;
const withoutComments = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
const identifiers = (text: string): readonly string[] => text.match(/\b[A-Z]\w*/g) ?? [];

/** The declarations of every package's compiled files by their names; of two alike in one package the last one. */
function declarationsOf({ path, manifest }: PublishedPackage): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file) || !existsSync(file)) return;
    seen.add(file);
    const text = withoutComments(readFileSync(file, "utf8"));
    for (const match of text.matchAll(declared)) found.set(match[1] as string, match[0]);
    for (const [, from] of text.matchAll(/from "(\.[^"]+)"/g))
      visit(join(file, "..", (from as string).replace(/\.[jt]s$/, ".d.ts")));
  };
  for (const door of doorsOf(manifest)) visit(join(path, door));
  return found;
}

const doorsOf = (manifest: PublishedPackage["manifest"]): readonly string[] =>
  Object.entries((manifest as { exports: Record<string, { types?: string } | string> }).exports)
    .filter(([door]) => !door.endsWith("/testing"))
    .flatMap(([, target]) => (typeof target === "string" ? [] : [target.types ?? ""]))
    .filter((target) => target.endsWith(".d.ts"));

/** The names that a package's doors export. */
function exportedNames({ path, manifest }: PublishedPackage): ReadonlySet<string> {
  const names = new Set<string>();
  for (const door of doorsOf(manifest)) {
    const text = withoutComments(readFileSync(join(path, door), "utf8"));
    for (const match of text.matchAll(declared)) names.add(match[1] as string);
    for (const [, list] of text.matchAll(/export (?:type )?\{([^}]*)\}/g)) {
      for (const item of (list as string).split(",")) {
        const name = /(\w+)\s*$/.exec(item)?.[1];
        if (name !== undefined) names.add(name);
      }
    }
  }
  return names;
}

/** The place of the bracket that opens what is closed at `end`. */
function opening(text: string, end: number): number {
  let depth = 0;
  for (let at = end; at >= 0; at -= 1) {
    if (text[at] === ")") depth += 1;
    if (text[at] === "(") depth -= 1;
    if (depth === 0) return at;
  }
  return -1;
}

/** Parameters of each function or method in a declaration that gives a promise or something to walk: `[name, parameters]`. */
function asyncMembers(text: string): readonly (readonly [name: string, parameters: string])[] {
  const answers = /\)(?:: | => )(?:[^;(){}=]*\| )?(?:Promise|AsyncIterable|AsyncGenerator)</g;
  return [...text.matchAll(answers)].flatMap(({ index }) => {
    const start = opening(text, index);
    const name = /(\w+)\??(?:<[^(){};]*>)?$|const (\w+): (?:<[^()]*>)?$/.exec(text.slice(0, start));
    return name === null ? [] : [[(name[1] ?? name[2]) as string, text.slice(start + 1, index)] as const];
  });
}

export function asyncSignatures(): readonly AsyncSignature[] {
  const declarations = new Map(publishedPackages.map((published) => [published.name, declarationsOf(published)]));
  const everywhere = new Map([...declarations.values()].flatMap((each) => [...each]));
  const carries = (type: string, own: ReadonlyMap<string, string>, seen: readonly string[] = []): boolean => {
    const text = own.get(type) ?? everywhere.get(type);
    if (text === undefined || seen.includes(type)) return false;
    if (/\bsignal\??:/.test(text)) return true;
    const head = text.includes("interface") ? text.slice(0, text.indexOf("{")) : text;
    return identifiers(head).some((other) => carries(other, own, [...seen, type]));
  };
  return publishedPackages.flatMap((published) => {
    const own = declarations.get(published.name) ?? new Map<string, string>();
    return [...exportedNames(published)].toSorted().flatMap((exported) =>
      asyncMembers(own.get(exported) ?? "").map(([member, parameters]) => ({
        name: `${published.name}: ${member === exported ? member : `${exported}.${member}`}`,
        takesSignal:
          /\bsignal\b|AbortSignal/.test(parameters) || identifiers(parameters).some((type) => carries(type, own)),
      })),
    );
  });
}
