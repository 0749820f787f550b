import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventgate } from './cli.js'
import { ROOT } from './service.js'

const TSC = join(ROOT, 'node_modules/typescript/bin/tsc')

/** Runs `eventgate types` in a folder. */
export const types = (cwd: string, ...args: string[]) => eventgate(['types', ...args], { cwd })

/** What the compiler says of a program beside `events.d.ts`; empty if it compiles. */
export function compile(folder: string, program: string): string {
  writeFileSync(join(folder, 'program.ts'), program)
  const args = [
    TSC,
    '--noEmit',
    '--strict',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--types',
    '',
    'program.ts',
  ]
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }).stdout
}
