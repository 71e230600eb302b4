import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { dataReport, profileOf } from "../src/index.ts";
import { sample } from "./data-report-sample.ts";

/** The program, from MILLWRIGHT_CHROMIUM or the PATH; undefined where there is none. */
const chromium = [process.env["MILLWRIGHT_CHROMIUM"] ?? "", "chromium", "chromium-browser", "google-chrome"].find(
  (program) => program !== "" && spawnSync(program, ["--version"], { timeout: 600_000 }).status === 0,
);

test("DQ-17: a browser without a network draws the page, all columns of it", { timeout: 600_000 }, ({ skip }) => {
  if (chromium === undefined && process.env["CI"] !== "true")
    skip("there is no Chromium: install one, and name it in MILLWRIGHT_CHROMIUM where it is not on the PATH");
  const folder = mkdtempSync(join(tmpdir(), "millwright-data-report-"));
  try {
    const before = dataReport(profileOf(sample(5000, 7, 0.1))).json;
    const page = join(folder, "report.html");
    writeFileSync(page, dataReport(profileOf(sample()), { title: "Flights", before }).html);
    const flags = [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--host-resolver-rules=MAP * ~NOTFOUND",
      `--user-data-dir=${join(folder, "profile")}`,
    ];
    const picture = join(folder, "report.png");
    const url = pathToFileURL(page).href;
    execFileSync(chromium ?? "chromium", [...flags, "--window-size=1000,3200", `--screenshot=${picture}`, url], {
      stdio: "ignore",
    });
    const png = readFileSync(picture);
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([1000, 3200]);
    expect(png.length, "bytes of the picture: an empty page of this size has about 10,000").toBeGreaterThan(60_000);
    // What the browser understood: its own tree has an element for each that we wrote, and made no other of hostile texts.
    const tree = execFileSync(chromium ?? "chromium", [...flags, "--dump-dom", url], {
      stdio: ["ignore", "pipe", "ignore"],
    }).toString();
    expect(tree.match(/<section id="column-/g)?.length).toBe(12);
    // A strip for each column, five histograms, four of texts; none for one value, for none, and for bytes.
    expect(tree.match(/<svg /g)?.length).toBe(21);
    expect(tree).not.toMatch(/<script/);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
});
