import { parseArgs } from "node:util";

/** The command line is not understood; its message tells why. */
export class UsageError extends Error {}

export const usage = `millwright-registry: models and their versions in a registry's SQLite file

  millwright-registry list [MODEL]                    versions, with approval, aliases and stage
  millwright-registry show REF                        all about a version: late/3 or late@champion
  millwright-registry diff REF REF                    params, metrics, signature, files and provenance of two versions
  millwright-registry approve REF --by NAME [--comment TEXT] [--reject]
  millwright-registry promote REF ALIAS --by NAME [--if-version N] [--break-glass REASON]
  millwright-registry rollback MODEL --by NAME --reason TEXT [--alias champion] [--to VERSION]
  millwright-registry verify [REF] [--key PEM] [--require-actor]
                                                      event chain, packages and signatures; names the first bad record
  millwright-registry export REF [--out FILE] [--monitoring FILE]
                                                      the audit pack of a version

  --database FILE     the registry's SQLite file (default: mill.db); brought to this release's layout where it is older
  --artifacts FOLDER  the store of its bytes (default: artifacts, beside the database)
  --gates MODULE      whose default export is the policy of gates that approve and promote go through; a gate that the registry is known to have, and that
                      is not loaded, is closed: --break-glass passes it with a reason
  --key PEM           a file with an Ed25519 public key; every version must be signed by one of those given
  --require-actor     an operation that names nobody is wrong, and not only told of
  --json              for programs

  Exits with 0 where all went well, 1 where something is wrong or refused, 2 where the command line is not understood.`;

const options = {
  alias: { type: "string" },
  artifacts: { type: "string" },
  "break-glass": { type: "string" },
  by: { type: "string" },
  comment: { type: "string" },
  database: { type: "string" },
  gates: { type: "string" },
  help: { type: "boolean", short: "h" },
  "if-version": { type: "string" },
  json: { type: "boolean" },
  key: { type: "string", multiple: true },
  monitoring: { type: "string" },
  out: { type: "string" },
  reason: { type: "string" },
  reject: { type: "boolean" },
  "require-actor": { type: "boolean" },
  to: { type: "string" },
} as const;

export type CommandName = "list" | "show" | "diff" | "approve" | "promote" | "rollback" | "verify" | "export";

/** How many words follow a command, and which options it takes beside those of all. */
const commands: Readonly<Record<CommandName, readonly [least: number, most: number, options: readonly string[]]>> = {
  list: [0, 1, []],
  show: [1, 1, []],
  diff: [2, 2, []],
  approve: [1, 1, ["by", "comment", "reject", "gates", "break-glass"]],
  promote: [2, 2, ["by", "if-version", "gates", "break-glass"]],
  rollback: [1, 1, ["by", "reason", "alias", "to"]],
  verify: [0, 1, ["key", "require-actor"]],
  export: [1, 1, ["out", "monitoring"]],
};

const common: readonly string[] = ["artifacts", "database", "json", "help"];

type Flag = "help" | "json" | "reject" | "require-actor";

/** Options as they were given. */
export type CommandValues = Readonly<
  Partial<Record<Exclude<keyof typeof options, Flag | "key">, string>> &
    Partial<Record<Flag, boolean>> &
    Partial<Record<"key", string[]>>
>;

export interface CommandLine {
  readonly name: CommandName | undefined;
  readonly words: readonly string[];
  readonly values: CommandValues;
}

function parse(args: readonly string[]): { readonly values: CommandValues; readonly positionals: readonly string[] } {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Throws `UsageError`. @returns no name where help is asked for. */
export function parseCommand(args: readonly string[]): CommandLine {
  const { values, positionals } = parse(args);
  const [name = "", ...words] = positionals;
  if (values.help === true) return { name: undefined, words, values };
  if (!Object.hasOwn(commands, name)) throw new UsageError(name === "" ? "" : `There is no command "${name}".`);
  const [least, most, taken] = commands[name as CommandName];
  if (words.length < least || words.length > most)
    throw new UsageError(
      `"${name}" takes ${least === most ? least : `${least} to ${most}`} words, not ${words.length}.`,
    );
  for (const option of Object.keys(values))
    if (!common.includes(option) && !taken.includes(option))
      throw new UsageError(`"${name}" has no option --${option}.`);
  return { name: name as CommandName, words, values };
}

/** Throws `UsageError` where it is not given. */
export function needed(values: CommandValues, option: "by" | "reason"): string {
  const value = values[option];
  if (value === undefined || value === "") throw new UsageError(`--${option} is missing.`);
  return value;
}

/** Throws `UsageError` for what is no version's number. */
export function versionNumber(option: "if-version" | "to", text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${option} must be the number of a version, not "${text}".`);
  return Number(text);
}
