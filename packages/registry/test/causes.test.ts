import type { EventId, MillwrightEvent, RunId } from "@millwright/contracts";
import { openEventLog } from "@millwright/storage";
import { expect, test } from "vitest";
import { openWorkshop, type Workshop } from "./workshop.ts";

/** Type, subject and the type and subject of the cause. */
async function chainsOf(workshop: Workshop): Promise<readonly string[]> {
  const events = await workshop.events();
  const nameOf = ({ type, subject }: MillwrightEvent): string => `${type} ${subject}`;
  return events.map((event, index) => {
    const cause = events.slice(0, index).find(({ id }) => id === event.causationid);
    expect(cause === undefined, nameOf(event)).toBe(event.causationid === undefined);
    return cause === undefined ? nameOf(event) : `${nameOf(event)} <- ${nameOf(cause)}`;
  });
}

test("a model's events lead back to what its run was begun because of", async () => {
  await using workshop = await openWorkshop();
  const { registry, database, pack } = workshop;
  const trial = { source: "test", type: "trial.started", subject: "study/0", data: {} } as const;
  const [began] = await openEventLog(database).append([trial]);
  const run = await registry.startRun({ experiment: "late", causedBy: began?.event.id });
  expect(run.eventId).toBe((await workshop.events())[1]?.id);
  await run.end("finished");
  const directory = await pack("model", { runId: run.id });
  const { digest } = await registry.register("late", directory);
  await registry.register("late", directory);
  await registry.setAlias("late", "next", 1);
  await registry.approve("late", 1, { status: "approved", by: "ada" });
  await registry.setAlias("late", "champion", 1);
  await registry.setAlias("late", "champion", 1);
  await registry.approve("late", 1, { status: "rejected", by: "ada" });
  expect(await chainsOf(workshop)).toEqual([
    "trial.started study/0",
    `run.started ${run.id} <- trial.started study/0`,
    `run.finished ${run.id} <- run.started ${run.id}`,
    `model.registered late/1 <- run.finished ${run.id}`,
    "model.alias-set late@next <- model.registered late/1",
    "model.approved late/1 <- model.registered late/1",
    "model.alias-set late@champion <- model.approved late/1",
    "model.rejected late/1 <- model.approved late/1",
  ]);
  const alias = (await workshop.events()).find(({ subject }) => subject === "late@champion");
  expect(alias?.data["digest"]).toBe(digest);
});

test("a run that had ended and goes on tells so; one that had not ended does not; a model of an unknown run has no cause", async () => {
  await using workshop = await openWorkshop();
  const { registry, pack } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  const same = await registry.resumeRun?.(run.id);
  expect(same?.eventId).toBe(run.eventId);
  await run.end("failed");
  const again = await registry.resumeRun?.(run.id);
  await again?.end("finished");
  await registry.register("late", await pack("model"), { runId: "somewhere else" as RunId });
  expect(await chainsOf(workshop)).toEqual([
    `run.started ${run.id}`,
    `run.failed ${run.id} <- run.started ${run.id}`,
    `run.resumed ${run.id} <- run.failed ${run.id}`,
    `run.finished ${run.id} <- run.resumed ${run.id}`,
    "model.registered late/1",
  ]);
  const resumed: EventId | undefined = (await workshop.events())[2]?.id;
  expect(again?.eventId).toBe(resumed);
});
