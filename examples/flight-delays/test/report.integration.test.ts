import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { writeReport } from "../src/report.ts";
import { chromiumProgram, openChromium } from "./chromium.ts";
import { sample } from "./report-sample.ts";

/** What a reader would see, measured in the page. */
const look = `JSON.stringify({
  title: document.title,
  images: document.images.length,
  scripts: document.scripts.length,
  charts: [...document.querySelectorAll("svg")].map((svg) => {
    const { width, height } = svg.getBoundingClientRect();
    return { seen: width > 100 && height > 80, marks: svg.querySelectorAll("path, text").length > 5 };
  }),
  overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
})`;

/** Height and width that a PNG declares in its header. */
const sizeOf = (png: Buffer): readonly number[] => [png.readUInt32BE(16), png.readUInt32BE(20)];

test(
  "report.html renders all its charts in a browser, asks the network for nothing, and runs no text from outside",
  { timeout: 600_000 },
  async ({ skip }) => {
    if (chromiumProgram === undefined && process.env["CI"] !== "true") {
      skip("there is no Chromium: install one, and name it in MILLWRIGHT_CHROMIUM where it is not on the PATH");
    }
    const folder = await mkdtemp(join(tmpdir(), "millwright-report-"));
    const url = pathToFileURL(await writeReport(folder, sample)).href;
    await using browser = await openChromium(chromiumProgram ?? "chromium");
    const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
    const attached = await browser.send("Target.attachToTarget", { targetId, flatten: true });
    const page = (method: string, params?: object) => browser.send(method, params, attached["sessionId"] as string);
    await Promise.all([page("Page.enable"), page("Network.enable"), page("Runtime.enable"), page("Log.enable")]);
    await page("Emulation.setDeviceMetricsOverride", { width: 1000, height: 800, deviceScaleFactor: 1, mobile: false });
    await page("Page.navigate", { url });
    await expect
      .poll(() => browser.events.some(({ method }) => method === "Page.loadEventFired"), { timeout: 600_000 })
      .toBe(true);

    const { result } = await page("Runtime.evaluate", { expression: look });
    const seen = JSON.parse((result as { value: string }).value) as { charts: object[] };
    expect(seen).toMatchObject({ title: "Flight delays", images: 0, scripts: 0, overflow: 0 });
    expect(seen.charts).toEqual(Array.from({ length: 6 }, () => ({ seen: true, marks: true })));
    const { data } = await page("Page.captureScreenshot", { format: "png" });
    const png = Buffer.from(data as string, "base64");
    expect(sizeOf(png)).toEqual([1000, 800]);
    expect(png.length, "bytes of the picture: an empty page of this size has about 4,000").toBeGreaterThan(20_000);

    const asked = browser.events
      .filter(({ method }) => method === "Network.requestWillBeSent")
      .map(({ params }) => (params as { request: { url: string } }).request.url);
    expect(asked).toEqual([url]);
    const complaints = browser.events.filter(({ method }) =>
      /^(?:Runtime.exceptionThrown|Log.entryAdded)$/.test(method ?? ""),
    );
    expect(complaints).toEqual([]);
    await rm(folder, { recursive: true });
  },
);
