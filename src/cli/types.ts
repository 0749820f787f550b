import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { isObject } from '../lib/eventgate.js'
import type { SubSchema } from '../lib/schemas/json-schema.js'
import type { SchemaParts } from '../lib/schemas/parts.js'
import { readInfo } from '../wiring.js'
import { findFiles, type SchemaFile, type SourceFile } from './check/files.js'
import { CheckedSchemas, uriOf } from './check/schemas.js'
import { UsageError } from './usage.js'

export interface TypesOptions {
  /** Folders and files of schemas and stream configurations (default: the working directory). */
  files: readonly string[]
  /** The file to write. Its lock file is next to it. */
  output?: string | undefined
  /** Schema repositories for references. */
  schemas?: readonly string[] | undefined
  /** Only says whether the files are up to date. */
  check?: boolean | undefined
}

/** Hashes of what the types were made from, for CI to compare. */
interface Lock {
  eventgate: string
  schemas: Record<string, string>
  streams: Record<string, string>
  types: string
}

/** Writes TypeScript types of schemas, and of the events that each stream takes. Returns the exit code. */
export async function types({
  files,
  output,
  schemas: roots = [],
  check = false,
}: TypesOptions): Promise<number> {
  if (output === undefined) throw new UsageError('name the file to write: -o events.d.ts')
  if (!output.endsWith('.ts'))
    throw new UsageError(`-o ${output} must be a TypeScript file, such as events.d.ts`)
  const found = findFiles(files.length > 0 ? files : ['.'])
  if (found.schemas.length === 0)
    throw new UsageError('there is no schema: one is called <title>/<version>.yaml')
  const checked = await CheckedSchemas.load(found.schemas, {}, roots)
  const broken = checked.problems().find(({ code }) => /^schema_/.test(code))
  if (broken) throw new UsageError(`${broken.file}: ${broken.message}`)
  const text = await writeTypes(checked, found.streams)
  const lock = lockOf(found.schemas, found.streams, text)
  const lockFile = output.replace(/(?:\.d)?\.ts$/, '.lock.json')
  const locked = `${JSON.stringify(lock, null, 2)}\n`
  if (check) return compareFiles(output, lockFile, text, lock)
  writeFileSync(output, text)
  writeFileSync(lockFile, locked)
  process.stdout.write(`${output}: types of ${found.schemas.length} schemas; ${lockFile} is for CI\n`)
  return 0
}

function compareFiles(output: string, lockFile: string, text: string, lock: Lock): number {
  const read = (file: string) => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return undefined
    }
  }
  const before = JSON.parse(read(lockFile) ?? '{"schemas":{},"streams":{}}') as Lock
  const changed = (['schemas', 'streams'] as const).flatMap(kind =>
    [...new Set([...Object.keys(before[kind]), ...Object.keys(lock[kind])])].filter(
      name => before[kind][name] !== lock[kind][name],
    ),
  )
  if (changed.length === 0 && read(output) === text) return 0
  const why =
    changed.length > 0 ? `changed since: ${changed.slice(0, 10).join(', ')}` : `${output} was edited`
  process.stdout.write(`${output} is out of date (${why}): run eventgate types -o ${output}\n`)
  return 1
}

function lockOf(schemas: readonly SchemaFile[], streams: readonly SourceFile[], text: string): Lock {
  const hash = (value: string) => createHash('sha256').update(value).digest('hex').slice(0, 16)
  const hashes = (files: readonly (readonly [name: string, file: SourceFile])[]) =>
    Object.fromEntries(files.map(([name, { value }]) => [name, hash(JSON.stringify(value))]).sort())
  return {
    eventgate: readInfo().version,
    schemas: hashes(schemas.map(file => [uriOf(file), file])),
    streams: hashes(streams.map(file => [file.name, file])),
    types: hash(text),
  }
}

type Compile = (schema: object, name: string, options: object) => Promise<string>

/** An optional package, because it has 25 MB with Prettier, and services do not need it. */
async function loadCompiler(): Promise<Compile> {
  try {
    const name = 'json-schema-to-typescript'
    return ((await import(name)) as { compile: Compile }).compile
  } catch {
    throw new UsageError('eventgate types needs a package: npm install --save-dev json-schema-to-typescript')
  }
}

async function writeTypes(checked: CheckedSchemas, streams: readonly SourceFile[]): Promise<string> {
  const compile = await loadCompiler()
  const versions = checked.versions()
  const parts: string[] = [HEAD]
  for (const [title, files] of [...versions].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const file of files) {
      const side = checked.side(file)
      if (!side) continue
      const body = await compile(bundled(side.parts, uriOf(file)), 'Event', {
        bannerComment: '',
        ignoreMinAndMaxItems: true,
        unreachableDefinitions: false,
        style: { semi: false, singleQuote: true, printWidth: 100 },
      })
      const name = nameOf(title, file.version)
      parts.push(
        `/** ${uriOf(file)} */\nexport type ${name} = ${name}.Event\nexport namespace ${name} {\n${indented(body)}\n}`,
      )
    }
  }
  parts.push(streamsOf(versions, streams))
  return `${parts.join('\n\n')}\n`
}

const HEAD = `// Made by \`eventgate types\` of JSON Schemas. Do not edit: change the schema, and run it again.
/* eslint-disable */

/** The fields that EventGate fills in, which an event need not have when it is sent. */
type Filled<M> = { [K in keyof M as K extends 'dt' | 'id' ? never : K]: M[K] } & { dt?: string; id?: string }

/** An event as it may be sent. */
export type Sendable<E> = E extends { meta: infer M }
  ? { [K in keyof E as K extends 'meta' ? never : K]: E[K] } & { meta: Filled<M> }
  : E

/** The events of a stream. */
export type EventOf<S extends keyof Streams> = Streams[S] & { meta: { stream: S } }

/** What may be sent to a stream. */
export type SendableTo<S extends keyof Streams> = Sendable<Streams[S]> & { meta: { stream: NoInfer<S> } }`

/** A stream takes all versions of its schema. Streams that are regular expressions have no name to list. */
function streamsOf(versions: ReadonlyMap<string, SchemaFile[]>, streams: readonly SourceFile[]): string {
  const lines = streams.flatMap(({ value }) => {
    const all = isObject(value.streams) ? value.streams : value
    return Object.entries(all).flatMap(([stream, settings]) => {
      const title = isObject(settings) ? settings.schema_title : undefined
      const files = typeof title === 'string' ? versions.get(title) : undefined
      if (!files || /^\/.+\/$/.test(stream)) return []
      const events = files.map(({ title, version }) => {
        const uri = `${title}/${version}`
        return `${nameOf(title, version)} & { $schema: '/${uri}' | '${uri}' }`
      })
      return `  ${JSON.stringify(stream)}:\n${events.map(event => `    | (${event})`).join('\n')}`
    })
  })
  return `/** Which events each stream takes. */\nexport interface Streams {\n${lines.join('\n')}\n}`
}

/** `page/change` and `1.0.0` make `PageChange_1_0_0`. */
function nameOf(title: string, version: string): string {
  const words = title.split(/[^A-Za-z0-9]+/).filter(word => word !== '')
  const name = words.map(word => (word[0] as string).toUpperCase() + word.slice(1)).join('')
  return `${/^\d/.test(name) ? '_' : ''}${name}_${version.replaceAll('.', '_')}`
}

/** Includes all that a schema refers to, and removes titles, which would become names of types. */
function bundled(parts: SchemaParts, uri: string): object {
  const definitions: Record<string, unknown> = {}
  const rewrite = (schema: unknown): unknown => {
    if (Array.isArray(schema)) return schema.map(rewrite)
    if (!isObject(schema)) return schema
    const copy: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(schema)) {
      if ((name === 'title' || name === '$id') && typeof value === 'string') continue
      copy[name] = VALUES.has(name) && !isObject(value) ? value : rewrite(value)
    }
    if (typeof schema.$ref === 'string') copy.$ref = local(schema.$ref)
    return copy
  }
  const local = (reference: string): string => {
    const [other = '', fragment = ''] = reference.split('#')
    if (other === '' || other === uri) return `#${fragment}`
    if (!(other in definitions)) {
      definitions[other] = true
      definitions[other] = rewrite(parts.resolve(other) as SubSchema)
    }
    return `#/definitions/${other.replaceAll('~', '~0').replaceAll('/', '~1')}${fragment}`
  }
  const root = rewrite(parts.root) as Record<string, unknown>
  const { examples: _examples, ...rest } = root
  return { ...rest, definitions: { ...(root.definitions as object), ...definitions } }
}

const VALUES = new Set(['enum', 'const', 'default', 'examples', 'required'])

function indented(text: string): string {
  return text
    .trimEnd()
    .split('\n')
    .map(line => (line === '' ? '' : `  ${line}`))
    .join('\n')
}
