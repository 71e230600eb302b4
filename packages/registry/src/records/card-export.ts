import { isTree } from "./card-content.ts";
import type { ModelCard } from "./model-cards.ts";

export type CardFormat = "markdown" | "html" | "json";

/** A part of a card as it is shown: a heading, what it says in pairs, and lists of records as tables. */
interface Block {
  readonly level: number;
  readonly title: string;
  readonly pairs: readonly (readonly [name: string, value: string])[];
  readonly tables: readonly Table[];
}

interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * A card to be read: `markdown`; `html`, a page in one file that loads nothing and prints well, with all that people wrote escaped; or `json`, the content alone, which
 * SageMaker's schema takes.
 */
export function formatCard(card: ModelCard, format: CardFormat): string {
  if (format === "json") return `${JSON.stringify(card.content, undefined, 2)}\n`;
  if (format !== "markdown" && format !== "html")
    throw new RangeError(`The format must be markdown, html or json, not ${JSON.stringify(format)}.`);
  const blocks = [...blocksOf(card)];
  const title = `Model card: ${card.name}, version ${card.version}`;
  const missing = card.missing.length === 0 ? "nothing" : card.missing.join(", ");
  const facts: Block["pairs"] = [
    ["Status", card.status],
    ["Revision", String(card.revision)],
    ...(card.by === undefined ? [] : [["Edited by", card.by] as const]),
    ["Missing", missing],
  ];
  return format === "markdown" ? toMarkdown(title, facts, blocks) : toHtml(title, facts, blocks);
}

function* blocksOf({ content }: ModelCard): Generator<Block> {
  for (const [section, value] of Object.entries(content)) {
    const records = Array.isArray(value) ? value : [value];
    for (const record of records) if (isTree(record)) yield* blockOf(section, record, 2);
  }
}

function* blockOf(name: string, record: Readonly<Record<string, unknown>>, level: number): Generator<Block> {
  const pairs: (readonly [string, string])[] = [];
  const tables: Table[] = [];
  const inner: (readonly [string, Readonly<Record<string, unknown>>])[] = [];
  for (const [field, value] of Object.entries(record)) {
    if (isTree(value)) inner.push([field, value]);
    else if (!Array.isArray(value)) pairs.push([labelOf(field), show(value)]);
    else if (value.every(isTree)) {
      if (field === "metric_groups") for (const group of value) inner.push(groupOf(group));
      else tables.push(tableOf(field, value));
    } else pairs.push([labelOf(field), value.map(show).join("; ")]);
  }
  yield { level, title: labelOf(name), pairs, tables };
  for (const [field, value] of inner) yield* blockOf(field, value, Math.min(level + 1, 6));
}

const groupOf = (group: Readonly<Record<string, unknown>>): readonly [string, Readonly<Record<string, unknown>>] => [
  show(group["name"]),
  { metrics: group["metric_data"] },
];

function tableOf(field: string, records: readonly Readonly<Record<string, unknown>>[]): Table {
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return {
    title: labelOf(field),
    columns: columns.map(labelOf),
    rows: records.map((record) => columns.map((column) => show(record[column]))),
  };
}

const show = (value: unknown): string =>
  value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);

const labelOf = (name: string): string => {
  const words = name.replaceAll("_", " ");
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
};

function toMarkdown(title: string, facts: Block["pairs"], blocks: readonly Block[]): string {
  const lines = [`# ${inMarkdown(title)}`, "", ...markdownTable(["", ""], facts)];
  for (const { level, title: heading, pairs, tables } of blocks) {
    lines.push("", `${"#".repeat(level)} ${inMarkdown(heading)}`);
    if (pairs.length > 0) lines.push("", ...markdownTable(["", ""], pairs));
    for (const table of tables)
      lines.push("", `**${inMarkdown(table.title)}**`, "", ...markdownTable(table.columns, table.rows));
  }
  return `${lines.join("\n")}\n`;
}

const markdownTable = (columns: readonly string[], rows: readonly (readonly string[])[]): string[] => [
  `| ${columns.map(inMarkdown).join(" | ")} |`,
  `|${columns.map(() => "---").join("|")}|`,
  ...rows.map((row) => `| ${row.map(inMarkdown).join(" | ")} |`),
];

/** As one line of text that is no markup, neither Markdown's nor HTML's. */
const inMarkdown = (value: string): string =>
  value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll(/[\\`*_{}[\]|#!~]/g, "\\$&")
    .replaceAll(/\r\n|\r|\n/g, "<br>");

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}th,td{border:1px solid #bbb;padding:.3rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#f2f2f2}td{white-space:pre-wrap}caption{text-align:left;font-weight:600}
@media print{body{margin:0;max-width:none}table,h2{break-inside:avoid}}`;

function toHtml(title: string, facts: Block["pairs"], blocks: readonly Block[]): string {
  const body = blocks.map(
    ({ level, title: heading, pairs, tables }) =>
      `<h${level}>${inHtml(heading)}</h${level}>\n${pairs.length === 0 ? "" : pairTable(pairs)}${tables.map(recordTable).join("")}`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${inHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${inHtml(title)}</h1>
${pairTable(facts)}${body.join("")}</body>
</html>
`;
}

const pairTable = (pairs: Block["pairs"]): string =>
  `<table>\n${pairs.map(([name, value]) => `<tr><th scope="row">${inHtml(name)}</th><td>${inHtml(value)}</td></tr>\n`).join("")}</table>\n`;

function recordTable({ title, columns, rows }: Table): string {
  const head = columns.map((column) => `<th scope="col">${inHtml(column)}</th>`).join("");
  const lines = rows.map((row) => `<tr>${row.map((cell) => `<td>${inHtml(cell)}</td>`).join("")}</tr>\n`);
  return `<table>\n<caption>${inHtml(title)}</caption>\n<tr>${head}</tr>\n${lines.join("")}</table>\n`;
}

const inHtml = (value: string): string =>
  value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
