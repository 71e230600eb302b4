import { join } from "node:path";
import { createRandom, digestOf } from "@millwright/contracts";
import { openOfflineTracker } from "@millwright/registry";
import { openDirectoryArtifactStore } from "@millwright/storage";
import { describe, expect, test } from "vitest";
import type { MlflowFetch } from "../src/mlflow-client.ts";
import { type ServedMlflow, openClient, rest } from "./mlflow-client-cases.ts";

/** `fetch` over a network that drops calls, before they arrive or before they are answered. */
export function dropping(seed: number, share: number): MlflowFetch & { dropped: number } {
  const random = createRandom(seed);
  const drop = async (...[url, options]: Parameters<MlflowFetch>): ReturnType<MlflowFetch> => {
    const luck = random.next();
    if (luck < share / 2) {
      lossy.dropped += 1;
      throw new TypeError("fetch failed");
    }
    const answer = await fetch(url, options as RequestInit);
    if (luck >= share) return answer;
    lossy.dropped += 1;
    await answer.arrayBuffer();
    throw new TypeError("terminated");
  };
  const lossy = Object.assign(drop as MlflowFetch, { dropped: 0 });
  return lossy;
}

interface Pair {
  readonly key: string;
  readonly value: string;
}

const byKey = (pairs: readonly Pair[] = []): Record<string, string> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value]));

async function history(url: string, run: string, key: string): Promise<{ step: number; value: number | string }[]> {
  const query = new URLSearchParams({ run_id: run, metric_key: key, max_results: "25000" });
  const { metrics = [] } = await rest(url, "GET", `metrics/get-history?${query}`);
  return (metrics as { step?: number | string; value: number | string }[])
    .map(({ step = 0, value }) => ({ step: Number(step), value }))
    .toSorted((a, b) => a.step - b.step);
}

/** What the client does against any server. */
export function describeClient(
  server: string,
  serve: () => Promise<ServedMlflow>,
  skipped: (skip: (note: string) => void) => void,
): void {
  describe(`with ${server}`, () => {
    test(`MR-8: runs logged to ${server} are there whole, once, over a network that drops every sixth call`, async ({
      skip,
    }) => {
      skipped(skip);
      await using served = await serve();
      const { url } = served;
      const lossy = dropping(5, 1 / 6);
      await using client = await openClient(url, { fetch: lossy, retries: 20 });
      const { tracker } = client;
      const experiment = `over a bad line ${digestOf(url).slice(7, 15)}`;
      const parent = await tracker.startRun({ experiment, name: "parent", tags: { site: "north" }, by: "ann" });
      const children = [];
      for (let child = 0; child < 8; child += 1)
        children.push(await tracker.startRun({ experiment, name: `child ${child}`, parentRunId: parent.id }));
      for (let step = 0; step < 2500; step += 1)
        parent.logMetrics([
          { name: "loss/train", value: step === 7 ? Number.NaN : step / 3, step, timeMs: 1000 + step },
        ]);
      parent.logParams({ rate: 0.1, units: [8, 16], name: "a b", none: null, wide: true, odd: Number.NaN });
      parent.logParams(Object.fromEntries(Array.from({ length: 230 }, (_, index) => [`p${index}`, index])));
      const digest = await parent.logArtifact("notes/ä b.txt", new TextEncoder().encode("hello"));
      expect(digest).toBe(digestOf("hello"));
      await parent.flush();
      for (const child of children) await child.end("failed");
      await parent.end("finished");
      expect(lossy.dropped).toBeGreaterThan(3);

      const { run } = await rest(url, "GET", `runs/get?run_id=${parent.id}`);
      expect(run.info).toMatchObject({ status: "FINISHED", run_name: "parent", user_id: "ann" });
      expect(byKey(run.data.tags)).toMatchObject({ site: "north" });
      const params = byKey(run.data.params);
      expect(Object.keys(params)).toHaveLength(236);
      expect(params).toMatchObject({
        rate: "0.1",
        units: "[8,16]",
        name: "a b",
        none: "null",
        wide: "true",
        odd: "NaN",
        p229: "229",
      });
      const points = await history(url, parent.id, "loss/train");
      expect(points).toHaveLength(2500);
      expect(points[7]?.value).toBe("NaN");
      expect(points[2499]?.value).toBe(2499 / 3);
      const { runs } = await rest(url, "POST", "runs/search", {
        experiment_ids: [run.info.experiment_id],
        filter: `tags.mlflow.parentRunId = '${parent.id}'`,
      });
      // Of no run whose answer was lost a second one was made.
      expect(runs).toHaveLength(8);
      const folder = run.info.artifact_uri.replace("mlflow-artifacts:/", "");
      const stored = await fetch(
        `${url}/api/2.0/mlflow-artifacts/artifacts/${encodeURI(folder)}/notes/${encodeURIComponent("ä b.txt")}`,
      );
      expect(await stored.text()).toBe("hello");
      const resumed = await tracker.resumeRun(parent.id);
      resumed?.logMetrics([{ name: "loss/train", value: 1, step: 2500 }]);
      await resumed?.end("killed");
      expect((await rest(url, "GET", `runs/get?run_id=${parent.id}`)).run.info.status).toBe("KILLED");
      expect(await tracker.resumeRun("0123456789abcdef0123456789abcdef" as typeof parent.id)).toBeUndefined();
    }, 300_000);

    test(`runs logged offline come to ${server} whole, once, however often the way is cut and begun again`, async ({
      skip,
    }) => {
      skipped(skip);
      await using served = await serve();
      const { url } = served;
      await using whole = await openClient(url);
      const { folder } = whole;
      const offline = join(folder, "offline");
      await using field = await openOfflineTracker({ directory: offline });
      const experiment = `field ${digestOf(folder).slice(7, 15)}`;
      const parent = await field.startRun({ experiment, name: "parent", by: "ann" });
      const child = await field.startRun({ experiment, name: "child", parentRunId: parent.id });
      for (let step = 0; step < 1500; step += 1)
        child.logMetrics([{ name: "loss", value: step === 3 ? Number.NaN : 1 / (step + 1), step, timeMs: step }]);
      child.logParams({ units: 8 });
      await child.logArtifact("a/weights.bin", new Uint8Array(3_000_000).fill(7));
      await child.end("failed");
      await parent.end("finished");
      const lossy = dropping(11, 0.15);
      await using client = await openClient(url, {
        fetch: lossy,
        retries: 0,
        artifacts: await openDirectoryArtifactStore(join(offline, "artifacts")),
      });
      let cuts = 0;
      for (;;) {
        try {
          await field.sync(client.tracker);
          break;
        } catch (error) {
          expect(error).toMatchObject({ code: "REGISTRY_MLFLOW_UNREACHABLE", retryable: true });
          cuts += 1;
        }
      }
      expect(cuts).toBeGreaterThan(0);
      const again = await field.sync(whole.tracker);
      expect(again).toMatchObject({ runs: 2, imported: 0, conflicts: [] });
      const { experiment: found } = await rest(
        url,
        "GET",
        `experiments/get-by-name?${new URLSearchParams({ experiment_name: experiment })}`,
      );
      const { runs } = await rest(url, "POST", "runs/search", { experiment_ids: [found.experiment_id] });
      expect(runs).toHaveLength(2);
      const named = (name: string) => runs.find((each: { info: { run_name: string } }) => each.info.run_name === name);
      expect(named("child").info).toMatchObject({ status: "FAILED" });
      expect(byKey(named("child").data.tags)).toMatchObject({
        "mlflow.parentRunId": named("parent").info.run_id,
        "millwright.run": child.id,
      });
      const points = await history(url, named("child").info.run_id, "loss");
      expect(points.map(({ step }) => step)).toEqual(Array.from({ length: 1500 }, (_, step) => step));
      expect(points[3]?.value).toBe("NaN");
      // What MLflow has otherwise stays, and the report tells.
      const late = await field.resumeRun(child.id);
      late?.logParams({ units: 16, more: 1 });
      await late?.end("finished");
      expect(await field.sync(whole.tracker)).toMatchObject({
        conflicts: [{ run: child.id, kind: "param", name: "units", stored: "8", given: 16 }],
      });
    }, 300_000);

    test(`a model that MLflow's own clients logged to ${server} is a verified directory here; a changed package is refused`, async ({
      skip,
    }) => {
      skipped(skip);
      await using served = await serve();
      const { url } = served;
      await using client = await openClient(url);
      const { tracker, pack } = client;
      const { run } = await rest(url, "POST", "runs/create", { experiment_id: "0", start_time: 1 });
      const folder = run.info.artifact_uri.replace("mlflow-artifacts:/", "");
      const put = async (path: string, text: string): Promise<void> => {
        const response = await fetch(`${url}/api/2.0/mlflow-artifacts/artifacts/${folder}/${path}`, {
          method: "PUT",
          body: text,
        });
        expect(response.status).toBe(200);
      };
      const signature = '  inputs: \'[{"type": "double", "name": "x", "required": true}]\'\n  outputs: null\n';
      await put("model/MLmodel", `flavors:\n  python_function: {python_version: 3.11.7}\nsignature:\n${signature}`);
      await put("model/data/deep/model.json", "{}");
      await rest(url, "POST", "registered-models/create", { name: "slopes" });
      const source = `${run.info.artifact_uri}/model`;
      await rest(url, "POST", "model-versions/create", { name: "slopes", source, run_id: run.info.run_id });
      await rest(url, "POST", "registered-models/alias", { name: "slopes", alias: "champion", version: "1" });
      const found = await tracker.resolve("slopes@champion");
      expect(found).toMatchObject({ name: "slopes", version: 1, manifest: { format: "mlflow" } });
      expect(found.manifest.signature.inputs).toMatchObject([{ name: "x", dtype: "float64" }]);
      expect(found.manifest.files.map(({ path }) => path)).toEqual(["MLmodel", "data/deep/model.json"]);
      expect(found.digest).toBe((await tracker.resolve("slopes/1")).digest);

      const kept = await tracker.register("late", await pack("kept"), { tags: { team: "mill" }, by: "ann" });
      const version = await rest(url, "GET", "model-versions/get?name=late&version=1");
      expect(byKey(version.model_version.tags)).toMatchObject({ team: "mill", "millwright.digest": kept.digest });
      const at = version.model_version.source.replace("mlflow-artifacts:/", "");
      // The bytes are changed behind the version's back, before another machine asks for it.
      const notes = `${url}/api/2.0/mlflow-artifacts/artifacts/${at}/notes.txt`;
      await fetch(notes, { method: "PUT", body: "else" });
      await using other = await openClient(url);
      const outcome = await other.tracker.resolve("late/1").then(
        ({ digest }) => digest,
        (error: { code?: string }) => error.code,
      );
      // A registry of Millwright keeps what was registered, whatever becomes of the run's files; MLflow gives the changed ones.
      expect(outcome).toBe(server === "MLflow's own server" ? "PORT_MODEL_CORRUPT" : kept.digest);
    }, 300_000);
  });
}
