import type { Config } from '../../lib/config/config.js'
import { FactReader } from '../../lib/evolution/facts.js'
import type { SchemaParts } from '../../lib/schemas/parts.js'
import { isExpression, StreamTable } from '../../lib/streams/table.js'
import { lineOf, type SourceFile } from './files.js'
import type { Problem } from './report.js'
import type { CheckedSchemas } from './schemas.js'

/** Finds what is wrong with a stream configuration, by itself and with these schemas, and counts its streams. */
export function checkStreams(
  file: SourceFile,
  config: Config,
  schemas: CheckedSchemas,
): { problems: Problem[]; streams: number } {
  const problems: Problem[] = []
  const add = (code: string, stream: string, message: string, severity: Problem['severity'] = 'error') => {
    const line =
      stream === '' ? 1 : lineOf(file.text, new RegExp(`^\\s*["']?${escaped(stream)}["']?\\s*:`, 'm'))
    problems.push({ code, severity, message, file: file.name, line })
  }
  let table: StreamTable
  try {
    const nested = config.stream_config_object_path ?? ('streams' in file.value ? 'streams' : undefined)
    table = StreamTable.read(file.text, {
      objectPath: nested,
      destination: config.destination_event_service ?? undefined,
      topicPrefix: config.topic_prefix,
    })
  } catch (error) {
    add('streams_unreadable', '', (error as Error).message)
    return { problems, streams: 0 }
  }
  for (const warning of table.warnings) {
    const [, name = ''] = /^stream "([^"]+)"/.exec(warning) ?? []
    add('stream_refused', name, warning)
  }
  const lacking = new Map<string, string[]>()
  for (const [name, settings] of Object.entries(table.settings)) {
    const stream = table.find(isExpression(name) ? '' : name)
    const title = settings.schema_title
    if (typeof title !== 'string') {
      add('stream_without_schema', name, `stream ${name} has no schema_title, so it takes no events`)
      continue
    }
    if (schemas.files.length === 0) continue
    const newest = schemas.newest(title)
    if (!newest) {
      lacking.set(title, [...(lacking.get(title) ?? []), name])
      continue
    }
    const side = schemas.side(newest)
    if (!side) continue
    for (const { name: key, field } of stream?.key ?? []) {
      if (!side.schema.declares(field.path))
        add(
          'key_undeclared',
          name,
          `stream ${name}: ${newest.version} of ${title} has no ${field.path}, which is the key ${key}`,
        )
      else if (!isRequired(side.parts, field.path))
        add(
          'key_optional',
          name,
          `stream ${name}: ${field.path}, the key ${key}, is not required by ${newest.version} of ${title}: events without it are refused`,
        )
    }
    for (const { field, header } of stream?.headers ?? [])
      if (!side.schema.declares(field.path))
        add(
          'header_field_undeclared',
          name,
          `stream ${name}: ${newest.version} of ${title} has no ${field.path}: the header ${header} fills nothing`,
          'warning',
        )
  }
  for (const [title, [first = '', ...more]] of lacking) {
    const others = more.length > 0 ? ` and ${more.length} more take` : ' takes'
    add('stream_schema_missing', first, `stream ${first}${others} ${title}, which has no version`)
  }
  overlaps(table, add)
  return { problems, streams: table.size }
}

type Add = (code: string, stream: string, message: string, severity?: Problem['severity']) => void

/** Warns of names that several expressions match, because the order of the expressions then decides. */
function overlaps(table: StreamTable, add: Add): void {
  const expressions = Object.keys(table.settings).filter(isExpression)
  const names = Object.keys(table.settings).filter(name => !isExpression(name))
  const samples = [...names, ...expressions.flatMap(literalsOf)]
  const told = new Set<string>()
  for (const sample of samples) {
    const matching = expressions.filter(name => matches(name, sample))
    const [first, second] = matching
    if (first === undefined || second === undefined || told.has(`${first} ${second}`)) continue
    told.add(`${first} ${second}`)
    add(
      'expressions_overlap',
      second,
      `${sample} matches ${first} and ${second}: the first one wins`,
      'warning',
    )
  }
}

/** Guesses names that an expression matches, from its own letters. */
function literalsOf(expression: string): string[] {
  const plain = expression.slice(1, -1).replace(/[\^$]/g, '').replace(/\\(.)/g, '$1')
  const filled = plain.replace(/\.[*+]|\[[^\]]*\][*+?]?|\([^)]*\)[*+?]?/g, 'x')
  return [plain, filled, filled.replace(/x/g, 'a')]
}

function matches(expression: string, name: string): boolean {
  try {
    return new RegExp(expression.slice(1, -1)).test(name)
  } catch {
    return false
  }
}

/** Whether a schema requires the field at a dotted path. */
function isRequired(parts: SchemaParts, path: string): boolean {
  const reader = new FactReader(parts)
  let facts = reader.of([parts.root])
  for (const name of path.split('.')) {
    if (!facts?.some(({ required }) => Array.isArray(required) && required.includes(name))) return false
    facts = reader.forProperty(facts, name)
  }
  return true
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}
