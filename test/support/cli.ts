import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { dump } from 'js-yaml'
import { ROOT, temporary } from './service.js'

export const CLI = join(ROOT, 'dist/cli.js')

interface Run {
  input?: string
  cwd?: string
  env?: Record<string, string>
}

/** Runs the command to its end. */
export function eventgate(args: readonly string[], { input = '', cwd = ROOT, env = {} }: Run = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    ...{ input, cwd, encoding: 'utf8' },
    env: { ...process.env, ...env },
  })
  return { status, stdout, stderr }
}

/** The same beside what this process does meanwhile. */
export function eventgateAsync(
  args: readonly string[],
): Promise<{ status: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    const child = execFile(process.execPath, [CLI, ...args], (_, stdout, stderr) =>
      resolve({ status: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

/** Values as NDJSON. */
export const lines = (...values: unknown[]) => values.map(value => `${JSON.stringify(value)}\n`).join('')

/** Writes files into a folder: text as it is, other values as YAML. */
export function writeFiles(folder: string, contents: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(contents)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, typeof value === 'string' ? value : dump(value))
  }
}

/** A folder with these files. */
export function folderOf(t: TestContext, contents: Readonly<Record<string, unknown>>): string {
  const folder = temporary(t)
  writeFiles(folder, contents)
  return folder
}

/** A version of the schema page/change with more properties. */
export const pageSchema = (version: string, more: object = {}, required: string[] = ['$schema', 'meta']) => ({
  title: 'page/change',
  $id: `/page/change/${version}`,
  $schema: 'https://json-schema.org/draft-07/schema#',
  type: 'object',
  required,
  additionalProperties: false,
  properties: {
    $schema: { type: 'string' },
    meta: {
      type: 'object',
      required: ['dt', 'stream'],
      properties: { dt: { type: 'string', format: 'date-time', maxLength: 128 }, stream: { type: 'string' } },
    },
    wiki: { type: 'string', maxLength: 20 },
    ...more,
  },
  examples: [
    { $schema: `/page/change/${version}`, meta: { stream: 'page', dt: '2026-01-01T00:00:00Z' }, wiki: 'a' },
  ],
})

export const STREAMS = { page: { schema_title: 'page/change' } }

/** A folder with two versions of a schema, a stream of them, and these files; `write` adds one. */
export function schemaFolder(
  t: TestContext,
  files: Readonly<Record<string, unknown>> = {},
): { folder: string; write: (name: string, value: unknown) => void } {
  const folder = folderOf(t, {
    'jsonschema/page/change/1.0.0.yaml': pageSchema('1.0.0'),
    'jsonschema/page/change/1.1.0.yaml': pageSchema('1.1.0', { user: { type: 'string' } }),
    'streams.yaml': STREAMS,
    ...files,
  })
  return { folder, write: (name, value) => writeFiles(folder, { [name]: value }) }
}
