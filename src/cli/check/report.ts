import type { Event } from '../../lib/eventgate.js'
import type { Verdict } from '../../lib/evolution/comparison.js'

/** What a new version of a schema means for events of the version before it. */
export interface Result {
  /** The schema's title. */
  schema: string
  from: string
  to: string
  verdict: Verdict['verdict']
  /** Whether the major version is the same. If so, nothing may break. */
  sameMajor: boolean
  /** An event that the older version accepts and the newer one refuses (null unless it breaks). */
  event: Event | null
  /** The rule that refuses it, or that could not be decided (null if the version is compatible). */
  rule: { path: string; keyword: string; message: string } | null
  file: string
  line: number
  /** What would become of real events (null without --sample). */
  sample: Sample | null
}

export interface Sample {
  events: number
  refused: number
  reasons: { reason: string; count: number; event: Event }[]
}

export interface Problem {
  code: string
  severity: 'error' | 'warning'
  message: string
  file: string
  line: number
}

export interface Report {
  results: Result[]
  problems: Problem[]
  schemas: number
  streams: number
}

/** Whether a result is a failure of the check. */
export function isFailure({ verdict, sameMajor }: Result, strict: boolean): boolean {
  if (verdict === 'breaks') return sameMajor || strict
  return verdict === 'cannot_tell' && strict
}

/** 0: nothing breaks; 1: something does. */
export function exitCodeOf({ results, problems }: Report, strict: boolean): number {
  const fails = results.some(result => isFailure(result, strict))
  return fails || problems.some(({ severity }) => severity === 'error' || strict) ? 1 : 0
}

/** The report for people, also as a comment on a pull request. */
export function textOf(report: Report, strict: boolean): string {
  const lines: string[] = []
  for (const { severity, file, line, message, code } of report.problems)
    lines.push(`${severity}: ${file}:${line} ${message} (${code})`)
  for (const result of report.results) {
    const { schema, from, to, verdict, rule, event, sample, sameMajor } = result
    const says = { compatible: 'compatible', breaks: 'breaks', cannot_tell: 'cannot tell' }[verdict]
    const allowed = verdict === 'breaks' && !isFailure(result, strict) ? ' (a new major version may)' : ''
    if (verdict !== 'compatible' || sample?.refused)
      lines.push(`${schema} ${from} → ${to}: ${says}${allowed}`)
    if (rule) lines.push(`  ${rule.path || 'the event'} ${rule.message} (${rule.keyword})`)
    if (event) lines.push(`  ${from} accepts and ${to} refuses ${shortened(event)}`)
    if (verdict === 'breaks' && sameMajor) lines.push('  make it a new major version, or take the rule back')
    if (sample) lines.push(...sampleLines(sample))
  }
  const count = (verdict: Verdict['verdict']) =>
    report.results.filter(result => result.verdict === verdict).length
  const errors = report.problems.filter(({ severity }) => severity === 'error').length
  const { schemas, streams, results, problems } = report
  lines.push(
    `${schemas} schemas, ${streams} streams, ${results.length} new versions: ${count('compatible')} compatible, ` +
      `${count('breaks')} break, ${count('cannot_tell')} cannot be told; ${errors} errors, ${problems.length - errors} warnings`,
  )
  return `${lines.join('\n')}\n`
}

const MAX_TEXT = 80

/** Shortens an event for people. `--json` has all of it. */
function shortened(event: Event): string {
  return JSON.stringify(event, (_name, value) =>
    typeof value === 'string' && value.length > MAX_TEXT
      ? `${value.slice(0, MAX_TEXT / 2)}… (${value.length} characters)`
      : value,
  )
}

function sampleLines({ events, refused, reasons }: Sample): string[] {
  const shown = reasons.slice(0, 10).map(({ reason, count }) => `    ${count}: ${reason}`)
  return [`  of ${events} real events ${refused} would be refused`, ...shown]
}

/** SARIF 2.1.0, as code review tools take it. */
export function sarifOf({ results, problems }: Report, strict: boolean, version: string): object {
  const place = (file: string, line: number) => ({
    physicalLocation: { artifactLocation: { uri: file }, region: { startLine: line } },
  })
  const found = [
    ...problems.map(({ code, severity, message, file, line }) => ({
      ruleId: code,
      level: severity,
      message: { text: message },
      locations: [place(file, line)],
    })),
    ...results
      .filter(({ verdict }) => verdict !== 'compatible')
      .map(result => ({
        ruleId: result.verdict,
        level: isFailure(result, strict) ? 'error' : 'note',
        message: {
          text: `${result.schema} ${result.to}: ${result.rule?.path ?? ''} ${result.rule?.message ?? ''}. Event of ${result.from}: ${JSON.stringify(result.event)}`,
        },
        locations: [place(result.file, result.line)],
      })),
  ]
  const rules = [...new Set(found.map(({ ruleId }) => ruleId))].map(id => ({ id }))
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver: { name: 'eventgate check', version, rules } }, results: found }],
  }
}
