/** Makes the tables of docs/errors.md, and of codes in docs/operations.md, of the codes' own table. */
import { join } from 'node:path'
import { type ErrorRow, EVENT_ERRORS, REQUEST_ERRORS } from '#src/lib/error-codes.js'
import { ROOT } from '../support/service.js'
import { withTables } from './tables.js'

export const PAGE = join(ROOT, 'docs/errors.md')
export const OPERATIONS_PAGE = join(ROOT, 'docs/operations.md')

type Errors = Readonly<Record<string, ErrorRow>>

function rows(errors: Errors, kind: ErrorRow['kind']): string[] {
  return [
    '| code | status | cause | remedy |',
    '|---|---|---|---|',
    ...Object.entries(errors)
      .filter(([, error]) => error.kind === kind)
      .map(([code, { status, cause, remedy }]) => `| \`${code}\` | ${status} | ${cause} | ${remedy} |`),
  ]
}

export function generated(): string {
  return withTables('docs/errors.md', {
    event_invalid: () => rows(EVENT_ERRORS, 'invalid'),
    event_error: () => rows(EVENT_ERRORS, 'error'),
    request_invalid: () => rows(REQUEST_ERRORS, 'invalid'),
    request_error: () => rows(REQUEST_ERRORS, 'error'),
  })
}

/** Every code is in one of these groups, because its status is. */
const GROUPS: [answer: string, meaning: string, has: (status: number) => boolean][] = [
  ['503', 'Not stored. A retry makes no duplicate.', status => status === 503],
  ['504', 'Unknown: it may be stored, now or later. A retry may make a duplicate.', status => status === 504],
  ['500', 'Not stored: a defect. The log has its stack trace.', status => status === 500],
  ["4xx, the client's mistake", 'Not stored. A retry does not help.', status => status < 500],
]

function codes(): string[] {
  const list = (errors: Errors, has: (status: number) => boolean) =>
    Object.entries(errors).flatMap(([code, { status }]) => (has(status) ? [`\`${code}\``] : []))
  return [
    '| answer | what became of the event | codes of events | codes of whole requests |',
    '|---|---|---|---|',
    ...GROUPS.map(([answer, meaning, has]) => {
      const [events, requests] = [EVENT_ERRORS, REQUEST_ERRORS].map(errors => list(errors, has).join(' '))
      return `| ${answer} | ${meaning} | ${events} | ${requests} |`
    }),
  ]
}

export function generatedOperations(): string {
  return withTables('docs/operations.md', { codes })
}
