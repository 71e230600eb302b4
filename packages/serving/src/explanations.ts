export { type ExplanationsOptions, explanations } from "./explanations/explanations.ts";
export type { NotExplained, PredictionExplanation } from "./explanations/prediction-explanation.ts";
