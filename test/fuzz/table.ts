import { CODES } from '#src/lib/errors.js'
import type { FuzzReport, Tally } from './fuzz.js'
import { row, type Weight } from './weights.js'

const number = (value: number) => value.toLocaleString('en')

/** What a run came to, as Markdown. `trouble` is of the services that trouble was made for. */
export function table(report: FuzzReport, trouble: Tally, weights: readonly Weight[]): string {
  const { tally, requests, seconds, rss, handles, log, options } = report
  const accepted = tally.statuses.get(201) ?? 0
  const statuses = [...tally.statuses].sort(([a], [b]) => a - b)
  const kinds = new Map<string, number>()
  for (const [kind, count] of tally.kinds) {
    const name = kind.replace(/(?::|,) .*/, '')
    kinds.set(name, (kinds.get(name) ?? 0) + count)
  }
  const sent = [...kinds].map(([kind, count]) => `${kind} ${number(count)}`).join(', ')
  const rows = [
    ['requests', `${number(requests)}, of seed ${options.seed}`],
    ['answers', number(tally.answers)],
    ['by status', statuses.map(([status, count]) => `${status}: ${number(count)}`).join(', ')],
    ['sent', sent],
    ['requests answered 201', `${((100 * accepted) / requests).toFixed(1)} %`],
    ['events said to be stored, stored', `${number(tally.accepted)}, ${number(report.stored)}`],
    ['hasty events, and those of clients that hung up', number(tally.unheard)],
    [
      'resident memory, garbage collected, after the first tenth and each large body, and after all; at most',
      `${rss.warm.toFixed(0)}, ${rss.after.toFixed(0)}, ${rss.peak.toFixed(0)} MB`,
    ],
    ['its growth in the last half', `${rss.trend.toFixed(0)} MB`],
    ['handles after the first tenth, after all', `${handles.warm}, ${handles.after}`],
    ['lines of log, the longest', `${number(log.lines)}, ${number(log.longest)} characters`],
    ['values of metrics’ labels', number(report.labels)],
    ['crashes, hangs, 5xx but 503, broken answers, injected headers', number(tally.broken.length)],
  ]
  const codes = CODES.map(
    code =>
      `| \`${code}\` | ${number(tally.codes.get(code) ?? 0)} | ${number(trouble.codes.get(code) ?? 0)} |`,
  )
  return `Mutations of the examples of ${report.real ? 'Wikimedia’s schemas and ' : ''}our schemas, and raw bytes on raw sockets. ${number(Math.round((requests * 0.9) / seconds))} requests a second over ${options.connections ?? 32} connections, heap of ${options.heapMb ?? 200} MB.

| | |
|---|---|
${rows.map(([name, value]) => `| ${name} | ${value} |`).join('\n')}

How often answers had each code. Among the requests: Kafka works. By trouble: small bounds, a full disk, defects of an operator’s module, a broker that refuses and stops, SIGTERM.

| code | among the requests | by trouble |
|---|---|---|
${codes.join('\n')}
${
  weights.length === 0
    ? ''
    : `
What one body costs an idle service. _Others waited_ is the longest wait of a small request beside it, and _memory_ is what its peak adds.

| body | answer | took | others waited | memory |
|---|---|---|---|---|
${weights.map(row).join('\n')}
`
}`
}

/** Codes that no answer had. */
export function unreached(...tallies: Tally[]): string[] {
  return CODES.filter(code => tallies.every(({ codes }) => !codes.has(code)))
}
