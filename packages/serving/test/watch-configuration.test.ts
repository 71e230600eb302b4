import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openModelServer, watchConfiguration } from "../src/index.ts";
import { denseRuntime, packFolder } from "./models.ts";

const text = (version: number, more: Record<string, unknown> = {}): string =>
  JSON.stringify({ endpoints: { late: { variants: { main: { model: `late/${version}`, weight: 1 } }, ...more } } });

test("SV-47: a file is followed: written in place, piece by piece, renamed over or linked anew; what cannot be served is refused and told", async () => {
  await using folder = await packFolder(3);
  const directory = await mkdtemp(join(tmpdir(), "millwright-watch-"));
  try {
    await using server = await openModelServer({
      source: folder.source,
      runtimes: [denseRuntime()],
      endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    });
    const version = async (): Promise<unknown> =>
      (await server.predict("late", { instances: [[1, 2, 3, 4]] })).provenance.model.version;
    const refused: string[] = [];
    const options = {
      settleMs: 30,
      pollMs: 50,
      onRefused: (error: unknown) => void refused.push((error as { code?: string }).code ?? "parse"),
    };
    const path = join(directory, "serving.json");
    await expect(watchConfiguration(server, path, options)).rejects.toThrow("ENOENT");
    await writeFile(path, "{");
    await expect(watchConfiguration(server, path, options)).rejects.toMatchObject({
      code: "SERVING_CONFIGURATION_INVALID",
    });
    await writeFile(path, text(2));
    const watch = await watchConfiguration(server, path, options);
    expect([await version(), server.configuration.by]).toEqual([2, path]);
    // Half of it is never read.
    const whole = text(3, { maxBatchRows: 5 });
    for (let length = 1; length < whole.length; length += 20) {
      await writeFile(path, whole.slice(0, length));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await writeFile(path, whole);
    await expect.poll(version).toBe(3);
    expect(refused).toEqual([]);
    const written = async (content: string): Promise<void> => {
      await writeFile(`${path}.next`, content);
      await rename(`${path}.next`, path);
    };
    await written(text(9));
    await expect.poll(() => refused).toEqual(["SERVING_CONFIGURATION_INVALID"]);
    await written("{");
    await expect.poll(() => refused).toEqual(["SERVING_CONFIGURATION_INVALID", "parse"]);
    expect(await version()).toBe(3);
    await written(text(1));
    await expect.poll(version).toBe(1);
    await watch.close();
    // As Kubernetes mounts a map: a link to a link to a folder, which is replaced.
    for (const at of [2, 3]) {
      await mkdir(join(directory, `..${at}`));
      await writeFile(join(directory, `..${at}`, "map.json"), text(at));
    }
    await symlink("..2", join(directory, "..data"));
    await symlink(join("..data", "map.json"), join(directory, "map.json"));
    await using mapped = await watchConfiguration(server, join(directory, "map.json"), options);
    expect(await version()).toBe(2);
    await symlink("..3", join(directory, "..next"));
    await rename(join(directory, "..next"), join(directory, "..data"));
    await expect.poll(version).toBe(3);
    await mapped.close();
    // A module.
    const module = join(directory, "serving.mjs");
    await writeFile(module, `export default ${text(1)};`);
    await using moduled = await watchConfiguration(server, module, options);
    expect(await version()).toBe(1);
    await writeFile(module, `export default ${text(2)};`);
    await expect.poll(version).toBe(2);
    await moduled.close();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
