export {
  type CompiledExplainer,
  type TreeExplainerOptions,
  compileLinearExplainer,
  compileTreeExplainer,
} from "./explain/compiled-explainers.ts";
export type { ExplainOptions, Explanation, ExplanationMethod, ExplanationScale } from "./explain/explanation.ts";
export { type OpenExplainerOptions, openExplainer } from "./explain/open-explainer.ts";
export type { ModelExplainer } from "./explain/row-explainer.ts";
