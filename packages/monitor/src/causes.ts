export { type Cause, type Effect, type RankCausesOptions, rankCauses } from "./causes/rank-causes.ts";
