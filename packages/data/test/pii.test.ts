import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import {
  batchOf,
  column,
  datasetOf,
  mergePiiReports,
  piiKinds,
  scanForPii,
  sliceBatch,
  type PiiKind,
  type PiiReport,
} from "../src/index.ts";
import { corpus, positives, type Sample } from "./pii-corpus.ts";

/** Scans every sample as a table of its own, so that what was found can be held against what is there. */
async function foundIn(samples: readonly Sample[]): Promise<readonly ReadonlySet<PiiKind>[]> {
  const columns = Object.fromEntries(samples.map(({ text }, index) => [`c${index}`, [text]]));
  const report = await scanForPii(datasetOf([batchOf(columns)]));
  return report.columns.map(({ rows }) => new Set(Object.keys(rows) as PiiKind[]));
}

test("DQ-16: on a seeded corpus each kind is found and told from what looks like it, and no value is in the output", async () => {
  const samples = corpus(2024, 150);
  const found = await foundIn(samples);
  const table = piiKinds.map((kind) => {
    const hits = samples.filter((sample, index) => sample.kind === kind && found[index]!.has(kind)).length;
    const real = samples.filter((sample) => sample.kind === kind).length;
    const claimed = found.filter((kinds) => kinds.has(kind)).length;
    return { kind, samples: real, recall: hits / real, precision: hits / claimed };
  });
  console.table(table);
  for (const { kind, samples: real, recall, precision } of table) {
    expect(real, kind).toBe(150);
    expect(recall, kind).toBeGreaterThanOrEqual(0.98);
    expect(precision, kind).toBeGreaterThanOrEqual(0.95);
  }
  await expectNoValueIn(samples);
});

async function expectNoValueIn(samples: readonly Sample[]): Promise<void> {
  const batch = batchOf({ note: samples.map(({ text }) => text), plain: samples.map(({ secret }) => secret) });
  const written = JSON.stringify(await scanForPii(datasetOf([batch])));
  expect(JSON.parse(written)).toMatchObject({ rows: samples.length });
  for (const { secret, kind } of samples) {
    if (kind === undefined) continue;
    for (const form of [secret, secret.toLowerCase(), secret.replace(/[ .@-]/g, "")])
      expect(written.includes(form)).toBe(false);
    // Nor a telling part of one: the digits, the name before the @.
    for (const part of secret.match(/[A-Za-z]{5,}|\d{5,}/g) ?? []) expect(written.includes(part)).toBe(false);
  }
}

test("numbers that authorities publish as examples are found", async () => {
  const published: Readonly<Record<string, PiiKind>> = {
    "4111 1111 1111 1111": "card",
    "378282246310005": "card",
    "5555-5555-5555-4444": "card",
    "GB29 NWBK 6016 1331 9268 19": "iban",
    DE89370400440532013000: "iban",
    "FR14 2004 1010 0505 0001 3M02 606": "iban",
    "NO93 8601 1117 947": "iban",
    "MT84 MALT 0110 0001 2345 MTLC AST0 01S": "iban",
    "AB 12 34 56 C": "ukNino",
    "12345678Z": "esDni",
    X1234567L: "esDni",
    "2 55 08 14 168 025 38": "frNir",
    RSSMRA85T10A562S: "itCodiceFiscale",
    "44051401359": "plPesel",
    "130 692 544": "caSin",
    "219-09-9998": "usSsn",
    "::1": "ipv6",
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334": "ipv6",
    "192.0.2.1": "ipv4",
    "+1 (202) 555-0143": "phone",
  };
  const samples = Object.keys(published).map((text) => ({ text, secret: text, kind: published[text] }));
  const found = await foundIn(samples);
  for (const [index, { text, kind }] of samples.entries()) expect([...found[index]!], text).toEqual([kind]);
});

test("columns get a class, with counts by kind; integers and dictionaries and lists are looked into", async () => {
  const random = createRandom(7);
  const rows = Array.from({ length: 200 }, (_, row) => row);
  const batch = batchOf({
    mail: column(
      "dictionary",
      rows.map((row) => (row % 10 === 0 ? null : positives.email(random))),
    ),
    card: column(
      "int64",
      rows.map(() => 4_111_111_111_111_111n),
    ),
    pesel: column(
      "float64",
      rows.map(() => 44_051_401_359),
    ),
    note: rows.map((row) =>
      row % 20 === 0 ? `mail ${positives.email(random)} and ${positives.email(random)} or 192.0.2.7` : "late",
    ),
    tags: column(
      "list",
      rows.map((row) => (row === 3 ? ["a", positives.phone(random)] : ["a", null])),
      { items: "utf8" },
    ),
    distance: column(
      "float64",
      rows.map((row) => row * 10.5),
    ),
    late: column(
      "bool",
      rows.map(() => true),
    ),
    seen: column(
      "timestamp",
      rows.map((row) => BigInt(row)),
    ),
  });
  const report = await scanForPii(datasetOf([sliceBatch(batch, 0, 77), sliceBatch(batch, 77)]));
  expect(report.columns).toEqual([
    { name: "mail", count: 180, rows: { email: 180 }, class: "email" },
    { name: "card", count: 200, rows: { card: 200 }, class: "card" },
    { name: "pesel", count: 200, rows: { plPesel: 200 }, class: "plPesel" },
    { name: "note", count: 200, rows: { email: 10, ipv4: 10 }, class: "mixed" },
    { name: "tags", count: 200, rows: { phone: 1 }, class: "mixed" },
    { name: "distance", count: 200, rows: {}, class: "none" },
  ]);
  expect(report).toMatchObject({ formatVersion: 1, rows: 200, skipped: ["late", "seen"] });
  const [note] = (await scanForPii(datasetOf([batch]), { columns: ["note"], kinds: ["ipv4"], minShare: 0.05 })).columns;
  expect(note).toEqual({ name: "note", count: 200, rows: { ipv4: 10 }, class: "ipv4" });
});

test("reports of parts merge to that of the whole", async () => {
  const samples = corpus(5, 20);
  const batch = batchOf({ text: samples.map(({ text }) => text), secret: samples.map(({ secret }) => secret) });
  const of = (from: number, to: number): Promise<PiiReport> => scanForPii(datasetOf([sliceBatch(batch, from, to)]));
  const parts = await Promise.all([of(0, 100), of(100, 101), of(101, batch.length)]);
  const whole = await of(0, batch.length);
  expect(mergePiiReports(parts[0]!, ...parts.slice(1))).toEqual(whole);
  expect(mergePiiReports(parts[0]!, mergePiiReports(parts[1]!, parts[2]!))).toEqual(whole);
  const other = await scanForPii(datasetOf([batch]), { columns: ["text"] });
  expect(() => mergePiiReports(whole, other)).toThrow("text");
});

test("long texts take time in proportion to their length", async () => {
  for (const piece of ["a.b-c+d%", "1234 5678 ", "+1 2 3 4 ", "1:2:3:", "DE89 3704 ", "@a.a.a.a"]) {
    const dataset = datasetOf([batchOf({ text: [piece.repeat(20_000)] })]);
    const started = process.cpuUsage();
    await scanForPii(dataset);
    const { user, system } = process.cpuUsage(started);
    // Ten times the processor time it takes on a slow machine; patterns that backtrack over the whole would need hours.
    expect((user + system) / 1000, piece).toBeLessThan(10_000);
  }
});

test("unknown columns, kinds and shares are refused", async () => {
  const dataset = datasetOf([batchOf({ text: ["a"] })]);
  await expect(scanForPii(dataset, { columns: ["gone"] })).rejects.toMatchObject({ code: "DATA_COLUMN_MISSING" });
  await expect(scanForPii(dataset, { minShare: 0 })).rejects.toThrow("minShare must be in (0, 1], not 0.");
  await expect(scanForPii(dataset, { kinds: ["shoeSize" as PiiKind] })).rejects.toThrow('"shoeSize"');
  const reason = new Error("enough");
  await expect(scanForPii(dataset, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
