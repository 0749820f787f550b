/** Metrics of the service that a PromQL expression names. Series that a rule records have colons in their names. */
export function metricsIn(expr: string): string[] {
  const withoutTexts = expr.replace(/"[^"]*"/g, '""')
  return [
    ...new Set(
      withoutTexts.match(/(?<![:\w])(?:eventgate|express_router|nodejs|process)_\w+(?![:\w])/g) ?? [],
    ),
  ]
}

const RECEIVED = 'eventgate_stream_received_total'
/** Accounts that do not add up. There is no such account at any scrape. */
export const WRONG_ACCOUNTS = `${RECEIVED} unless ${RECEIVED} == sum without (outcome, code) (eventgate_stream_events_total) + eventgate_stream_in_flight_events`
