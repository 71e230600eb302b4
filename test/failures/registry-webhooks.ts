import * as registry from "../../packages/registry/dist/index.js";
import type { Database } from "../../packages/storage/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const message = { id: "e1", timestamp: 1_700_000_000, body: "{}" };

/** @param webhooks Has one, `ci`. */
export function webhookSubjects(webhooks: registry.Webhooks, database: Database): Subjects {
  return {
    signWebhook: well(registry.signWebhook, () => [["secret"], { id: "e1", timestamp: 1_700_000_000, body: "{}" }]),
    verifyWebhook: well(
      registry.verifyWebhook,
      () => ["secret", registry.signWebhook(["secret"], message), message.body, { nowMs: 1_700_000_000_000 }],
      {
        REGISTRY_WEBHOOK_REFUSED: () =>
          registry.verifyWebhook("other", registry.signWebhook(["secret"], message), "{}", {
            nowMs: 1_700_000_000_000,
          }),
      },
    ),
    openWebhooks: well(registry.openWebhooks, () => [{ database, webhooks: [], signal }], {}, 20),
    ...methods("openWebhooks()", () => webhooks, {
      state: [() => ["ci", { signal }], { REGISTRY_WEBHOOK_UNKNOWN: () => webhooks.state("other") }, 12],
      replay: [() => ["ci", 0, { signal }], {}, 12],
    }),
  };
}
