/** Metrics that a PromQL expression names. */
export function metricsIn(expr: string): string[] {
  const withoutTexts = expr.replace(/"[^"]*"/g, '""')
  return [...new Set(withoutTexts.match(/\b(?:eventgate|express_router|nodejs|process)_\w+/g) ?? [])]
}
