import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { once } from "node:events";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { fewest, runJob, startJob } from "./job-process.ts";

interface Answer {
  readonly predictions: unknown;
  readonly provenance: { readonly model: { readonly name: string; readonly version: number } };
}

/** `--serve` in a folder whose run has ended. */
export function serving({ copy }: { copy(name: string): Promise<string> }): void {
  test("--serve serves a finished run at once; the printed command works; Ctrl-C ends it", async () => {
    const folder = await copy("served");
    await using job = startJob([...fewest, "--output", folder, "--serve", "--port", "0"]);
    const [, url, body] = await job.seen(/curl -s (http:\S+) -H 'content-type: application\/json' -d '(.*)'\n/);
    expect(job.output()).not.toMatch(/^\s+took /m);
    const { predictions, provenance } = await ask(url as string, body as string);
    expect(JSON.stringify(predictions)).toMatch(/0\.\d+/);
    expect(provenance.model).toMatchObject({ name: "late", version: 1 });
    const metrics = await fetch(new URL("/metrics", url));
    expect(metrics.status).toBe(200);
    expect(await metrics.text()).toMatch(/millwright_serving_requests_total\{[^}]*endpoint="late"[^}]*\} 1\n/);
    const unknown = await fetch(new URL("/endpoints/nothing/predict", url), { method: "POST", body: "{}" });
    expect(unknown.status).toBe(404);
    job.interrupt();
    const { status, output } = await job.ended;
    expect(status, output).toBe(0);
  }, 300_000);

  test("a port that is taken is named, with the mend, and the folder still serves", async () => {
    const folder = await copy("busy");
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const taken = await runJob([...fewest, "--output", folder, "--serve", "--port", String(port)]);
    other.close();
    expect(taken.status, taken.output).toBe(3);
    expect(taken.output).toMatch(new RegExp(`SERVING_PORT_BUSY: .*${port}.*\\. \\S.*\n$`));
    expect(taken.output).not.toMatch(/^\s+at /m);
    await using again = startJob([...fewest, "--output", folder, "--serve", "--port", "0"]);
    await again.seen(/Serving the model at/);
  }, 300_000);
}

/** By curl as printed where there is one, else the same request by fetch. */
async function ask(url: string, body: string): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  try {
    const args = ["-s", url, "-H", `content-type: ${headers["content-type"]}`, "-d", body];
    return JSON.parse((await promisify(execFile)("curl", args)).stdout) as Answer;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return (await (await fetch(url, { method: "POST", headers, body })).json()) as Answer;
  }
}
