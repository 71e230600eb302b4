import { type Batch, createRandom } from "@millwright/contracts";
import { batchOf, column } from "@millwright/data";

const towns = ["Berlin", "Graz", "Lyon", "Porto", "Turin"];

/** Orders, some of which are sent back: made, with a pattern that no weighted sum follows, gaps and noise. The same seed makes the same ones. */
export function makeOrders(count: number, seed: number): Batch {
  const random = createRandom(seed);
  const orders = Array.from({ length: count }, () => {
    const town = random.next() < 0.05 ? null : towns[random.integer(towns.length)]!;
    const euros = Math.round(Math.exp(3.5 + random.normal()) * 100) / 100;
    const days = random.next() < 0.1 ? null : random.integer(15);
    const gift = random.next() < 0.3;
    const late = days === null ? 0.5 : days > 6 ? 1 + (days - 6) / 4 : 0;
    const odds = -2.2 + late * (gift ? 2 : 0.8) + (euros > 80 ? 0.9 : 0) - (town === "Porto" ? 1.2 : 0);
    return { town, euros, days, gift, returned: random.next() < 1 / (1 + Math.exp(-odds)) };
  });
  return batchOf({
    town: column(
      "utf8",
      orders.map(({ town }) => town),
    ),
    euros: orders.map(({ euros }) => euros),
    days: column(
      "int32",
      orders.map(({ days }) => days),
    ),
    gift: orders.map(({ gift }) => gift),
    returned: orders.map(({ returned }) => returned),
  });
}
