import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { executiveDashboard, htmlDashboard, onCallDashboard, readDashboard } from "../src/dashboards.ts";
import { panelsOf } from "../src/dashboards/dashboard.ts";
import { dashboardSetting, endMs, startMs, stepMs } from "./dashboard-setting.ts";

/** The program, from MILLWRIGHT_CHROMIUM or the PATH; undefined where there is none. */
const chromium = [process.env["MILLWRIGHT_CHROMIUM"] ?? "", "chromium", "chromium-browser", "google-chrome"].find(
  (program) => program !== "" && spawnSync(program, ["--version"], { timeout: 600_000 }).status === 0,
);

test(
  "DB-4: a browser without a network draws the page with its plots, and has nothing to complain about",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (chromium === undefined && process.env["CI"] !== "true")
      skip("there is no Chromium: install one, and name it in MILLWRIGHT_CHROMIUM where it is not on the PATH");
    const { history } = await dashboardSetting();
    const range = { fromMs: startMs + 40 * stepMs, toMs: endMs, stepMs: 15_000 };
    const folder = mkdtempSync(join(tmpdir(), "millwright-dashboards-"));
    const flags = [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--host-resolver-rules=MAP * ~NOTFOUND",
      "--enable-logging=stderr",
      `--user-data-dir=${join(folder, "profile")}`,
    ];
    const open = (...given: string[]): { readonly stdout: string; readonly stderr: string } =>
      spawnSync(chromium ?? "chromium", [...flags, ...given], { encoding: "utf8", timeout: 300_000 });
    try {
      for (const dashboard of [executiveDashboard(), onCallDashboard()]) {
        const page = join(folder, `${dashboard.uid}.html`);
        const data = readDashboard(dashboard, history, range, {
          annotations: [{ timeMs: endMs - 450_000, text: "late completed" }],
        });
        writeFileSync(page, htmlDashboard(dashboard, data));
        const url = pathToFileURL(page).href;
        const picture = join(folder, `${dashboard.uid}.png`);
        const { stderr } = open("--window-size=1200,1600", `--screenshot=${picture}`, url);
        // What a page says or is refused is logged as CONSOLE.
        expect(stderr).not.toContain("CONSOLE");
        expect(readFileSync(picture).length, "bytes of the picture; an empty page has about 10,000").toBeGreaterThan(
          40_000,
        );
        const tree = open("--dump-dom", url).stdout;
        expect(tree.match(/<section data-panel=/g)?.length).toBe(panelsOf(dashboard).length);
        const lines = data.panels.reduce((sum, { title, lines: each }) => {
          const isPlot = panelsOf(dashboard).some((panel) => panel.title === title && panel.kind === "lines");
          return sum + (isPlot ? each.length : 0);
        }, 0);
        expect(tree.match(/<path d="M/g)?.length).toBe(lines);
        expect(tree.match(/class="annotation"/g)?.length).toBeGreaterThan(1);
      }
      // The log would have shown a complaint.
      const bad = join(folder, "bad.html");
      writeFileSync(bad, '<!doctype html><script>console.error("complaint")</script>');
      expect(open("--dump-dom", pathToFileURL(bad).href).stderr).toContain("complaint");
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    }
  },
);
