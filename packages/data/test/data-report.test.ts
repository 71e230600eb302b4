import type { JsonObject } from "@millwright/contracts";
import { expect, expectTypeOf, test } from "vitest";
import {
  batchOf,
  dataReport,
  diffDataReports,
  mergeProfiles,
  profileOf,
  sliceBatch,
  toArray,
  type DataReport,
} from "../src/index.ts";
import { sample } from "./data-report-sample.ts";

const profile = profileOf(sample());

test("DQ-17: the page is whole in itself: no address of anything outside, no script, and all text of the data is escaped", () => {
  const { html } = dataReport(profile, { title: 'Flights <2013> & "more"' });
  // Addresses stand where a browser would ask for them; in a text they are text.
  expect(html).not.toMatch(/\b(?:src|srcset|action|poster|data|xlink:href)\s*=|@import|url\(/i);
  const links = [...html.matchAll(/href="([^"]*)"/g)].map((match) => match[1]!);
  expect(links.length).toBe(12);
  expect(links.every((link) => /^#column-\d+$/.test(link))).toBe(true);
  expect(html).toContain("default-src 'none'");
  expect(html).not.toMatch(/<script|<link|<img|<iframe|\son\w+=/i);
  expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(html).toContain("<title>Flights &lt;2013&gt; &amp; &quot;more&quot;</title>");
  expect(html).toContain("naïve 🛫\uFFFD");
  // Every element that is opened is closed.
  for (const tag of ["section", "table", "tr", "td", "svg", "g", "header", "div", "p"]) {
    const [opened, closed] = [new RegExp(`<${tag}[ >]`, "g"), new RegExp(`</${tag}>`, "g")].map(
      (each) => html.match(each)?.length,
    );
    expect(opened, tag).toBe(closed);
  }
});

test("DQ-17: what the JSON says is what is in the table", () => {
  const table = sample();
  const { json } = dataReport(profile);
  expectTypeOf<DataReport>().toExtend<JsonObject>();
  expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  const of = (name: string) => json.columns.find((column) => column.name === name)!;
  expect(json.columns.map(({ name }) => name)).toEqual(Object.keys(table.columns));
  expect(of("distance")).toMatchObject({ count: 4444, missing: 556, missingShare: 0.1112, texts: null });
  const delays = (toArray(table.columns["delay"]!) as number[]).toSorted((a, b) => a - b);
  const { histogram, below, above, min, max } = of("delay").numbers!;
  expect([min, max]).toEqual([delays[0], 90_000]);
  expect(histogram.reduce((sum, { count }) => sum + count, below + above)).toBeCloseTo(5000, 6);
  // The tail is told, not drawn: it would leave one bar for all others.
  expect(above).toBeCloseTo(delays.filter((delay) => delay > histogram.at(-1)!.high).length, 6);
  expect(histogram.at(-1)!.high).toBeLessThan(1000);
  for (const { low, high, count } of histogram) {
    // Buckets of the sketch are a thousandth of a value wide here, so only values at an edge may be counted on its other side.
    const slack = delays.filter((delay) => Math.min(Math.abs(delay - low), Math.abs(delay - high)) < 0.5).length;
    const exact = delays.filter((delay) => delay >= low && delay < high).length;
    expect(Math.abs(count - exact)).toBeLessThanOrEqual(slack + 1e-6);
  }
  expect(of("carrier").texts!.top.reduce((sum, [, count]) => sum + count, 0)).toBe(5000);
  expect(of("constant").numbers).toMatchObject({ min: 1.5, max: 1.5, histogram: [] });
  expect(of("ratio").nonFinite).toBe(100);
  expect(of("nothing")).toMatchObject({ count: 0, numbers: null, texts: null });
});

test("DQ-17: two runs on the same rows diff cleanly, however the rows were cut", () => {
  const table = sample();
  const parts = [sliceBatch(table, 0, 1234), sliceBatch(table, 1234, 4000), sliceBatch(table, 4000)].map((part) =>
    profileOf(part),
  );
  const [first, second] = [dataReport(profile), dataReport(mergeProfiles(parts[0]!, ...parts.slice(1)))];
  expect(JSON.stringify(second.json, null, 2)).toBe(JSON.stringify(first.json, null, 2));
  expect(second.html).toBe(first.html);
  expect(diffDataReports(first.json, second.json)).toEqual({ addedColumns: [], removedColumns: [], changes: [] });
  expect(dataReport(profile, { before: first.json }).html).toContain("Nothing has changed");
});

test("DQ-17: a diff names what changed, and nothing else", () => {
  const before = dataReport(profile).json;
  const table = sample();
  const { tail: _tail, late, ...rest } = table.columns;
  const flipped = toArray(late!).map((value, row) => (row === 17 ? value !== true : (value as boolean)));
  const changed = batchOf({ ...rest, late: flipped, fresh: Int32Array.from({ length: 5000 }, (_, row) => row) });
  const { json, html } = dataReport(profileOf(changed), { before });
  const diff = diffDataReports(before, json);
  expect(diff).toMatchObject({ addedColumns: ["fresh"], removedColumns: ["tail"] });
  const lateBefore = (value: string): number =>
    before.columns.find(({ name }) => name === "late")!.texts!.top.find(([text]) => text === value)![1];
  const step = flipped[17] === true ? 1 : -1;
  expect(diff.changes.toSorted((a, b) => (a.field < b.field ? -1 : 1))).toEqual([
    { column: "late", field: "texts.top.false", before: lateBefore("false"), after: lateBefore("false") - step },
    { column: "late", field: "texts.top.true", before: lateBefore("true"), after: lateBefore("true") + step },
  ]);
  expect(html).toContain("Changes since the earlier report");
  expect(html).toContain("texts.top.true");
  const shorter = dataReport(profileOf(sliceBatch(table, 0, 100))).json;
  expect(diffDataReports(before, shorter).changes[0]).toEqual({ field: "rows", before: 5000, after: 100 });
});

test("a table without rows or columns has a page too", () => {
  for (const empty of [batchOf({}), sliceBatch(sample(), 0, 0)]) {
    const { json, html } = dataReport(profileOf(empty));
    expect(json.rows).toBe(0);
    expect(html).toContain("0 rows");
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  }
  expect(dataReport(profile).html).not.toMatch(/NaN(?! or infinite)|undefined|Infinity/);
});
