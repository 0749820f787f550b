/** Metrics of the service that a PromQL expression names. Series that a rule records have colons in their names. */
export function metricsIn(expr: string): string[] {
  const withoutTexts = expr.replace(/"[^"]*"/g, '""')
  return [
    ...new Set(
      withoutTexts.match(/(?<![:\w])(?:eventgate|express_router|nodejs|process)_\w+(?![:\w])/g) ?? [],
    ),
  ]
}
