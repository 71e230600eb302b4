import { qualityInvalid } from "../errors.ts";
import {
  bootstrapIntervals,
  checkIntervals,
  finiteRows,
  type IntervalOptions,
  type MetricValue,
  withIntervals,
} from "./metric-value.ts";
import { curvesOf, rankScores } from "./roc.ts";

export interface RankingOptions extends Omit<IntervalOptions, "weights"> {
  /** How many places of an answer count for all metrics but the first two. Default: 10. */
  readonly places?: number | undefined;
}

export type RankingMetric =
  /** Precision at each relevant item, averaged (mean average precision); ties of scores are one place. */
  | "map"
  /** 1 / the place of the first relevant item. */
  | "mrr"
  /** Relevance by place, discounted by log2(place + 1), over that of the best order; ties share the gain of their places. */
  | "ndcg"
  /** Relevant items among the first places. */
  | "precision"
  | "recall"
  /** Queries with a relevant item among the first places. */
  | "hitRate";

export interface RankingQuality {
  readonly kind: "ranking";
  /** Queries that the metrics are of. */
  readonly queries: number;
  /** Queries left out, since nothing is relevant to them. */
  readonly withoutRelevant: number;
  /** Rows left out: a relevance or a score that is no finite number. */
  readonly invalid: number;
  readonly metrics: Readonly<Record<RankingMetric, MetricValue>>;
}

/**
 * How well answers order the items of queries, as means over queries; intervals are the bootstrap's over queries. Items of one score stand in the order given, where
 * nothing else is said. Throws `MONITOR_QUALITY_INVALID`.
 * @param queries Which query each row belongs to.
 * @param relevance At least 0; above 0 is relevant.
 * @param scores What the model orders by, the highest first.
 */
export function scoreRanking(
  queries: ArrayLike<string | number>,
  relevance: ArrayLike<number>,
  scores: ArrayLike<number>,
  options: RankingOptions = {},
): RankingQuality {
  const { places = 10 } = options;
  if (!Number.isSafeInteger(places) || places < 1)
    throw qualityInvalid(`places must be a whole number from 1, not ${String(places)}`);
  checkIntervals(options, 0);
  if (queries.length !== relevance.length)
    throw qualityInvalid(`"queries" has ${queries.length} rows, "relevance" ${relevance.length}`);
  const { rows, invalid } = finiteRows({ relevance, scores });
  const groups = new Map<string | number, number[]>();
  for (const row of rows) {
    if ((relevance[row] as number) < 0) throw qualityInvalid(`the relevance of row ${row} is ${relevance[row]}`);
    const query = queries[row] as string | number;
    const group = groups.get(query);
    if (group === undefined) groups.set(query, [row]);
    else group.push(row);
  }
  const pickOf = (values: ArrayLike<number>, group: readonly number[]): Float64Array =>
    Float64Array.from(group, (row) => values[row] as number);
  const measured = [...groups.values()]
    .map((group) => measureQuery(pickOf(relevance, group), pickOf(scores, group), places))
    .filter((each) => each !== undefined);
  const mean = (weights: Float64Array): Record<RankingMetric, number> => {
    const total = weights.reduce((sum, each) => sum + each, 0);
    const of = (metric: RankingMetric): number =>
      measured.reduce((sum, each, query) => sum + each[metric] * (weights[query] as number), 0) / total;
    return {
      map: of("map"),
      mrr: of("mrr"),
      ndcg: of("ndcg"),
      precision: of("precision"),
      recall: of("recall"),
      hitRate: of("hitRate"),
    };
  };
  const base = new Float64Array(measured.length).fill(1);
  return {
    kind: "ranking",
    queries: measured.length,
    withoutRelevant: groups.size - measured.length,
    invalid,
    metrics: withIntervals(mean(base), {}, bootstrapIntervals(base, mean, options)),
  };
}

/** @returns undefined where nothing is relevant. */
function measureQuery(
  relevance: Float64Array,
  scores: Float64Array,
  places: number,
): Readonly<Record<RankingMetric, number>> | undefined {
  const relevant = relevance.map((each) => (each > 0 ? 1 : 0));
  const count = relevant.reduce((sum, each) => sum + each, 0);
  if (count === 0) return undefined;
  const ranked = rankScores(scores);
  const { order, ends } = ranked;
  const first = order.findIndex((row) => relevant[row] === 1);
  const hits = order.subarray(0, places).reduce((sum, row) => sum + (relevant[row] as number), 0);
  const best = relevance.toSorted().toReversed();
  return {
    map: curvesOf(ranked, relevant, new Float64Array(relevance.length).fill(1)).averagePrecision,
    mrr: 1 / (first + 1),
    ndcg:
      gainOf(order, ends, relevance, places) /
      gainOf(
        best.map((_, place) => place),
        undefined,
        best,
        places,
      ),
    precision: hits / places,
    recall: hits / count,
    hitRate: hits > 0 ? 1 : 0,
  };
}

/** @param ends Where runs of ties end. Default: after each place. */
function gainOf(
  order: Int32Array | Float64Array,
  ends: Int32Array | undefined,
  relevance: Float64Array,
  places: number,
): number {
  const discount = (place: number): number => (place < places ? 1 / Math.log2(place + 2) : 0);
  let gain = 0;
  let start = 0;
  for (const end of ends ?? order.map((_, place) => place + 1)) {
    let [relevant, discounts] = [0, 0];
    for (let place = start; place < end; place += 1) {
      relevant += relevance[order[place] as number] as number;
      discounts += discount(place);
    }
    gain += (relevant * discounts) / (end - start);
    start = end;
  }
  return gain;
}
