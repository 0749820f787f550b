import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { isObject } from '../../lib/eventgate.js'
import { readText } from '../../lib/yaml.js'
import { UsageError } from '../usage.js'

/** A file with a schema or a stream configuration. */
export interface SourceFile {
  /** Its path as it is printed, relative to the working directory. */
  name: string
  path: string
  text: string
  value: Record<string, unknown>
}

export interface SchemaFile extends SourceFile {
  /** The folder to which the schema's URI is relative. */
  root: string
  /** The path of its folder below the root, which its title should be. */
  title: string
  version: string
}

export interface Found {
  schemas: SchemaFile[]
  streams: SourceFile[]
  /** Files that cannot be parsed as JSON or YAML. */
  unreadable: { name: string; message: string }[]
}

const BOUNDS = { maxValues: 1_000_000, maxDepth: 200 }
const MAX_FILES = 50_000
const VERSION = /^(\d+\.\d+\.\d+)\.(?:ya?ml|json)$/

/** Finds schemas and stream configurations below these paths. Throws a UsageError if a path does not exist. */
export function findFiles(paths: readonly string[], base = process.cwd()): Found {
  const found: Found = { schemas: [], streams: [], unreadable: [] }
  for (const path of paths) {
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile()
    if (isFile === undefined) throw new UsageError(`${path} does not exist`)
    for (const file of isFile ? [path] : walk(path)) addFile(file, path, isFile, base, found)
  }
  placeSchemas(found.schemas)
  return found
}

function addFile(path: string, root: string, isNamed: boolean, base: string, found: Found): void {
  const version = VERSION.exec(path.split('/').at(-1) ?? '')?.[1]
  const name = relative(base, path) || path
  const text = readFileSync(path, 'utf8')
  let value: unknown
  try {
    value = readText(text, BOUNDS).value
  } catch (error) {
    if (isNamed || version !== undefined) found.unreadable.push({ name, message: (error as Error).message })
    return
  }
  if (!isObject(value)) return
  const file = { name, path: resolve(path), text, value }
  if (version !== undefined)
    found.schemas.push({ ...file, version, root: resolve(isNamed ? dirname(root) : root), title: '' })
  else if (looksLikeStreams(value) || (isNamed && !looksLikeSchema(value))) found.streams.push(file)
}

/** Finds the roots from the `$id`s. Most of them decide, so that a wrong `$id` does not move its file. */
function placeSchemas(schemas: SchemaFile[]): void {
  const votes = new Map<string, number>()
  for (const { path, value } of schemas) {
    const own = path.replace(/\.\w+$/, '')
    if (typeof value.$id === 'string' && value.$id.startsWith('/') && own.endsWith(value.$id)) {
      const root = own.slice(0, -value.$id.length)
      votes.set(root, (votes.get(root) ?? 0) + 1)
    }
  }
  const roots = [...votes].sort((a, b) => b[1] - a[1]).map(([root]) => root)
  for (const schema of schemas) {
    schema.root = roots.find(root => schema.path.startsWith(`${root}/`)) ?? schema.root
    schema.title = relative(schema.root, dirname(schema.path))
  }
}

function* walk(folder: string): Generator<string> {
  let left = MAX_FILES
  const open = [folder]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const entry of readdirSync(next, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const path = join(next, entry.name)
      if (entry.isDirectory()) open.push(path)
      else if (entry.isFile() && /\.(?:ya?ml|json)$/.test(entry.name) && --left >= 0) yield path
    }
  }
}

const STREAM_SETTINGS = ['schema_title', 'destination_event_service', 'message_key_fields', 'topic_prefixes']

function looksLikeStreams(value: Record<string, unknown>): boolean {
  const streams = isObject(value.streams) ? value.streams : value
  return Object.values(streams).some(
    settings => isObject(settings) && STREAM_SETTINGS.some(name => name in settings),
  )
}

function looksLikeSchema(value: Record<string, unknown>): boolean {
  return ['$schema', '$id', 'properties', 'allOf', 'type'].some(name => name in value)
}

/** The line of the first match, counted from 1 (1 without a match). */
export function lineOf(text: string, pattern: RegExp): number {
  const index = text.search(pattern)
  return index < 0 ? 1 : text.slice(0, index).split('\n').length
}

/** Checks out paths of a git revision into a folder, which `drop` removes. Throws a UsageError. */
export function filesAt(
  revision: string,
  paths: readonly string[],
): { paths: string[]; folder: string; drop(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'eventgate-check-'))
  const drop = () => rmSync(folder, { recursive: true, force: true })
  try {
    const git = (args: readonly string[], env: NodeJS.ProcessEnv = process.env) =>
      execFileSync('git', args, {
        encoding: 'utf8',
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
        maxBuffer: 1 << 28,
      })
    const top = git(['rev-parse', '--show-toplevel']).trim()
    const commit = git(['rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`]).trim()
    const tree = join(folder, 'tree')
    mkdirSync(tree)
    const inside = paths.map(path => relative(top, resolve(path)) || '.')
    const kept = inside.filter(path => git(['-C', top, 'ls-tree', commit, '--', path]) !== '' || path === '.')
    // A separate index leaves the repository's as it is.
    const env = { ...process.env, GIT_INDEX_FILE: join(folder, 'index') }
    if (kept.length > 0) git(['-C', top, `--work-tree=${tree}`, 'checkout', commit, '--', ...kept], env)
    return { paths: kept.map(path => join(tree, path)), folder: tree, drop }
  } catch (error) {
    drop()
    const { stderr, message } = error as Error & { stderr?: string }
    throw new UsageError(
      `--base ${revision} cannot be read: ${(stderr || message).trim().split('\n').at(-1)}`,
    )
  }
}
