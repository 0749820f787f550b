/** Makes the tables of docs/configuration.md of the code that reads the configuration. */
import { join } from 'node:path'
import { FILE } from '#src/lib/config/file.js'
import { OPTIONS } from '#src/lib/config/options/options.js'
import { PROPERTIES, type Property } from '#src/lib/kafka/properties.js'
import { EDGE_UNIQUES_SETTING } from '#src/lib/steps/transforms.js'
import { SETTINGS } from '#src/lib/streams/settings.js'
import { ROOT } from '../support/service.js'
import { withTables } from './tables.js'

export const PAGE = join(ROOT, 'docs/configuration.md')

interface Described {
  description?: string
  default?: unknown
  properties?: Record<string, Described>
  items?: Described
  anyOf?: readonly Described[]
}

/** Every property of the file except the options, with its description. */
export function fileRows(): [path: string, description: string][] {
  const rows: [string, string][] = []
  const walk = (path: string, { description, properties, items, anyOf }: Described) => {
    if (description !== undefined) rows.push([path, description])
    for (const [name, sub] of Object.entries(properties ?? {})) walk(path ? `${path}.${name}` : name, sub)
    if (items) walk(`${path}[]`, items)
    // Metrics: one endpoint, or a list of them.
    if (anyOf?.[0]) walk(path, anyOf[0])
  }
  walk('', FILE as Described)
  return rows
}

/** Every option, and every property of one that has a description of its own. */
function optionRows(): string[] {
  const rows: string[] = []
  const walk = (path: string, { description, properties, ...option }: Described) => {
    if (description === undefined) return
    rows.push(`| \`${path}\` | ${'default' in option ? code(option.default) : ''} | ${description} |`)
    for (const [name, sub] of Object.entries(properties ?? {})) walk(`${path}.${name}`, sub)
  }
  for (const [name, option] of Object.entries(OPTIONS)) walk(name, option as Described)
  return rows
}

/** The settings of a stream, those of transforms included. */
export const STREAM_SETTINGS = [...Object.values(SETTINGS), EDGE_UNIQUES_SETTING]

/** Properties without effect share a row if they have the same reason. */
function kafkaRows(): string[] {
  const rows = new Map<string, string[]>()
  for (const [name, property] of Object.entries(PROPERTIES)) {
    const names = [name, ...(property.aliases ?? [])].map(name => `\`${name}\``).join(', ')
    const rest = `${valuesOf(property)} | ${defaultOf(property)} | ${effectOf(property)}`
    const key = property.status === 'used' ? names : rest
    rows.set(key, [...(rows.get(key) ?? []), names, ...(property.status === 'used' ? [rest] : [])])
  }
  return [...rows].map(([key, parts]) =>
    parts.length === 2 && parts[0] === key ? `| ${key} | ${parts[1]} |` : `| ${parts.join(' ')} | ${key} |`,
  )
}

function valuesOf({ status, type, choices, range }: Property): string {
  if (status !== 'used') return ''
  if (choices) return choices.map(choice => `\`${choice}\``).join(' ')
  return range ? `${range[0]} to ${range[1]}` : type === 'flag' ? '`true` `false`' : 'text'
}

function defaultOf({ default: value, librdkafka }: Property): string {
  if (value === undefined) return ''
  return librdkafka === undefined ? code(value) : `${code(value)}, not librdkafka's ${code(librdkafka)}`
}

function effectOf({ status, description }: Property): string {
  const effects = {
    used: '',
    ignored: 'Accepted without effect, with a warning. ',
    rejected: '**An error.** ',
  }
  return `${effects[status]}${description}`
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value)}\``
}

/** The page as the code has it now. */
export function generated(): string {
  return withTables('docs/configuration.md', {
    file: () => [
      '| property | what it does |',
      '|---|---|',
      ...fileRows().map(([path, description]) => `| \`${path}\` | ${description} |`),
    ],
    options: () => ['| option | default | what it does |', '|---|---|---|', ...optionRows()],
    streams: () => [
      '| setting of a stream | what it does |',
      '|---|---|',
      ...STREAM_SETTINGS.map(({ path, description }) => `| \`${path}\` | ${description} |`),
    ],
    kafka: () => [
      '| property, aliases | values | default | what it does |',
      '|---|---|---|---|',
      ...kafkaRows(),
    ],
  })
}
