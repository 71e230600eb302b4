import { createManualClock, createRandom } from "@millwright/contracts";
import { openWebhooks, signWebhook, verifyWebhook } from "@millwright/registry";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { startChild } from "./child.ts";
import { openReceiver } from "./receiver.ts";
import { openWorkshop, registerVersions } from "./workshop.ts";

const secret = `whsec_${Buffer.from("a secret of at least 24 bytes").toString("base64")}`;
const quick = { firstWaitMs: 2, longestWaitMs: 10 };

/** Each once, in the order in which a receiver took them first. */
const taken = (messages: readonly { readonly status: number; readonly event: { readonly id: string } }[]): string[] => [
  ...new Set(messages.filter(({ status }) => status === 204).map(({ event }) => event.id)),
];

test("MR-17: a receiver that fails gets every event of a model at least once and in order, signed as Standard Webhooks demands", async () => {
  await using workshop = await openWorkshop();
  const { registry, database } = workshop;
  const random = createRandom(7);
  await using receiver = await openReceiver(() => {
    const luck = random.next();
    return luck < 0.4 ? 204 : luck < 0.6 ? 500 : luck < 0.8 ? 429 : 0;
  });
  await using webhooks = await openWebhooks({
    database,
    ...quick,
    webhooks: [{ id: "ci", url: receiver.url, secrets: [secret] }],
  });
  await registerVersions(workshop, 5);
  for (let version = 1; version <= 5; version += 1) {
    await registry.approve("late", version, { status: "approved", by: "ann" });
    await registry.setAlias("late", "champion", version);
  }
  const sent = (await workshop.events()).filter(({ type }) => type.startsWith("model."));
  expect(sent).toHaveLength(15);
  await receiver.until((messages) => taken(messages).length === 15);
  expect(taken(receiver.messages)).toEqual(sent.map(({ id }) => id));
  expect(receiver.messages.length).toBeGreaterThan(20);
  const standard = new StandardWebhook(secret);
  for (const { headers, body, event } of receiver.messages) {
    // Of somebody else's making.
    expect(standard.verify(body, headers)).toEqual(event);
    verifyWebhook(secret, headers, body, { nowMs: Date.now() });
  }
  await expect.poll(() => webhooks.state("ci")).toMatchObject({ delivered: 15, undelivered: [], ended: false });
  // From a cursor on, everything again, with the ids the receiver knows.
  const before = receiver.messages.length;
  await webhooks.replay("ci", 0);
  await receiver.until((messages) => taken(messages.slice(before)).length === 15);
  expect(taken(receiver.messages.slice(before))).toEqual(sent.map(({ id }) => id));
});

test(
  "a process that is killed while it sends loses nothing, and the next goes on in order",
  { timeout: 600_000 },
  async () => {
    await using workshop = await openWorkshop();
    const { registry, folder, database } = workshop;
    let count = 0;
    await using receiver = await openReceiver(() => ((count += 1) % 3 === 0 ? 503 : 204));
    const hook = { id: "ci", url: receiver.url, secrets: [secret] };
    // Begins at the first event to come.
    await (await openWebhooks({ database, webhooks: [hook] }))[Symbol.asyncDispose]();
    await registerVersions(workshop, 1);
    for (let round = 0; round < 40; round += 1)
      await registry.approve("late", 1, { status: round % 2 === 0 ? "approved" : "rejected", by: "ann" });
    const sent = (await workshop.events()).map(({ id }) => id);
    for (let kill = 1; kill <= 6; kill += 1) {
      const child = startChild("sender.mjs", [folder, receiver.url, secret]);
      const enough = receiver.messages.length + 5;
      await receiver.until((messages) => messages.length >= enough);
      child.process.kill("SIGKILL");
      expect(await child.ended).toMatchObject({ signal: "SIGKILL" });
    }
    const last = startChild("sender.mjs", [folder, receiver.url, secret]);
    await receiver.until((messages) => taken(messages).length === sent.length);
    last.process.kill("SIGKILL");
    await last.ended;
    expect(taken(receiver.messages)).toEqual(sent);
  },
);

test("a message that was changed, is by another secret, or is too old is refused", () => {
  const clock = createManualClock(1_700_000_000_000);
  const body = `{"type":"model.approved"}`;
  const headers = signWebhook([secret, "the one before"], { id: "e1", timestamp: 1_700_000_000, body });
  const at = (ms: number) => ({ nowMs: clock.nowMs() + ms });
  verifyWebhook(secret, headers, body, at(0));
  verifyWebhook("the one before", headers, body, at(299_000));
  const refusal = (...args: Parameters<typeof verifyWebhook>): unknown => {
    try {
      verifyWebhook(...args);
      return undefined;
    } catch (error) {
      return error;
    }
  };
  const refused = expect.objectContaining({ code: "REGISTRY_WEBHOOK_REFUSED" }) as unknown;
  expect(refusal("another", headers, body, at(0))).toEqual(refused);
  expect(refusal(secret, headers, `${body} `, at(0))).toEqual(refused);
  expect(refusal(secret, { ...headers, "webhook-id": "e2" }, body, at(0))).toEqual(refused);
  expect(refusal(secret, { ...headers, "webhook-timestamp": "1700000001" }, body, at(0))).toEqual(refused);
  for (const ms of [301_000, -301_000])
    expect(String(refusal(secret, headers, body, at(ms)))).toContain("too far from now");
  expect(String(refusal(secret, { "webhook-id": "e1" }, body, at(0)))).toContain("webhook-timestamp is missing");
  expect(refusal(secret, { ...headers, "webhook-signature": "v1,AAAA v2,x" }, body, at(0))).toEqual(refused);
});

test("an event that no attempt delivers is put aside, and the next is sent; a receiver that is gone is left alone until replay", async () => {
  await using workshop = await openWorkshop();
  const { registry, database } = workshop;
  let isBack = false;
  await using receiver = await openReceiver(({ event }) => {
    if (event.type === "model.approved") return 400;
    return event.type === "model.rejected" && !isBack ? 410 : 204;
  });
  await using webhooks = await openWebhooks({
    database,
    ...quick,
    attempts: 3,
    webhooks: [{ id: "ci", url: receiver.url, secrets: [secret], types: ["model.*"] }],
  });
  await registerVersions(workshop, 1);
  await registry.approve("late", 1, { status: "approved", by: "ann" });
  await registry.approve("late", 1, { status: "rejected", by: "ann" });
  await registry.approve("late", 1, { status: "approved", by: "ann" });
  await expect.poll(() => webhooks.state("ci")).toMatchObject({ ended: true, delivered: 1, undelivered: [2] });
  expect(receiver.messages.map(({ event }) => event.type)).toEqual([
    "model.registered",
    "model.approved",
    "model.approved",
    "model.approved",
    "model.rejected",
  ]);
  isBack = true;
  await webhooks.replay("ci", 2);
  await expect.poll(() => webhooks.state("ci")).toMatchObject({ ended: false, delivered: 2, undelivered: [2, 4] });
  await expect(webhooks.state("other")).rejects.toMatchObject({ code: "REGISTRY_WEBHOOK_UNKNOWN" });
});

test("of two processes one sends, and a webhook cannot be opened without a secret or a URL of the web", async () => {
  await using workshop = await openWorkshop();
  const { database } = workshop;
  await using receiver = await openReceiver(() => 204);
  const options = { database, ...quick, webhooks: [{ id: "ci", url: receiver.url, secrets: [secret] }] };
  await using first = await openWebhooks(options);
  await using second = await openWebhooks(options);
  await registerVersions(workshop, 3);
  await expect.poll(() => first.state("ci")).toMatchObject({ delivered: 3 });
  expect(receiver.messages).toHaveLength(3);
  expect(await second.state("ci")).toEqual(await first.state("ci"));
  for (const wrong of [
    { id: "a", url: "ftp://a/b", secrets: [secret] },
    { id: "a", url: receiver.url, secrets: [] },
  ])
    await expect(openWebhooks({ database, webhooks: [wrong] })).rejects.toThrowError(RangeError);
});
