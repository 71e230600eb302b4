import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type EventFamily, eventTypes, type JobHistory, type MillwrightEvent, parseEvent } from "@millwright/contracts";
import { openJobs } from "@millwright/jobs";
import { openRegistry } from "@millwright/registry";
import { type Database, openDirectoryArtifactStore, openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { views } from "../src/definitions.ts";
import type { ReportData } from "../src/report-data.ts";
import { causesOf, readAll } from "./event-log.ts";

async function jobIds(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const specs = entries
    .filter((entry) => entry.isDirectory())
    .map(async ({ name }) => {
      const { spec } = JSON.parse(await readFile(join(directory, name, "spec.json"), "utf8")) as {
        spec: { id: string };
      };
      return spec.id;
    });
  return Promise.all(specs);
}

/** One event for each state of each job, and none besides. */
async function expectJobsTold(folder: string, events: readonly MillwrightEvent[]): Promise<void> {
  await using jobs = await openJobs({ directory: join(folder, "jobs") });
  const ids = await jobIds(join(folder, "jobs"));
  expect(ids).toHaveLength(14); // twelve trials and two final models
  const told = events.filter(({ type }) => type === "job.state-changed");
  let states = 0;
  for (const id of ids) {
    const history: JobHistory = await jobs.history(id);
    const ofJob = told.filter(({ subject }) => subject === id);
    expect(ofJob.map(({ data }) => [data["number"], data["state"], data["timeMs"]])).toEqual(
      history.map(({ state, timeMs }, number) => [number, state, timeMs]),
    );
    expect(causesOf(events, ofJob[0])[1]?.type).toBe("run.started");
    states += history.length;
  }
  expect(told).toHaveLength(states);
}

const typesOf = (events: readonly MillwrightEvent[], family: string, subject: string): readonly string[] =>
  events.filter((event) => event.type.startsWith(`${family}.`) && event.subject === subject).map(({ type }) => type);

/** One event for each change of each run, model, alias, trial and view, as the records of the finished run have them. */
async function expectRecordsTold(
  folder: string,
  database: Database,
  events: readonly MillwrightEvent[],
): Promise<void> {
  const artifacts = await openDirectoryArtifactStore(join(folder, "artifacts"));
  await using registry = await openRegistry({ database, artifacts, directory: join(folder, "models") });
  const runs = await registry.runs({ experiment: "late" });
  expect(runs).toHaveLength(14);
  for (const { id, status } of runs) expect(typesOf(events, "run", id)).toEqual(["run.started", `run.${status}`]);
  for (const version of ["late/1", "late/2"])
    expect(typesOf(events, "model", version)).toEqual(["model.registered", "model.approved"]);
  expect(typesOf(events, "model", "late@champion")).toEqual(["model.alias-set"]);
  const { training } = JSON.parse(await readFile(join(folder, "report.json"), "utf8")) as ReportData;
  expect(training.trials).toHaveLength(12);
  for (const { study, number, state } of training.trials)
    expect(typesOf(events, "trial", `${study}/${number}`)).toEqual(["trial.started", `trial.${state}`]);
  for (const { name } of views)
    expect(typesOf(events, "feature", name)).toEqual([
      "feature.view-applied",
      "feature.ingested",
      "feature.materialized",
    ]);
  expect(typesOf(events, "deployment", "late")).toEqual([
    "deployment.endpoint-created",
    "deployment.started",
    "deployment.baking",
    "deployment.rolled-back",
    "deployment.endpoint-deleted",
  ]);
}

/** What fires resolves before it fires again, and the other way round. */
function expectAlertsAlternate(events: readonly MillwrightEvent[]): void {
  const last = new Map<string, string>();
  for (const { type, subject, data } of events.filter((event) => event.type.startsWith("alert."))) {
    const key = JSON.stringify([data["name"], subject, data["severity"]]);
    expect(type, key).toBe(last.get(key) === "alert.firing" ? "alert.resolved" : "alert.firing");
    last.set(key, type);
  }
  expect(last.size).toBeGreaterThan(0);
}

/** What the event log of a run that has ended says. */
export function eventLog({ copy }: { copy(name: string): Promise<string> }): void {
  test("CT-3: every state change of the job is one event, and the alert that took the bad candidate back leads to its training run", async () => {
    const folder = await copy("told");
    await using database = await openSqlite(join(folder, "millwright.db"));
    const events = await readAll(database);
    for (const event of events) {
      expect(parseEvent(event)).toEqual(event);
      const [family = ""] = event.type.split(".");
      expect(eventTypes[family as EventFamily]).toContain(event.type);
    }
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    await expectJobsTold(folder, events);
    await expectRecordsTold(folder, database, events);
    expectAlertsAlternate(events);

    // Every cause is an earlier event; what nothing caused is what begins a story.
    const beginnings = events.map((event) => causesOf(events, event).at(-1) as MillwrightEvent);
    expect([...new Set(beginnings.map(({ type }) => type))].toSorted()).toEqual([
      "feature.service-applied",
      "feature.view-applied",
      "run.started",
      "trial.started",
    ]);

    const takenBack = events.find(({ type }) => type === "deployment.rolled-back");
    const chain = causesOf(events, takenBack);
    expect(chain.map(({ type, subject }) => `${type} ${subject}`)).toEqual([
      "deployment.rolled-back late",
      "alert.firing endpoint/late/variant/candidate",
      "deployment.baking late",
      "deployment.started late",
      "model.approved late/2",
      "model.registered late/2",
      expect.stringMatching(/^run\.finished /),
      expect.stringMatching(/^run\.started /),
    ]);
    // The bad candidate is the champion with its signs turned: its run is the one that trained the champion, on datasets that are named.
    const [finished, started] = chain.slice(-2);
    expect(started?.subject).toBe(finished?.subject);
    expect(started?.data.made).toEqual([
      { kind: "run", id: started?.subject, name: expect.stringMatching(/^final(-trees)?$/) },
    ]);
    expect(started?.data.from).toEqual([
      { kind: "dataset", id: expect.stringMatching(/^sha256:/), name: "train" },
      { kind: "dataset", id: expect.stringMatching(/^sha256:/), name: "validation" },
    ]);
    const champion = events.find(({ type, subject }) => type === "model.registered" && subject === "late/1");
    expect(champion?.causationid).toBe(finished?.id);
    expect(chain[5]?.data.made).not.toEqual(champion?.data.made);
  });
}
