// An application that was there before, and the feature store in it: nothing else of Millwright is needed.
import { featureStoreRoutes } from "@millwright/feature-store/fastify";
import { openLogOnlineStore } from "@millwright/feature-store/drivers/log";
import {
  count,
  days,
  defineEntity,
  defineFeatureService,
  defineFeatureView,
  hours,
  mean,
  openFeatureStore,
} from "@millwright/feature-store";
import fastify, { type FastifyInstance } from "fastify";

const orders = defineFeatureView({
  name: "orders",
  entity: defineEntity({ name: "customer", keys: { customer: "utf8" } }),
  eventTime: "placed",
  inputs: { euros: "float64" },
  aggregates: { orders_7d: count(days(7)), mean_1h: mean("euros", hours(1)) },
});
const service = defineFeatureService({ name: "checkout", views: [orders] });

/** The shop, with its features kept in `folder` and served under `/features`. */
export async function createShop(folder: string): Promise<FastifyInstance> {
  const online = await openLogOnlineStore(`${folder}/online`);
  const store = await openFeatureStore({ history: `${folder}/history`, services: [service], online });

  const app = fastify();
  await app.register(featureStoreRoutes(store, { services: [service] }), { prefix: "/features" });
  // A route of the shop's own: what happens in the application becomes features at once.
  app.post<{ Body: { customer: string; euros: number } }>("/orders", async ({ body }, reply) => {
    await store.push(orders, [{ customer: body.customer, placed: new Date(), euros: body.euros }]);
    return reply.code(201).send();
  });
  app.addHook("onClose", async () => {
    await store[Symbol.asyncDispose]();
    await online[Symbol.asyncDispose]();
  });
  return app;
}
