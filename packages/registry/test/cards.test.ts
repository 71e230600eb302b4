import { readFile } from "node:fs/promises";
import { Ajv } from "ajv";
import { createManualClock, digestOf } from "@millwright/contracts";
import { type CardChanges, type CardStatus, cardGate, formatCard } from "@millwright/registry";
import { expect, test } from "vitest";
import { contentProblem } from "../src/records/card-schema.ts";
import { type Workshop, openWorkshop, startMs } from "./workshop.ts";

const schema = JSON.parse(await readFile(new URL("golden/model-card.schema.json", import.meta.url), "utf8")) as object;
const validates = new Ajv({ strict: false, allErrors: true }).compile(schema);

/** A version whose run, data, approval and traffic the registry knows. */
async function made({ registry, pack }: Workshop): Promise<void> {
  const run = await registry.startRun({ experiment: "late", by: "ann" });
  run.logParams({ rate: 0.1, layers: [4, 2], optimizer: "adam" });
  run.logMetrics([
    { name: "loss", value: 0.25, step: 1 },
    { name: "broken", value: Number.NaN, step: 1 },
  ]);
  await run.end("finished");
  const directory = await pack("one", {
    runId: run.id,
    datasets: { train: digestOf("train"), test: digestOf("test") },
    code: digestOf("code"),
    metrics: { auc: 0.91 },
    hyperparameters: { rate: 0.1 },
    environment: { node: "22.0.0" },
    seed: 7,
  });
  await registry.register("late", directory, { by: "bob", tags: { team: "delays" } });
  await registry.approve("late", 1, { status: "approved", by: "cem" });
  const shares = [{ variant: "main", name: "late", version: 1, share: 1 }];
  await registry.recordTraffic({ endpoint: "delays", shares, by: "cem" });
}

const written: CardChanges = {
  model_overview: { model_description: "Whether a flight is late.", model_owner: "delays" },
  intended_uses: { purpose_of_model: "Plan gates", intended_uses: "Gate planning only", risk_rating: "Low" },
  business_details: { business_problem: "Gates are blocked" },
  additional_information: { ethical_considerations: "None known", caveats_and_recommendations: "Not for storms" },
};

test("MR-20: a card fills itself from the ledger, validates by SageMaker's schema, and its status makes no revision", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  await made(workshop);
  const auto = await registry.card("late", 1);
  expect(validates(auto.content), JSON.stringify(validates.errors)).toBe(true);
  expect(auto).toMatchObject({
    revision: 0,
    status: "Draft",
    content: {
      model_overview: { model_name: "late", model_version: 1, model_creator: "ann", algorithm_type: "dense" },
      intended_uses: { risk_rating: "Unknown" },
      training_details: {
        training_job_details: {
          training_datasets: [`test: ${digestOf("test")}`, `train: ${digestOf("train")}`],
          training_metrics: [
            { name: "loss", value: 0.25 },
            { name: "auc", value: 0.91 },
          ],
        },
      },
      evaluation_details: [{ datasets: [`test: ${digestOf("test")}`] }],
      additional_information: {
        custom_details: { approved_by: "cem", deployments: "production/delays main 100 %", seed: "7" },
      },
    },
  });
  expect(auto.content.training_details?.training_job_details?.hyper_parameters).toEqual(
    expect.arrayContaining([
      { name: "rate", value: "0.1" },
      { name: "layers", value: "[4,2]" },
      { name: "optimizer", value: "adam" },
    ]),
  );
  // What nobody can know but people, and what the ledger lacks.
  expect(auto.missing).toEqual([
    "model_overview.model_description",
    "model_overview.model_owner",
    "intended_uses.purpose_of_model",
    "intended_uses.intended_uses",
    "intended_uses.risk_rating",
    "business_details.business_problem",
    "additional_information.ethical_considerations",
    "additional_information.caveats_and_recommendations",
    "evidence.training_profile",
    "evidence.metric broken: it is no finite number",
  ]);

  const first = await registry.editCard("late", 1, written, { by: "ann", ifRevision: 0 });
  expect(first).toMatchObject({ revision: 1, status: "Draft", by: "ann", editedMs: startMs });
  expect(validates(first.content), JSON.stringify(validates.errors)).toBe(true);
  expect(first.missing).toEqual(["evidence.training_profile", "evidence.metric broken: it is no finite number"]);
  // The status alone.
  for (const status of ["PendingReview", "Approved", "Draft", "Approved"] as const) {
    const moved = await registry.setCardStatus("late", 1, status, { by: "dee" });
    expect(moved).toMatchObject({ revision: 1, status, content: first.content });
  }
  expect(await registry.cardRevisions("late", 1)).toHaveLength(1);
  // An edit makes the next one, a draft again, and keeps what was written before; null takes it away.
  const second = await registry.editCard("late", 1, { business_details: null }, { by: "eve" });
  expect(second).toMatchObject({ revision: 2, status: "Draft", content: { intended_uses: { risk_rating: "Low" } } });
  expect(second.content.business_details).toBeUndefined();
  expect((await registry.cardRevisions("late", 1)).map(({ revision, by }) => [revision, by])).toEqual([
    [1, "ann"],
    [2, "eve"],
  ]);
  expect((await registry.card("late", 1, { revision: 1 })).content).toEqual(first.content);
  await expect(registry.card("late", 1, { revision: 9 })).rejects.toMatchObject({ code: "REGISTRY_CARD_UNKNOWN" });
  await expect(registry.editCard("late", 1, {}, { by: "ann", ifRevision: 1 })).rejects.toMatchObject({
    code: "PORT_VERSION_CONFLICT",
  });
  // Archived is the end.
  await registry.setCardStatus("late", 1, "Archived", { by: "dee" });
  const refused = { code: "REGISTRY_CARD_REFUSED" };
  await expect(registry.editCard("late", 1, written, { by: "ann" })).rejects.toMatchObject(refused);
  await expect(registry.setCardStatus("late", 1, "Draft", { by: "ann" })).rejects.toMatchObject(refused);
  const changes = (await workshop.events()).filter(({ type }) => type === "model.card-changed");
  expect(changes.map(({ data }) => `${data["revision"]} ${data["status"]} ${data["by"]}`)).toEqual([
    "1 Draft ann",
    "1 PendingReview dee",
    "1 Approved dee",
    "1 Draft dee",
    "1 Approved dee",
    "2 Draft eve",
    "2 Archived dee",
  ]);
});

test("what SageMaker's schema does not have is refused, with its place", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  await registry.register("late", await workshop.pack("one"));
  const refusals: readonly [unknown, RegExp][] = [
    [{ intended_uses: { risk_rating: "Terrible" } }, /intended_uses\.risk_rating is none of High/],
    [{ intended_uses: { purpose_of_model: "x".repeat(2049) } }, /2049 characters/],
    [{ colour: { red: "1" } }, /field "colour"/],
    [{ model_overview: { model_version: Number.NaN } }, /no finite number/],
    [{ evaluation_details: [{}] }, /evaluation_details\[0\] has no name/],
    [
      {
        evaluation_details: [
          { name: "a", metric_groups: [{ name: "g", metric_data: [{ name: "m", type: "matrix", value: [1] }] }] },
        ],
      },
      /at most 20 lists/,
    ],
    [{ additional_information: { custom_details: { a: 1 } } }, /custom_details\.a is no text/],
  ];
  for (const [changes, problem] of refusals) {
    const edit = registry.editCard("late", 1, changes as CardChanges, { by: "ann" });
    await expect(edit).rejects.toMatchObject({ code: "REGISTRY_CARD_INVALID" });
    await expect(edit).rejects.toThrowError(problem);
  }
  const status = "Done" as CardStatus;
  await expect(registry.setCardStatus("late", 1, status, { by: "ann" })).rejects.toMatchObject({
    code: "REGISTRY_CARD_INVALID",
  });
  expect(await registry.cardRevisions("late", 1)).toEqual([]);
  // Ours and a validator of the published schema say the same of every kind of metric.
  const metrics: readonly (readonly [string, unknown])[] = [
    ["number", 1],
    ["string", "a"],
    ["boolean", true],
    ["linear_graph", [[1, 2]]],
    ["bar_chart", [1, 2]],
    ["matrix", [[1], [2]]],
    ["linear_graph", [[1, 2, 3]]],
    ["bar_chart", []],
    ["matrix", [[]]],
    ["pie", 1],
  ];
  for (const [type, value] of metrics) {
    const content = {
      evaluation_details: [{ name: "a", metric_groups: [{ name: "g", metric_data: [{ name: "m", type, value }] }] }],
    };
    expect(contentProblem(content) === undefined, type).toBe(validates(content));
  }
});

test("a gate waits for the card, and a card is read in Markdown, HTML and JSON without its text becoming markup", async () => {
  const gates = { alias: { champion: [cardGate()] } };
  await using workshop = await openWorkshop({ gates });
  const { registry } = workshop;
  await made(workshop);
  await expect(registry.setAlias("late", "champion", 1)).rejects.toThrowError(/lacks model_overview.model_description/);
  const hostile = "<script>alert(1)</script> | **bold**\n# heading";
  const card = await registry.editCard("late", 1, { intended_uses: { purpose_of_model: hostile } }, { by: "ann" });
  const html = formatCard(card, "html");
  expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(html).not.toMatch(/<script|src=|href=|@import|url\(/);
  expect(html).toContain("<td>auc</td><td>number</td><td>0.91</td>");
  const markdown = formatCard(card, "markdown");
  expect(markdown).toContain(
    "| Purpose of model | &lt;script&gt;alert(1)&lt;/script&gt; \\| \\*\\*bold\\*\\*<br>\\# heading |",
  );
  expect(markdown.split("\n").filter((line) => line.startsWith("# "))).toEqual(["# Model card: late, version 1"]);
  expect(JSON.parse(formatCard(card, "json"))).toEqual(card.content);
  expect(() => formatCard(card, "pdf" as "json")).toThrowError(RangeError);
});
