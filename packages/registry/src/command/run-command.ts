import { readFile, writeFile } from "node:fs/promises";
import type { JsonValue } from "@millwright/contracts";
import type { Registry } from "../registry.ts";
import { type CommandLine, UsageError, needed, versionNumber } from "./command-options.ts";
import { type OpenedRegistry, openNamed } from "./opened-registry.ts";
import { type Answer, diff, list, show } from "./read-commands.ts";
import { verify } from "./verify-command.ts";

/** The version that a reference means, as name and number. */
async function versionOf(registry: Registry, ref: string, signal: AbortSignal) {
  const { name, version } = await registry.version(ref, { signal });
  return { name, version, subject: `${name}/${version}` };
}

async function approve(registry: Registry, { words, values }: CommandLine, signal: AbortSignal): Promise<Answer> {
  const by = needed(values, "by");
  const { name, version, subject } = await versionOf(registry, words[0] ?? "", signal);
  const status = values.reject === true ? "rejected" : "approved";
  const decision = { status, by, comment: values.comment, breakGlass: values["break-glass"] } as const;
  const json = await registry.approve(name, version, decision, { signal });
  return { json, text: `${subject} is ${status}.` };
}

async function promote(registry: Registry, { words, values }: CommandLine, signal: AbortSignal): Promise<Answer> {
  const by = needed(values, "by");
  const ifVersion = versionNumber("if-version", values["if-version"]);
  const [ref = "", alias = ""] = words;
  const { name, version, subject } = await versionOf(registry, ref, signal);
  const breakGlass = values["break-glass"];
  await registry.setAlias(name, alias, version, { by, ifVersion, breakGlass, signal });
  return { json: { name, alias, version, by }, text: `${name}@${alias} is ${subject}.` };
}

async function rollback(registry: Registry, { words, values }: CommandLine, signal: AbortSignal): Promise<Answer> {
  const [by, reason] = [needed(values, "by"), needed(values, "reason")];
  const to = versionNumber("to", values.to);
  const json = await registry.rollback(words[0] ?? "", { by, reason, alias: values.alias, to, signal });
  return {
    json,
    text: `${json.name}@${json.alias} is ${json.name}/${json.to} again, and was ${json.name}/${json.from}.`,
  };
}

async function exportPack(registry: Registry, { words, values }: CommandLine, signal: AbortSignal): Promise<Answer> {
  const monitoring = values.monitoring === undefined ? undefined : await readRecords(values.monitoring);
  const { name, bytes, digest, completeness } = await registry.exportAuditPack(words[0] ?? "", { monitoring, signal });
  const file = values.out ?? name;
  await writeFile(file, bytes);
  const gaps = completeness.checks.filter(({ present }) => !present);
  return {
    json: { file, digest, sizeBytes: bytes.length, completeness },
    text: [
      `${file}: ${digest}, ${Math.round(completeness.score * 100)} % complete`,
      ...gaps.map((gap) => `  ${gap.name}: ${gap.detail}`),
    ].join("\n"),
  };
}

/** A JSON object of records by name. */
async function readRecords(path: string): Promise<Readonly<Record<string, JsonValue>>> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new UsageError(`The records "${path}" cannot be read: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new UsageError(`The records "${path}" are no JSON object.`);
  return value as Readonly<Record<string, JsonValue>>;
}

function answer(opened: OpenedRegistry, line: CommandLine, signal: AbortSignal): Promise<Answer> {
  const { registry } = opened;
  const [first = "", second = ""] = line.words;
  switch (line.name) {
    case "show":
      return show(registry, first, signal);
    case "diff":
      return diff(registry, [first, second], signal);
    case "approve":
      return approve(registry, line, signal);
    case "promote":
      return promote(registry, line, signal);
    case "rollback":
      return rollback(registry, line, signal);
    case "verify":
      return verify(opened, line.words[0], {
        keys: line.values.key ?? [],
        requireActor: line.values["require-actor"] === true,
        signal,
      });
    case "export":
      return exportPack(registry, line, signal);
    default:
      return list(registry, line.words[0], signal);
  }
}

/** Does what the line says. @returns the exit code. */
export async function runCommand(line: CommandLine, signal: AbortSignal): Promise<number> {
  await using opened = await openNamed(line.values, signal);
  const { json, text, isGood = true } = await answer(opened, line, signal);
  process.stdout.write(`${line.values.json === true ? JSON.stringify(json, undefined, 2) : text}\n`);
  return isGood ? 0 : 1;
}
