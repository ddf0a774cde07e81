/** The language of conditions: CEL, with optional values. The limits bound what is parsed; the time of a task what is evaluated. */
export const ENVIRONMENT = {
  enableOptionalTypes: true,
  homogeneousAggregateLiterals: false,
  limits: { maxAstNodes: 500, maxDepth: 50 },
};
